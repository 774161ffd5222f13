// From a shared secret to the key that wraps the content key, for both directions (RFC 5753 §7.2, ANSI X9.63 KDF).

import { createHash } from 'node:crypto';
import { context, octetString, sequence, tlv } from './der.ts';

/** The initial value of RFC 3394 §2.2.3.1, which unwrapping checks. */
export const WRAP_IV = Buffer.alloc(8, 0xa6);

/**
 * Key-encryption key of `length` octets. `wrap`: DER of the AlgorithmIdentifier of the key wrap, as it stands in the message;
 * `ukm`: the sender's user keying material, where there is any.
 */
export function agreedKey(secret: Buffer, hash: string, wrap: Buffer, length: number, ukm?: Buffer): Buffer {
  const bits = Buffer.alloc(4);
  bits.writeUInt32BE(length * 8);
  const shared = sequence(
    wrap,
    ...(ukm ? [tlv(context(0), octetString(ukm))] : []),
    tlv(context(2), octetString(bits)),
  );
  const blocks: Buffer[] = [];
  for (let counter = 1, made = 0; made < length; counter++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    const block = createHash(hash).update(secret).update(number).update(shared).digest();
    blocks.push(block);
    made += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}
