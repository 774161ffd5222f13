// How the body store lies on disk. A segment `<name>.segment` is append-only: record after record, holes where a write
// failed. Beside it `<name>.keys` has a slot for every record: who finds the slot finds the record and its key; zeros are
// a removed body. A body above the limit lies in `<object>.body`, and its record holds all but the body.
//
// Record: header (64) ‖ organization ‖ sealed object (src/README.md) ‖ box of the envelope. The envelope's key is
// HKDF(data key, `sealrelay/1 envelope`), so it dies with the data key.
//
// Pure; logs nothing.

import { createSecretKey } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { BoxKey } from '../../crypto/box.ts';
import type { BoxPlace } from '../../crypto/vault.ts';
import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { BodyRef } from '../../domain/types.ts';

export const HEADER = 64;
export const SLOT = 128;
const MAGIC = 0x53525231; // SRR1
/** Octets of a slot that a key box may take. */
const MOST_KEY = 84;

/** `own`: the sealed object lies in a file of its own. */
export type RecordHeader = {
  readonly own: boolean;
  /** 32 hex. */
  readonly object: string;
  readonly createdAt: Time;
  /** Octets of the sealed object. */
  readonly length: number;
  readonly slot: number;
  readonly organizationLength: number;
  readonly envelopeLength: number;
};

export function encodeHeader(header: RecordHeader): Buffer {
  const out = Buffer.allocUnsafe(HEADER).fill(0);
  out.writeUInt32BE(MAGIC, 0);
  out[4] = header.own ? 2 : 1;
  out.writeUInt16BE(header.organizationLength, 6);
  out.write(header.object, 8, 'hex');
  out.writeUIntBE(header.createdAt, 26, 6);
  out.writeUIntBE(header.length, 34, 6);
  out.writeUInt32BE(header.slot, 40);
  out.writeUInt32BE(header.envelopeLength, 44);
  out.writeUInt32BE(crc32(out.subarray(0, 60)), 60);
  return out;
}

/** Null when these bytes are not a record's header. */
export function decodeHeader(bytes: Buffer): RecordHeader | null {
  if (bytes.length < HEADER || bytes.readUInt32BE(0) !== MAGIC) return null;
  if (bytes.readUInt32BE(60) !== crc32(bytes.subarray(0, 60))) return null;
  return {
    own: bytes[4] === 2,
    object: bytes.toString('hex', 8, 24),
    createdAt: bytes.readUIntBE(26, 6),
    length: bytes.readUIntBE(34, 6),
    slot: bytes.readUInt32BE(40),
    organizationLength: bytes.readUInt16BE(6),
    envelopeLength: bytes.readUInt32BE(44),
  };
}

/** What a slot of the key file holds. `record` is the offset of the record in the segment. */
export type KeySlot = {
  readonly object: string;
  readonly own: boolean;
  readonly createdAt: Time;
  readonly record: number;
  readonly keyBox: Uint8Array;
};

export function encodeSlot(slot: KeySlot): Buffer {
  if (slot.keyBox.length > MOST_KEY) throw new Error('the key box does not fit its slot');
  const out = Buffer.allocUnsafe(SLOT).fill(0);
  out.write(slot.object, 0, 'hex');
  out.writeUIntBE(slot.createdAt, 18, 6);
  out.writeUIntBE(slot.record, 26, 6);
  out.writeUInt16BE(slot.keyBox.length, 32);
  out[34] = slot.own ? 2 : 1;
  out.set(slot.keyBox, 36);
  out.writeUInt32BE(crc32(out.subarray(0, 124)), 124);
  return out;
}

/** `empty`: never written or removed. `damaged`: its key is lost, its body may be fine. */
export function decodeSlot(bytes: Buffer): KeySlot | 'empty' | 'damaged' {
  if (bytes.every((octet) => octet === 0)) return 'empty';
  const length = bytes.readUInt16BE(32);
  if (bytes.readUInt32BE(124) !== crc32(bytes.subarray(0, 124)) || length > MOST_KEY) return 'damaged';
  return {
    object: bytes.toString('hex', 0, 16),
    own: bytes[34] === 2,
    createdAt: bytes.readUIntBE(18, 6),
    record: bytes.readUIntBE(26, 6),
    keyBox: bytes.subarray(36, 36 + length),
  };
}

/** Where a body's slot is, as `BodyRef.file` says it: `<segment>/<slot>`, with `/own` behind for a file of its own. */
export type Place = { readonly segment: string; readonly slot: number; readonly own: boolean };

export function encodePlace(place: Place): string {
  return `${place.segment}/${place.slot}${place.own ? '/own' : ''}`;
}

/** Null when a reference, which may come from a changed row, has not the form of one of ours. */
export function placeOf(ref: BodyRef): Place | null {
  const match = /^([0-9a-f]{16})\/(\d{1,9})(\/own)?$/.exec(ref.file);
  if (!match || !/^[0-9a-f]{32}$/.test(ref.object)) return null;
  if (!Number.isSafeInteger(ref.offset) || ref.offset < 0) return null;
  if (!Number.isSafeInteger(ref.length) || ref.length < 0) return null;
  return { segment: match[1]!, slot: Number(match[2]), own: match[3] !== undefined };
}

export const segmentFile = (dir: string, segment: string): string => `${dir}/${segment}.segment`;
export const keysFile = (dir: string, segment: string): string => `${dir}/${segment}.keys`;
export const ownFile = (dir: string, object: string): string => `${dir}/${object}.body`;

/** What a file of the folder is, by its name. */
export function classify(file: string): { kind: 'segment' | 'keys' | 'own'; name: string } | null {
  const match = /^(?:([0-9a-f]{16})\.(segment|keys)|([0-9a-f]{32})\.body)$/.exec(file);
  if (!match) return null;
  if (match[3] !== undefined) return { kind: 'own', name: match[3] };
  return { kind: match[2] as 'segment' | 'keys', name: match[1]! };
}

export const ENVELOPE_INFO = 'sealrelay/1 envelope';
const NO_ID = Buffer.alloc(4);

/** Key of the envelope's box, from what HKDF gave. It has no id: nothing else is boxed by it. */
export function envelopeKey(derived: Uint8Array): BoxKey {
  return { id: NO_ID, secret: createSecretKey(derived) };
}

export function envelopePlace(organization: OrganizationName, object: string): BoxPlace {
  return { organization, table: 'body', row: object, column: 'envelope' };
}
