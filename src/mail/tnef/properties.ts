// Lists of properties as they stand in TNEF ([MS-OXTNEF] §2.1.3.4), and how its octets are gone through. What the properties
// mean is in stream.ts. Pure; never throws for content, logs nothing.

export const LONG = 0x0003;
export const OBJECT = 0x000d;
const STRING8 = 0x001e;
export const UNICODE = 0x001f;
export const BINARY = 0x0102;
const MANY = 0x1000;
/** Octets of a value, with its padding. */
const FIXED: ReadonlyMap<number, number> = new Map([
  ...[0x02, LONG, 0x04, 0x0a, 0x0b].map((type) => [type, 4] as const),
  ...[0x05, 0x06, 0x07, 0x14, 0x40].map((type) => [type, 8] as const),
  [0x48, 16],
]);
/** From this one on a property is known by a namespace and a number or name in it. */
export const NAMED = 0x8000;

export type Property = {
  readonly id: number;
  readonly type: number;
  readonly octets: Buffer;
  /** Namespace, and name if it has no number, of a property from `NAMED` on. */
  readonly space: Buffer;
  readonly label: string;
};

/** Goes through octets from front to back only; behind the end all is empty and `failed` is set. */
export class Cursor {
  readonly bytes: Buffer;
  at = 0;
  failed = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  take(length: number): Buffer {
    if (this.failed || length > this.bytes.length - this.at) {
      this.failed = true;
      return this.bytes.subarray(0, 0);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  number(octets: 1 | 2 | 4): number {
    const taken = this.take(octets);
    return taken.length === 0 ? 0 : taken.readUIntLE(0, octets);
  }

  /** A length, so many octets, and zeros up to a multiple of four, which may be missing at the very end. */
  sized(): Buffer {
    const taken = this.take(this.number(4));
    this.at = Math.min(this.bytes.length, this.at + (-taken.length & 3));
    return taken;
  }

  /** Nothing but zeros or blanks follows. */
  isDone(): boolean {
    return !this.failed && this.bytes.subarray(this.at).every((octet) => octet === 0 || octet === 10 || octet === 13);
  }
}

/** A number of four octets; 0 where there are none. */
export function numberIn(octets: Buffer): number {
  return new Cursor(octets).number(4);
}

export function isText({ type }: Property): boolean {
  return type === STRING8 || type === UNICODE;
}

/** Without those at its end. A regular expression for it takes time with the square of their number. */
export function withoutNuls(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0) end -= 1;
  return text.slice(0, end);
}

/** MsgPropertyList of [MS-OXTNEF] §2.1.3.4. */
export function readProperties(cursor: Cursor, give: (property: Property) => void): void {
  for (let left = cursor.number(4); left > 0 && !cursor.failed; left--) readProperty(cursor, give);
}

function readProperty(cursor: Cursor, give: (property: Property) => void): void {
  const coded = cursor.number(2);
  const id = cursor.number(2);
  const isNamed = id >= NAMED;
  const space = cursor.take(isNamed ? 16 : 0);
  let label = '';
  if (isNamed && cursor.number(4) === 1) label = withoutNuls(cursor.sized().toString('utf16le'));
  else if (isNamed) cursor.take(4);
  const type = coded & 0x0fff;
  const property = (octets: Buffer): Property => ({ id, type, octets, space, label });
  const size = FIXED.get(type);
  if (size !== undefined) {
    const octets = cursor.take(size * ((coded & MANY) === 0 ? 1 : cursor.number(4)));
    if (!cursor.failed) give(property(octets));
    return;
  }
  // The length of what it does not know is not known either.
  if (![OBJECT, STRING8, UNICODE, BINARY].includes(type)) cursor.failed = true;
  for (let left = cursor.number(4); left > 0 && !cursor.failed; left--) {
    const octets = cursor.sized();
    if (!cursor.failed) give(property(octets));
  }
}
