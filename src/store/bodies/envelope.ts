// What is sealed beside a message's body, as octets. With it `sealrelay recover` rebuilds the queue. Pure; logs nothing.

import { isQueueId } from '../../domain/ids.ts';
import type { StoredEnvelope } from '../../domain/types.ts';

const VERSION = 1;

export function encodeEnvelope(envelope: StoredEnvelope): Buffer {
  return Buffer.from(JSON.stringify({ v: VERSION, ...envelope }));
}

/** Null when these octets, which were authentic, are not an envelope of this version. */
export function decodeEnvelope(octets: Uint8Array): StoredEnvelope | null {
  let value: StoredEnvelope & { readonly v: number };
  try {
    value = JSON.parse(Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString());
  } catch {
    return null;
  }
  const { v, ...envelope } = value;
  return v === VERSION && isQueueId(envelope.id) && Array.isArray(envelope.deliveries) ? envelope : null;
}
