// From one secret to others, and the unambiguous joining of fields that every authenticated or keyed value here is built
// on (src/README.md, "Keys"). Pure; logs nothing; holds no secret longer than a call.

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

const NO_SALT = createSecretKey(Buffer.alloc(32));
const ONE = Buffer.of(1);

/** HKDF-SHA-256 (RFC 5869) without salt, 32 octets out. Two HMACs instead of `hkdfSync`: a third of its price, and the
 *  extracted key serves several infos. */
export function hkdf(secret: Uint8Array, info: string): Buffer {
  return deriver(secret)(info);
}

/** As `hkdf`, for several infos of one secret. */
export function deriver(secret: Uint8Array): (info: string) => Buffer {
  const extracted = createSecretKey(createHmac('sha256', NO_SALT).update(secret).digest());
  return (info) => createHmac('sha256', extracted).update(info).update(ONE).digest();
}

/** Fields one after another, each behind its length in octets (4, big-endian), so that no two lists join to the same. */
export function join(...fields: readonly (string | Uint8Array)[]): Buffer {
  let total = 0;
  for (const field of fields) total += 4 + (typeof field === 'string' ? Buffer.byteLength(field) : field.length);
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const field of fields) {
    if (typeof field === 'string') {
      const length = out.write(field, at + 4);
      at = out.writeUInt32BE(length, at) + length;
    } else {
      at = out.writeUInt32BE(field.length, at);
      out.set(field, at);
      at += field.length;
    }
  }
  return out;
}

/** First four octets of HMAC-SHA-256(key, `sealrelay/1 id`): names a key without telling anything of it. */
export function keyId(key: KeyObject): Buffer {
  return createHmac('sha256', key).update('sealrelay/1 id').digest().subarray(0, 4);
}
