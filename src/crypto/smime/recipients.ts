// RecipientInfos (RFC 5652 §6.2): the content key, once for every recipient's certificate.

import { constants, createCipheriv, createECDH, publicEncrypt } from 'node:crypto';
import { agreedKey, WRAP_IV } from './agreement.ts';
import { type Certificate, publicKeyInfoOf } from './certificate.ts';
import { algorithm, bitString, context, NULL, octetString, oid, sequence, setOf, smallInteger, tlv } from './der.ts';
import { SmimeError } from './error.ts';
import { curveOf } from './facts.ts';
import { issuerAndSerialNumber } from './identifier.ts';
import { AES, EC, RSA, SHA256 } from './oids.ts';

export type KeyTransport = 'oaep' | 'v1.5';

/** RFC 4055 §4.1: SHA-256 for the hash and for the mask. */
const HASH = algorithm(SHA256, NULL);
const OAEP = algorithm(RSA.oaep, sequence(tlv(context(0), HASH), tlv(context(1), algorithm(RSA.mgf1, HASH))));
const PKCS1 = algorithm(RSA.encryption, NULL);
/** RFC 3565 §2.3.2: no parameters. */
const WRAP = algorithm(AES.wrap256);

/**
 * Version and DER of the RecipientInfos for an EnvelopedData.
 * @throws SmimeError `unfit` for a certificate that is neither RSA nor P-256, or for none.
 */
export function recipientInfos(
  recipients: readonly Certificate[],
  contentKey: Uint8Array,
  transport: KeyTransport,
): { readonly version: number; readonly infos: Buffer } {
  if (recipients.length === 0) throw new SmimeError('unfit');
  const infos = recipients.map((one) =>
    one.publicKey?.asymmetricKeyType === 'rsa'
      ? keyTransport(one, contentKey, transport)
      : keyAgreement(one, contentKey),
  );
  // RFC 5652 §6.1: 0 when all are key transport to an issuer and serial number, else 2.
  const version = recipients.every(({ publicKey }) => publicKey?.asymmetricKeyType === 'rsa') ? 0 : 2;
  return { version, infos: setOf(...infos) };
}

/** RFC 5652 §6.2.1. */
function keyTransport(recipient: Certificate, contentKey: Uint8Array, transport: KeyTransport): Buffer {
  const key = recipient.publicKey!;
  const encrypted =
    transport === 'oaep'
      ? publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, contentKey)
      : publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, contentKey);
  const name = transport === 'oaep' ? OAEP : PKCS1;
  return sequence(smallInteger(0), issuerAndSerialNumber(recipient), name, octetString(encrypted));
}

/** RFC 5652 §6.2.2, RFC 5753 §3.1.1: an ephemeral key for each recipient. */
function keyAgreement(recipient: Certificate, contentKey: Uint8Array): Buffer {
  if (curveOf(recipient) !== 'P-256') throw new SmimeError('unfit');
  const ephemeral = createECDH('prime256v1');
  const point = ephemeral.generateKeys();
  const secret = ephemeral.computeSecret(publicKeyInfoOf(recipient).octets);
  const wrapping = createCipheriv('id-aes256-wrap', agreedKey(secret, 'sha256', WRAP, 32), WRAP_IV);
  const wrapped = Buffer.concat([wrapping.update(contentKey), wrapping.final()]);
  const originator = tlv(context(1), algorithm(EC.publicKey, oid(EC.p256)), bitString(point));
  return tlv(
    context(1),
    smallInteger(3),
    tlv(context(0), originator),
    algorithm(EC.ecdhSha256, WRAP),
    sequence(sequence(issuerAndSerialNumber(recipient), octetString(wrapped))),
  );
}
