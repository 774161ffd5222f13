// S/MIME messages: opened, or an error of ours; a signature counts as valid only over what was signed.

import { SmimeError } from '../../../src/crypto/smime/error.ts';
import { openSmime } from '../../../src/crypto/smime/open.ts';
import { mutatedDer } from '../der.ts';
import { below, mutated } from '../mutate.ts';
import seeds from '../seeds/smime.json' with { type: 'json' };
import { claim, type Target } from '../target.ts';

const MESSAGES = seeds.messages.map((text) => Buffer.from(text, 'base64'));
const OPTIONS = {
  keys: seeds.keys.map(({ certificate, privateKey }) => ({
    certificate: Buffer.from(certificate, 'base64'),
    privateKey: Buffer.from(privateKey, 'base64'),
  })),
  roots: [Buffer.from(seeds.root, 'base64')],
  now: seeds.now,
};
const ENTITY = 'Content-Type: text/plain\r\n\r\nThe result is fine.\r\n';
const TOKENS = [
  'Content-Type: ',
  'application/pkcs7-mime',
  'multipart/signed',
  'smime-type=',
  'boundary=',
  'Content-Transfer-Encoding: ',
  '\r\n\r\n',
  '====',
  'MIAG',
];
const split = (message: Buffer): [head: Buffer, der: Buffer] => {
  const at = message.indexOf('\r\n\r\n') + 4;
  return [message.subarray(0, at), Buffer.from(message.toString('latin1', at), 'base64')];
};
const DER = MESSAGES.map((message) => split(message)[1]);

export async function open(): Promise<Target> {
  return {
    seeds: MESSAGES,
    tokens: TOKENS,
    make: (random) => {
      if (below(random, 4) === 0) return mutated(random, { seeds: MESSAGES, tokens: TOKENS });
      const base64 = mutatedDer(random, DER).toString('base64').replace(/.{76}/g, '$&\r\n');
      return Buffer.concat([split(MESSAGES[0] as Buffer)[0], Buffer.from(`${base64}\r\n`)]);
    },
    check: (input) => {
      try {
        const { entity, signed } = openSmime(input, OPTIONS);
        claim(signed !== 'valid' || entity.toString('latin1') === ENTITY, 'another text with a valid signature');
      } catch (error) {
        if (!(error instanceof SmimeError)) throw error;
      }
    },
  };
}
