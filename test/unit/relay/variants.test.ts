// A variant that is kept is given again only to who has the same key in the same state.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKey, type PrivateKey, readMessage } from 'openpgp';
import { readPgpKeys } from '../../../src/crypto/pgp/read.ts';
import { KIND } from '../../../src/crypto/sealed.ts';
import type { Message } from '../../../src/domain/types.ts';
import type { AddressKey } from '../../../src/keys/book-port.ts';
import { makeVariant, type VariantInput } from '../../../src/relay/make-variant.ts';
import { createVariants, type VariantDeps } from '../../../src/relay/variants.ts';
import { type Made, openMade } from '../../../src/store/bodies/made.ts';
import { writeMade } from '../../../src/store/bodies/write-made.ts';
import { addressKey } from '../../support/keys.ts';
import { random } from '../../support/vault.ts';

let folder: string;
let made: Made;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-variants-'));
  made = await openMade({ dir: join(folder, 'made'), random, bound: 1 << 20 });
});
afterEach(async () => {
  await made.close();
  rmSync(folder, { recursive: true });
});

const MAIL = 'From: lee@clinic.example\r\nSubject: results\r\n\r\ntext\r\n';
const message = { id: 'm', organization: 'clinic', size: MAIL.length, sender: [], body: {} } as unknown as Message;

async function variants(): Promise<{ of: ReturnType<typeof createVariants>; jobs: VariantInput[] }> {
  const stored = { object: 'a'.repeat(32), organization: 'clinic', dataKey: randomBytes(32) };
  const path = join(folder, 'body');
  const { length } = await writeMade({ path, ...stored }, [Buffer.from(MAIL)]);
  const jobs: VariantInput[] = [];
  const deps = {
    bodies: { handle: () => ({ path, ...stored, kind: KIND.body, offset: 0, length }) },
    makers: {
      run: async (_: string, input: VariantInput) => {
        jobs.push(input);
        return makeVariant(input);
      },
    },
    ...{ made, book: {}, signer: async () => null, settings: () => ({ subject: 'obscure' }), now: Date.now },
  };
  return { of: createVariants(deps as unknown as VariantDeps), jobs };
}

async function known(key: PrivateKey): Promise<AddressKey> {
  const [read] = await readPgpKeys(key.toPublic().write(), { now: Date.now() });
  return { ...addressKey(), facts: read!.facts, public: read!.public };
}

async function recipientsOf(body: { open(): AsyncIterable<Uint8Array> }): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open()) chunks.push(chunk);
  const armored = /-----BEGIN PGP MESSAGE-----.*-----END PGP MESSAGE-----/s.exec(Buffer.concat(chunks).toString());
  const sealed = await readMessage({ armoredMessage: armored![0] });
  return sealed.getEncryptionKeyIDs().map((id) => id.toHex());
}

test('a key whose subkey was revoked and replaced gets a variant of its own, not the one that was kept', async () => {
  const { of, jobs } = await variants();
  const { privateKey } = await generateKey({
    ...{ type: 'ecc', curve: 'curve25519Legacy', format: 'object', userIDs: [{ email: 'ann@a.test' }] },
    date: new Date(Date.now() - 60_000),
  });
  const before = await known(privateKey);
  const first = await of(message, before);
  const old = await recipientsOf(first);
  await first.release(false);
  const again = await of(message, before);
  await again.release(false);
  expect(jobs).toHaveLength(1);

  const date = new Date(Date.now() - 1_000);
  const rotated = await privateKey.addSubkey({ type: 'ecc', curve: 'curve25519Legacy', sign: false, date });
  const primary = rotated.keyPacket as never;
  rotated.subkeys[0] = await rotated.subkeys[0]!.revoke(primary, { flag: 2 }, date);
  const after = await known(rotated);
  expect(after.facts).toMatchObject({ fingerprint: before.facts.fingerprint, cannotEncrypt: null });
  const second = await of(message, after);
  const now = await recipientsOf(second);
  await second.release(false);
  expect(now).toHaveLength(1);
  expect(now).not.toEqual(old);
});
