// Messages as the gateway sends them by S/MIME, for tests that open them again.

import { randomBytes } from 'node:crypto';
import { type EnvelopeOptions, smimeEnvelope } from '../../src/crypto/smime/protect.ts';
import type { MailCertificate } from './mail-pki.ts';

export type SendOptions = {
  readonly to: readonly MailCertificate[];
  readonly signer?: MailCertificate;
  readonly chain?: readonly MailCertificate[];
  readonly keyTransport?: EnvelopeOptions['keyTransport'];
  readonly now?: number;
  /** Octets in which the entity comes. */
  readonly piece?: number;
};

/** A whole message with the entity inside. */
export function smimeMessage(entity: Buffer, options: SendOptions): Buffer {
  const { signer, chain = [], piece = 65_536 } = options;
  function* pieces() {
    for (let at = 0; at < entity.length; at += piece) yield entity.subarray(at, at + piece);
  }
  const { fields, body } = smimeEnvelope(pieces, {
    recipients: options.to.map(({ der }) => der),
    ...(options.keyTransport ? { keyTransport: options.keyTransport } : {}),
    ...(signer
      ? { signer: { certificate: signer.der, chain: chain.map(({ der }) => der), privateKey: signer.privateKey } }
      : {}),
    now: options.now ?? Date.now(),
    boundary: `=_${randomBytes(12).toString('hex')}`,
    random: randomBytes,
  });
  const header = ['From: desk@clinic.example', 'Subject: Message', 'MIME-Version: 1.0', ...fields];
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), ...body]);
}
