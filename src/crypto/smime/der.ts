// DER written and BER read (ITU-T X.690), on octets as they are: a reader that turns 150 MB into strings would need a
// gigabyte. Reads indefinite lengths and octet strings in pieces, because that is how others stream CMS; tags above 30 do
// not occur in it. What is not well-formed is SmimeError `damaged`.

import { SmimeError } from './error.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const CONSTRUCTED = 0x20;
const DEPTH_MAX = 40;
const INDEFINITE = 0x80;

/** Tag of a context-specific element: `[0]` constructed is `context(0)`, primitive `context(0, false)`. */
export function context(number: number, constructed = true): number {
  return 0x80 | (constructed ? CONSTRUCTED : 0) | number;
}

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Tag and length octets of an element with `length` octets of content. */
export function head(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length]);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.from([tag, 0x80 | octets.length, ...octets]);
}

/** A whole element; `parts` are its content, one after the other. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([head(tag, length), ...parts]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tlv(TAG.sequence, ...parts);
}

/** X.690 §11.6: the elements of a SET OF stand in the order of their octets. */
export function setOf(...elements: readonly Uint8Array[]): Buffer {
  return tlv(TAG.set, ...[...elements].sort(Buffer.compare));
}

/** A small number, 0 to 127. */
export function smallInteger(value: number): Buffer {
  return tlv(TAG.integer, Buffer.from([value]));
}

export function octetString(octets: Uint8Array): Buffer {
  return tlv(TAG.octetString, octets);
}

export function bitString(octets: Uint8Array): Buffer {
  return tlv(TAG.bitString, Buffer.from([0]), octets);
}

/** `dotted`: `1.2.840.113549.1.7.1`. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
  return tlv(TAG.oid, Buffer.from([40 * first + second, ...arcs].flatMap(base128)));
}

function base128(arc: number): number[] {
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128));
  return octets;
}

/** AlgorithmIdentifier (RFC 5280 §4.1.1.2). Parameters: absent unless given. */
export function algorithm(dotted: string, parameters?: Uint8Array): Buffer {
  return parameters ? sequence(oid(dotted), parameters) : sequence(oid(dotted));
}

export const NULL = tlv(TAG.null);

// ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

export type Element = {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly raw: Buffer;
  readonly indefinite: boolean;
};

/** The element at the start of `bytes`; octets may follow it. */
export function readElement(bytes: Buffer, depth = 0): Element {
  const tag = bytes[0];
  const first = bytes[1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || depth > DEPTH_MAX) throw damaged();
  if (first === INDEFINITE) return readIndefinite(bytes, tag, depth);
  let length = first;
  let start = 2;
  if (first > 0x80) {
    start += first & 0x7f;
    // Six octets: as far as numbers are exact.
    if (start > 8 || start > bytes.length) throw damaged();
    length = bytes.readUIntBE(2, start - 2);
  }
  if (start + length > bytes.length) throw damaged();
  const end = start + length;
  return { tag, content: bytes.subarray(start, end), raw: bytes.subarray(0, end), indefinite: false };
}

/** X.690 §8.1.3.6: elements until one of two zero octets. */
function readIndefinite(bytes: Buffer, tag: number, depth: number): Element {
  if ((tag & CONSTRUCTED) === 0) throw damaged();
  let at = 2;
  while (bytes[at] !== 0 || bytes[at + 1] !== 0) at += readElement(bytes.subarray(at), depth + 1).raw.length;
  return { tag, content: bytes.subarray(2, at), raw: bytes.subarray(0, at + 2), indefinite: true };
}

/** The only element of `bytes`: nothing stands behind it. */
export function readWhole(bytes: Buffer): Element {
  const element = readElement(bytes);
  if (element.raw.length !== bytes.length) throw damaged();
  return element;
}

/** What a constructed element of that tag (any, when left out) is made of. */
export function childrenOf(element: Element | undefined, tag = element?.tag): Element[] {
  if (!element || element.tag !== tag || (element.tag & CONSTRUCTED) === 0) throw damaged();
  const children: Element[] = [];
  for (let at = 0; at < element.content.length; ) {
    const child = readElement(element.content.subarray(at), 1);
    children.push(child);
    at += child.raw.length;
  }
  return children;
}

/** The one child of an EXPLICIT tag. */
export function explicit(element: Element | undefined, number: number): Element {
  const [child, ...more] = childrenOf(element, context(number));
  if (!child || more.length > 0) throw damaged();
  return child;
}

/** Content of a primitive element of that tag. */
export function contentOf(element: Element | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw damaged();
  return element.content;
}

/** An octet string in one piece or several (X.690 §8.7.3), also one whose tag is IMPLICIT: `tag` is the primitive one. */
export function octetsOf(element: Element | undefined, tag: number = TAG.octetString): Buffer {
  if (element?.tag === tag) return element.content;
  if (element?.tag !== (tag | CONSTRUCTED)) throw damaged();
  return Buffer.concat(childrenOf(element).map((piece) => octetsOf(piece)));
}

/** A BIT STRING of whole octets. */
export function bitsOf(element: Element | undefined): Buffer {
  const content = contentOf(element, TAG.bitString);
  if (content[0] !== 0) throw damaged();
  return content.subarray(1);
}

export function oidOf(element: Element | undefined): string {
  const octets = contentOf(element, TAG.oid);
  if (octets.length === 0 || octets.at(-1)! >= 0x80) throw damaged();
  const arcs: number[] = [];
  let arc = 0;
  for (const octet of octets) {
    arc = arc * 128 + (octet & 0x7f);
    if (!Number.isSafeInteger(arc)) throw damaged();
    if (octet >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [start = 0, ...rest] = arcs;
  const first = Math.min(2, Math.floor(start / 40));
  return [first, start - 40 * first, ...rest].join('.');
}

/** AlgorithmIdentifier: its name and its parameters, where it has any. */
export function algorithmOf(element: Element | undefined): { readonly oid: string; readonly parameters?: Element } {
  const [name, parameters] = childrenOf(element, TAG.sequence);
  return parameters ? { oid: oidOf(name), parameters } : { oid: oidOf(name) };
}

export function smallIntegerOf(element: Element | undefined): number {
  const content = contentOf(element, TAG.integer);
  if (content.length === 0 || content.length > 4) throw damaged();
  return content.readIntBE(0, content.length);
}

function damaged(): SmimeError {
  return new SmimeError('damaged');
}
