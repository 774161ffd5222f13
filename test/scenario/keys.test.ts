// Keys in a whole gateway: read by its workers, kept over a restart, and nothing of them on the disk or in the log.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey, type PrivateKey } from 'openpgp';
import { findCanaries, findCanariesIn } from '../support/canary.ts';
import { mailCertificate } from '../support/mail-pki.ts';
import { openWorld, type World } from './world.ts';

const WORD = `canary${randomBytes(8).toString('hex')}`;
const CAROL = `${WORD}@partner.test`;
const POLICY = 'version: 1\nrules:\n  - name: rest\n    then: { deliver: [{ tls: encrypt }] }\n';

let world: World;
const authority = mailCertificate({ name: 'Root', authority: true });

beforeAll(async () => {
  world = await openWorld({ policy: POLICY, domains: {} });
});
afterAll(() => world?.close());

function file(name: string, content: string | Uint8Array): string {
  const path = join(world.files.folder, name);
  writeFileSync(path, content);
  return path;
}
async function pgp(email: string): Promise<PrivateKey> {
  const date = new Date(Date.now() - 60_000);
  const { privateKey } = await generateKey({ curve: 'curve25519Legacy', userIDs: [{ email }], date, format: 'object' });
  return privateKey;
}

test('keys of all kinds are read by workers, and stand after a restart', async () => {
  const carol = await pgp(CAROL);
  const seal = await pgp('seal@clinic.test');
  const dan = mailCertificate({ name: 'Dan', addresses: ['dan@partner.test'], issuer: authority });
  const imported = [
    await world.run('keys', 'import', file('carol.asc', carol.toPublic().armor())),
    await world.run(
      'keys',
      'import',
      file('seal.asc', seal.armor()),
      '--own',
      '--for',
      '@clinic.test',
      '--reason',
      WORD,
    ),
    await world.run('keys', 'import', file('dan.cer', dan.der), '--pin'),
  ];
  expect(imported.map(({ code, out }) => [code, out.includes('usable: ')])).toEqual(Array(3).fill([0, true]));
  await world.restart();
  const { out } = await world.run('keys', 'list', '--json');
  const rows = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows.map((row) => [row.for, row.kind, row.own, row.pinned, row.state])).toEqual([
    [CAROL, 'pgp', false, false, 'usable'],
    ['@clinic.test', 'pgp', true, false, 'usable'],
    ['dan@partner.test', 'smime', false, true, 'usable'],
  ]);
  expect((await world.run('keys', 'check', '--strict')).code).toBe(0);
  // The middle of the first has the numbers of the private key in it.
  const octets = [seal.write(), carol.toPublic().write(), dan.der].map((one) => Buffer.from(one).subarray(40, 100));
  const words = [WORD, ...octets.flatMap((one) => [one.toString('hex'), one.toString('base64')])];
  expect(findCanaries([world.files.storage], words)).toEqual([]);
  expect(findCanariesIn(world.gateway().log(), words)).toEqual([]);
  for (const path of readdirSync(world.files.storage, { recursive: true, encoding: 'utf8' })) {
    const whole = join(world.files.storage, path);
    if (!statSync(whole).isFile()) continue;
    const content = readFileSync(whole);
    expect([path, octets.some((one) => content.includes(one))]).toEqual([path, false]);
  }
});

test('what a worker cannot read is told in words, and the gateway goes on', async () => {
  const armored = (await pgp('eve@partner.test')).toPublic().armor();
  const files: [string | Uint8Array, string][] = [
    [randomBytes(3_000), 'sealrelay: '],
    ['-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n', 'sealrelay: '],
    [armored.replace(/^([A-Za-z0-9+/]{20})/m, (_, text) => [...text].reverse().join('')), 'damaged'],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'sealrelay: '],
    [Buffer.alloc(1_000_000, 0x30), '700000 octets'],
  ];
  for (const [content, words] of files) {
    const ran = await world.run('keys', 'import', file('bad', content));
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining(words)]);
    expect(ran.err).not.toMatch(/Error|undefined|at .*:\d/);
  }
  expect((await world.run('status')).code).toBe(0);
});
