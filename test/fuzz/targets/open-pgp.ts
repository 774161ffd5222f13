// Encrypted messages of OpenPGP: what was changed opens nothing.

import { PgpError } from '../../../src/crypto/pgp/error.ts';
import { openPgpMime } from '../../../src/crypto/pgp/open.ts';
import { below, mutated } from '../mutate.ts';
import { mutatedPackets } from '../packets.ts';
import seeds from '../seeds/pgp.json' with { type: 'json' };
import { claim, type Target } from '../target.ts';

const MESSAGES = seeds.messages.map((text) => Buffer.from(text, 'base64'));
const KEYS = {
  privateKeys: [Buffer.from(seeds.own, 'base64')],
  verifyWith: [Buffer.from(seeds.from, 'base64')],
  now: seeds.now,
};
const ENTITY = 'Content-Type: text/plain\r\n\r\nThe result is fine.\r\n';
const TOKENS = [
  '--b\r\n',
  '--b--\r\n',
  'Content-Type: ',
  'application/octet-stream',
  'multipart/encrypted',
  'boundary=b',
  '-----BEGIN PGP MESSAGE-----',
  '-----END PGP MESSAGE-----',
  '\r\n\r\n',
  '=AAAA',
];

function mime(octets: Buffer): Buffer {
  const armor = `-----BEGIN PGP MESSAGE-----\r\n\r\n${octets.toString('base64').replace(/.{64}/g, '$&\r\n')}\r\n-----END PGP MESSAGE-----`;
  return Buffer.from(
    `Subject: x\r\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n${armor}\r\n--b--\r\n`,
  );
}

export async function open(): Promise<Target> {
  return {
    seeds: MESSAGES.map(mime),
    tokens: TOKENS,
    make: (random) =>
      below(random, 3) === 0
        ? mutated(random, { seeds: MESSAGES.map(mime), tokens: TOKENS })
        : mime(mutatedPackets(random, MESSAGES)),
    check: async (input) => {
      try {
        const { entity } = await openPgpMime(input, KEYS);
        claim(
          entity.toString('latin1') === ENTITY,
          `something else comes out: ${JSON.stringify(entity.toString('latin1').slice(0, 200))}`,
        );
      } catch (error) {
        if (!(error instanceof PgpError)) throw error;
      }
    },
  };
}
