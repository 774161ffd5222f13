// The audit chain: how an entry becomes bytes, its digest, and the hash that ties it to all entries before it
// (src/README.md, "Keys"). Pure. It cannot tell who wrote an entry, nor that a whole chain was replaced: that needs a head kept elsewhere.

import { hash } from 'node:crypto';

/** An entry as it is stored and hashed: boxed detail stays boxed, so that verifying needs no key. */
export type ChainEntry = {
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  readonly organization: string;
  readonly message: string | null;
  readonly delivery: string | null;
  readonly actor: string;
  readonly event: string;
  /** JSON of the clear detail, hashed as it is written. */
  readonly detail: string;
  readonly boxed: Uint8Array | null;
};

/** Head of an epoch before its first entry: 32 zero octets. */
export const GENESIS: Uint8Array = new Uint8Array(32);

/** Octets of the longest entry that is written without growing the scratch buffer. */
const FIRST_SCRATCH = 16_384;
let scratch = Buffer.allocUnsafe(FIRST_SCRATCH);
const pair = Buffer.allocUnsafe(65);
pair[0] = 1;

function roomFor(entry: ChainEntry): Buffer {
  const text = entry.detail.length + entry.organization.length + entry.actor.length + entry.node.length;
  // An UTF-16 unit becomes three octets at most; ids, numbers and lengths fit into the rest.
  const need = text * 3 + (entry.boxed?.length ?? 0) + 1024;
  if (scratch.length < need) scratch = Buffer.allocUnsafe(need * 2);
  return scratch;
}

function text(into: Buffer, at: number, value: string): number {
  const length = into.write(value, at + 4, 'utf8');
  into.writeUInt32BE(length, at);
  return at + 4 + length;
}

/** Writes the entry behind a 0 octet; returns the octets used. Every field carries its length, so none can run into
 *  the next; an absent field has length 0xffffffff, so that it differs from an empty one. */
function write(into: Buffer, entry: ChainEntry): number {
  into[0] = 0;
  let at = text(into, 1, entry.node);
  at = text(into, at, String(entry.epoch));
  at = text(into, at, String(entry.seq));
  at = text(into, at, String(entry.at));
  at = text(into, at, entry.organization);
  at = entry.message === null ? into.writeUInt32BE(0xffffffff, at) : text(into, at, entry.message);
  at = entry.delivery === null ? into.writeUInt32BE(0xffffffff, at) : text(into, at, entry.delivery);
  at = text(into, at, entry.actor);
  at = text(into, at, entry.event);
  at = text(into, at, entry.detail);
  if (entry.boxed === null) return into.writeUInt32BE(0xffffffff, at);
  at = into.writeUInt32BE(entry.boxed.length, at);
  into.set(entry.boxed, at);
  return at + entry.boxed.length;
}

/** The octets that are hashed, without the leading 0: for export and for verification by other programs. */
export function serialize(entry: ChainEntry): Buffer {
  const into = roomFor(entry);
  return Buffer.from(into.subarray(1, write(into, entry)));
}

/** SHA-256(0 ‖ entry), 32 octets: stands for the entry in a proof that must not show it. */
export function digest(entry: ChainEntry): Buffer {
  return Buffer.from(digestHex(entry), 'hex');
}

/** SHA-256(1 ‖ previous ‖ digest): the head after this entry. */
export function link(previous: Uint8Array, entryDigest: Uint8Array): Buffer {
  pair.set(previous, 1);
  pair.set(entryDigest, 33);
  return hash('sha256', pair, 'buffer');
}

// Hashes as 64 lower-case hex digits: a Buffer for each would take longer than the hashing.

export function digestHex(entry: ChainEntry): string {
  const into = roomFor(entry);
  return hash('sha256', into.subarray(0, write(into, entry)), 'hex');
}

export function linkHex(previous: string, entryDigest: string): string {
  pair.write(previous, 1, 'hex');
  pair.write(entryDigest, 33, 'hex');
  return hash('sha256', pair, 'hex');
}
