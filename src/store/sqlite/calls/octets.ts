// Boxes and tags as they cross threads: latin1 strings, one character an octet. A Uint8Array would drag its whole pool buffer
// along.

/** Octets of a box or tag, one per character. */
export type Octets = string;

export function toOctets(bytes: Uint8Array): Octets {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function fromOctets(octets: Octets): Buffer {
  return Buffer.from(octets, 'latin1');
}
