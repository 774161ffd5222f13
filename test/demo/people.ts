// Keys of the demo's people: carol has a PGP key, dave a certificate, the clinic one of each to sign with.

import { X509Certificate } from 'node:crypto';
import { ask } from '../../src/cli/client.ts';
import { mailCertificate, pgpPair } from '../support/correspondents.ts';
import type { Ca } from '../support/pki.ts';

export type Person = {
  /** Armored, or PEM. */
  readonly public: string;
  readonly private: string;
  /** What the sender's signature is verified with: its public key, or the authority. */
  readonly signer?: string;
  readonly roots?: readonly Uint8Array[];
};
export type People = { readonly carol: Person; readonly dave: Person; readonly own: readonly string[] };

export async function makePeople(ca: Ca, domain: string): Promise<People> {
  const own = await pgpPair(`lee@${domain}`);
  const carol = await pgpPair('carol@pgp.demo');
  const dave = mailCertificate(ca, 'dave@smime.demo', new Date(Date.UTC(2027, 2, 1)));
  const seal = mailCertificate(ca, `lee@${domain}`);
  const roots = [new X509Certificate(ca.cert).raw];
  return {
    carol: { ...carol, signer: own.public },
    dave: { public: dave.cert, private: dave.key, signer: ca.cert, roots },
    own: [own.private, `${seal.cert}\n${seal.key}`],
  };
}

/** As an admin would with `sealrelay keys import`; asked at the socket, to save the start of a program for each. */
export async function importKeys(socket: string, { carol, dave, own }: People): Promise<void> {
  const one = (text: string, more: object) =>
    ask({ socket }, 'write', 'keys.import', { file: Buffer.from(text).toString('base64'), ...more });
  await one(carol.public, { pin: true, reason: 'compared by phone' });
  await one(dave.public, {});
  for (const key of own) await one(key, { own: true });
}
