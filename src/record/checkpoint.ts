// Signed checkpoints of the audit chain: where it stood, at what time, signed by the key of that day. The first checkpoint of a
// series names its own key as `next`; the last one that a day's key signs names the key of the day that follows, so that one
// public key, kept elsewhere, leads to all of them (src/README.md, "Audit"). Pure. It cannot tell whether the day's key was
// used by someone else that day: that needs a checkpoint kept elsewhere, an anchor.

import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { join } from '../crypto/derive.ts';
import type { Head } from './verify.ts';

export type Checkpoint = Head & {
  /** Counts from 1 without a gap, over all days. */
  readonly no: number;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  /** Heads of every other node and epoch at that time. */
  readonly others: readonly Head[];
  /** Public half of the key that signs: 32 octets, RFC 8032 §5.1.5. */
  readonly key: Uint8Array;
  /** The public key that goes on after this one; null: the same. */
  readonly next: Uint8Array | null;
};
/** `signature`: 64 octets, Ed25519. */
export type SignedCheckpoint = Checkpoint & { readonly signature: Uint8Array };

/** DER before the 32 octets of an Ed25519 key (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export function publicKey(octets: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, octets]), format: 'der', type: 'spki' });
}

/** From 32 random octets, which the caller overwrites; and the public half's octets. */
export function signingKey(seed: Uint8Array): { readonly secret: KeyObject; readonly key: Buffer } {
  const der = Buffer.concat([PKCS8, seed]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return { secret, key: createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(SPKI.length) };
}

function headFields({ node, epoch, seq, hash: head }: Head): (string | Uint8Array)[] {
  return [node, String(epoch), String(seq), head];
}

/** The octets that are signed: every field behind its length. */
export function checkpointOctets(one: Checkpoint): Buffer {
  const others = one.others.map((other) => join(...headFields(other)));
  const next = one.next ?? new Uint8Array(0);
  const fields = [String(one.no), String(one.at), ...headFields(one), join(...others), one.key, next];
  return join('sealrelay/1 checkpoint', ...fields);
}

export function signCheckpoint(one: Checkpoint, secret: KeyObject): SignedCheckpoint {
  return { ...one, signature: sign(null, checkpointOctets(one), secret) };
}

/** Whether it is signed by the key that it names; says nothing of whose key that is. */
export function isSigned(one: SignedCheckpoint): boolean {
  if (one.key.length !== 32 || one.signature.length !== 64) return false;
  return verify(null, checkpointOctets(one), publicKey(one.key), one.signature);
}

/** What reads a series of checkpoints, in order of their numbers, knows after the last one that fitted. */
export type Signed = {
  readonly no: number;
  /** Key that the next one must be signed with; null before the first. */
  readonly key: Uint8Array | null;
  /** The last one that fitted; null before the first. */
  readonly last: SignedCheckpoint | null;
};

export const UNSIGNED: Signed = { no: 0, key: null, last: null };

/** Why `one` does not follow, in words, or what is known after it. `firsts`: public keys kept elsewhere, each of which may
 *  begin a series; null: the very first is believed, and that of a later epoch. `mayLack`: whether checkpoints of those
 *  numbers were pruned. */
export function follow(
  before: Signed,
  one: SignedCheckpoint,
  firsts: readonly Uint8Array[] | null,
  mayLack: (from: number, to: number) => boolean = () => false,
): Signed | string {
  if (one.no !== before.no + 1 && !(one.no > before.no && mayLack(before.no + 1, one.no - 1))) {
    return `checkpoint ${before.no + 1} is missing`;
  }
  const begins = one.next !== null && isSame(one.next, one.key);
  if (begins) {
    // A restored gateway begins an epoch and a series of keys: the last private half was never in a backup.
    const isRestored = before.last !== null && one.node === before.last.node && one.epoch > before.last.epoch;
    const isKept = firsts === null ? one.no === 1 || isRestored : firsts.some((first) => isSame(first, one.key));
    if (!isKept) {
      const whose = firsts === null ? 'that the one before did not endorse' : 'that is none of those kept elsewhere';
      return `checkpoint ${one.no} begins anew with a key ${whose}`;
    }
  } else if (before.key === null || !isSame(before.key, one.key)) {
    return `checkpoint ${one.no} is signed by a key that was not endorsed`;
  }
  if (!isSigned(one)) return `the signature of checkpoint ${one.no} does not match`;
  const { last } = before;
  if (last !== null && last.node === one.node && last.epoch === one.epoch && last.seq > one.seq) {
    return `checkpoint ${one.no} goes back behind entry ${last.seq}`;
  }
  return { no: one.no, key: one.next ?? one.key, last: one };
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

// ── as text ──

/** A checkpoint as a line of JSON, for anchors; nothing in it is of a person. `retracted`: deliveries whose parcels were
 *  retracted since the line before; not signed: who changes that line can retract, and nothing else. */
export function checkpointText(one: SignedCheckpoint, retracted: readonly string[] = []): string {
  const { no, at, key, next, signature, others } = one;
  return JSON.stringify({
    ...{ no, at: new Date(at).toISOString(), ...headText(one), others: others.map(headText) },
    key: base64(key),
    next: next === null ? null : base64(next),
    signature: base64(signature),
    ...(retracted.length > 0 && { retracted }),
  });
}

/** What `checkpointText` says was retracted; none for a line that is no checkpoint. */
export function readRetracted(line: string): readonly string[] {
  if (readCheckpoint(line) === null) return [];
  const { retracted } = JSON.parse(line) as { retracted?: unknown };
  return Array.isArray(retracted) ? retracted.filter((one) => typeof one === 'string') : [];
}

function base64(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64url');
}

export function headText({ node, epoch, seq, hash: head }: Head) {
  return { node, epoch, seq, hash: Buffer.from(head).toString('hex') };
}

/** Null when the line is no checkpoint; whether it is signed is not asked. */
export function readCheckpoint(line: string): SignedCheckpoint | null {
  try {
    const { no, at, others, key, next, signature, ...head } = JSON.parse(line);
    const one: SignedCheckpoint = {
      ...{ no, at: Date.parse(at), ...readHead(head), others: others.map(readHead) },
      key: Buffer.from(key, 'base64url'),
      next: next === null ? null : Buffer.from(next, 'base64url'),
      signature: Buffer.from(signature, 'base64url'),
    };
    return Number.isInteger(no) && Number.isFinite(one.at) ? one : null;
  } catch {
    return null;
  }
}

export function readHead({
  node,
  epoch,
  seq,
  hash: head,
}: {
  node: string;
  epoch: number;
  seq: number;
  hash: string;
}): Head {
  if (!Number.isInteger(epoch) || !Number.isInteger(seq)) throw new Error('not a head');
  return { node, epoch, seq, hash: Buffer.from(head, 'hex') };
}

const KEY = /^sra1 ([A-Za-z0-9_-]{43})$/;

/** A public key as a line to keep elsewhere. */
export function keyText(key: Uint8Array): string {
  return `sra1 ${base64(key)}`;
}

/** First 16 octets of SHA-256 of the public key, hex in groups of four, to compare by eye or by telephone. */
export function fingerprint(key: Uint8Array): string {
  return hash('sha256', key, 'hex').slice(0, 32).match(/.{4}/g)!.join(' ');
}

/** The keys in a file: lines as `keyText` makes them, and comments. Null when a line is neither, or there is no key. */
export function readKeys(text: string): Buffer[] | null {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const keys = lines.map((line) => KEY.exec(line)?.[1]);
  if (keys.length === 0 || keys.includes(undefined)) return null;
  return keys.map((key) => Buffer.from(key!, 'base64url'));
}

/** A public key that begins a series of day keys, as people see it. */
export type FirstKeyView = {
  readonly node: string;
  readonly since: string;
  readonly key: string;
  readonly fingerprint: string;
};

export function firstKeyView({ node, at, key }: SignedCheckpoint): FirstKeyView {
  return { node, since: new Date(at).toISOString(), key: keyText(key), fingerprint: fingerprint(key) };
}
