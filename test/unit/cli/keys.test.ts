// `sealrelay keys` against control over a real store, by its local sockets: what a person sees, and what scripts are told.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inGroups } from '../../../src/cli/keys/words.ts';
import { openSockets, type Sockets } from '../../../src/control/socket.ts';
import { mailCertificate } from '../../support/mail-pki.ts';
import { makeCa } from '../../support/pki.ts';
import { NOON } from '../../support/vault.ts';
import { CLINIC, type Desk, openDesk } from '../control/desk.ts';
import { makeKey } from '../crypto/pgp/keys.ts';
import { type Ran, run } from './run.ts';

const DAY = 86_400_000;
const ENTRY = join(import.meta.dirname, '../../../src/cli/sealrelay.ts');
const TOKEN_FILE = process.env.SEALRELAY_TOKEN_FILE;

let desk: Desk;
let sockets: Sockets;
beforeEach(async () => {
  desk = await openDesk();
  await desk.operators();
  sockets = await openSockets({ control: desk.control, folder: desk.folder, groups: {}, log: desk.log });
  process.env.SEALRELAY_TOKEN_FILE = join(desk.folder, 'token');
  writeFileSync(process.env.SEALRELAY_TOKEN_FILE, desk.tokens.admin, { mode: 0o600 });
});
afterEach(async () => {
  await sockets.close();
  await desk.close();
  if (TOKEN_FILE === undefined) delete process.env.SEALRELAY_TOKEN_FILE;
  else process.env.SEALRELAY_TOKEN_FILE = TOKEN_FILE;
});

const keys = (...args: string[]) => run('keys', ...args, '--socket', desk.folder);
const importOf = (file: string, ...args: string[]) => keys('import', file, '--organization', CLINIC, ...args);

/** As a process of its own, with something on its stdin. */
async function withStdin(input: string | Uint8Array, ...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [ENTRY, 'keys', ...args, '--socket', desk.folder], { env: { ...process.env } });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: code as number, out, err };
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(desk.folder, name);
  writeFileSync(path, content);
  return path;
}

async function pgp(email: string, days = 365) {
  const made = 10;
  const keyExpirationTime = ((days + made) * DAY) / 1_000;
  return makeKey({ userIDs: [{ email }], date: new Date(NOON - made * DAY), keyExpirationTime });
}
async function idOf(email: string): Promise<string> {
  const { out } = await keys('list', '--for', email, '--json');
  return (JSON.parse(out) as { key: string }).key;
}

test('a fingerprint stands in groups of four', () => {
  expect(inGroups('9c1f0d3a')).toBe('9C1F 0D3A');
  expect(inGroups('')).toBe('');
});

test('import: what was imported, its state, its fingerprint in groups, what next', async () => {
  const key = await pgp('carol@partner.test');
  const ran = await importOf(file('carol.asc', key.toPublic().armor()), '--pin');
  expect(ran.code).toBe(0);
  const [first, second, third] = ran.out.split('\n');
  expect(first).toMatch(/^✓ [a-z2-7]{16} {2}imported for carol@partner\.test \(PGP, Curve25519, pinned\)$/);
  expect(second).toBe(`  ${inGroups(key.getFingerprint())}`);
  expect(third).toBe('  usable: valid until 2027-05-01');
  expect(ran.err).toBe('next: compare the fingerprint with its owner; sealrelay keys check\n');
  const again = await importOf(file('carol.asc', key.toPublic().armor()));
  expect(again).toMatchObject({ code: 0, out: expect.stringContaining('known already for carol@partner.test') });
});

test('import: one that cannot be used is told with exit code 3 and what to do', async () => {
  const expired = await importOf(file('old.asc', (await pgp('old@partner.test', -1)).toPublic().armor()));
  expect(expired).toMatchObject({ code: 3, out: expect.stringMatching(/✗ .*\n.*\n {2}expired 2026-04-30\n$/) });
  expect(expired.err).toMatch(/^key [a-z2-7]{16} is not used: expired 2026-04-30; next: ask its owner for another\n$/);
  const dates = { from: new Date(NOON - DAY), until: new Date(NOON + 90 * DAY) };
  const dan = mailCertificate({ name: 'Dan', addresses: ['dan@partner.test'], ...dates });
  const untrusted = await importOf(file('dan.cer', dan.der));
  expect(untrusted).toMatchObject({ code: 3, out: expect.stringContaining('  not trusted: ') });
  expect(untrusted.err).toMatch(/next: sealrelay keys pin [a-z2-7]{16} once its owner confirmed it/);
});

test('import: a contradiction is told; a file without a key fails', async () => {
  for (const name of ['one.asc', 'two.asc']) {
    const armored = (await pgp('carol@partner.test')).toPublic().armor();
    const ran = await importOf(file(name, armored), '--pin');
    expect(ran.code).toBe(0);
    expect(ran.out.includes('! another key, ')).toBe(name === 'two.asc');
  }
  const ran = await importOf(file('letter.txt', 'Dear Ann\n'));
  expect(ran).toMatchObject({ code: 2, out: '' });
  expect(ran.err).toContain('there is no key and no certificate in the file\n  next: export it again: gpg');
});

test('import: one that names nobody is left out', async () => {
  const nobody = await makeKey({ userIDs: [{ name: 'Nobody' }], date: new Date(NOON - DAY) });
  const ran = await importOf(file('nobody.asc', nobody.toPublic().armor()));
  expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('next: say --for ADDRESS') });
  expect(ran.out).toContain(`✗ left out: it names no address\n  ${inGroups(nobody.getFingerprint())}\n`);
});

test('import: an authority, and a private key without its certificate, are told as what they are', async () => {
  const ca = makeCa();
  const authority = await importOf(file('ca.pem', ca.cert));
  expect(authority).toMatchObject({ code: 1, err: 'next: name its file under protection.smime.roots\n' });
  expect(authority.out).toContain('✗ left out: it is a certificate of an authority\n');
  const alone = await importOf(file('seal.key', ca.issue({ names: ['x.test'] }).key), '--own');
  expect(alone).toMatchObject({ code: 2, out: '' });
  expect(alone.err).toContain('there is a private key in the file, and no certificate');
  const key = await pgp('carol@partner.test');
  for (let time = 0; time < 2; time++) {
    const ran = await importOf(file('carol.asc', key.armor()));
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('the private key in the file was not kept') });
  }
});

test('import: file or address by stdin, as scripts give them', async () => {
  const key = await pgp('carol@partner.test');
  const organization = ['--organization', CLINIC];
  const armored = key.toPublic().armor();
  const piped = await withStdin(armored, 'import', '-', ...organization, '--json');
  expect(piped).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(piped.out)).toMatchObject({ keys: [{ for: 'carol@partner.test', outcome: 'imported' }] });
  const path = file('carol.asc', armored);
  const told = await withStdin('@partner.test\n', 'import', path, '--for', '-', ...organization);
  expect(told).toMatchObject({ code: 0, out: expect.stringContaining('imported for @partner.test') });
  const both = await withStdin(armored, 'import', '-', '--for', '-', ...organization);
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining('only one value can come by stdin') });
});

test('import: the passphrase of an own key comes by stdin, and stands nowhere', async () => {
  const locked = await makeKey({ passphrase: 'correct horse', userIDs: [{ email: 'seal@clinic.test' }] });
  const path = file('seal.asc', locked.armor());
  const args = ['import', path, '--own', '--organization', CLINIC];
  const without = await withStdin('', ...args);
  expect(without).toMatchObject({ code: 2, err: expect.stringContaining('is locked with a passphrase') });
  expect(without.err).toContain('next: say --passphrase to be asked for it');
  const wrong = await withStdin('incorrect horse\n', ...args, '--passphrase');
  expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('does not open the private key') });
  const right = await withStdin('correct horse\n', ...args, '--passphrase');
  expect(right.out).toContain('imported for seal@clinic.test (PGP, own, ');
  expect(right.out + right.err + desk.logged.join()).not.toContain('correct horse');
  expect(await desk.store.book.privateOf({ id: await idOf('seal@clinic.test'), organization: CLINIC })).not.toBeNull();
});

test('list, show, pin, revoke: what people see', async () => {
  expect(await keys('list')).toMatchObject({ code: 0, out: '', err: 'no keys; next: sealrelay keys import FILE\n' });
  const key = await pgp('carol@partner.test');
  await importOf(file('carol.asc', key.toPublic().armor()));
  const id = await idOf('carol@partner.test');
  const list = await keys('list', '--no-own', '--kind', 'pgp');
  expect(list.out).toMatch(/^KEY .* STATE\n/);
  expect(list.out).toMatch(new RegExp(`\\n${id} .* carol@partner\\.test .* no .* usable: valid until 2027-05-01\\n$`));
  expect(list.err).toBe('1 key; next: sealrelay keys show ID\n');
  expect((await keys('list', '--own')).out).toBe('');

  const show = await keys('show', id);
  expect(show.out).toContain(`fingerprint   ${inGroups(key.getFingerprint())}\n`);
  expect(show.out).toContain('names         carol@partner.test\n');
  expect(show.out).not.toContain('PRIVATE');
  expect(await keys('show', 'nonsense')).toMatchObject({
    code: 2,
    err: expect.stringContaining('not the id of a key'),
  });

  expect((await keys('pin', id, '--reason', 'by phone')).out).toContain(`✓ ${id}  pinned, for carol@partner.test`);
  expect((await keys('pin', id)).out).toContain(`! ${id}  pinned already, for carol@partner.test`);
  expect((await keys('pin', id, '--unpin')).out).toContain('no longer pinned');

  expect(await keys('revoke', id)).toMatchObject({ code: 2, err: expect.stringContaining('revoke needs --reason') });
  const revoked = await keys('revoke', id, '--reason', 'she lost it');
  expect(revoked).toMatchObject({ code: 0, out: expect.stringContaining('revoked here 2026-05-01') });
  expect((await keys('show', id)).out).toContain('she lost it');
  expect(await keys('pin', id)).toMatchObject({ code: 2, err: expect.stringContaining('was revoked here') });
});

test('check: each key with its state; with --strict exit code 3 when one wants attention', async () => {
  await importOf(file('carol.asc', (await pgp('carol@partner.test')).toPublic().armor()));
  expect(await keys('check', '--strict')).toMatchObject({ code: 0, err: '1 key, none wants attention\n' });
  await importOf(file('bob.asc', (await pgp('bob@partner.test', 5)).toPublic().armor()));
  expect(await keys('check')).toMatchObject({ code: 0, err: expect.stringContaining('2 keys, 1 wants attention') });
  const strict = await keys('check', '--strict');
  expect(strict).toMatchObject({ code: 3, out: expect.stringMatching(/^✓ .*\n! .*bob@partner\.test \(PGP\): expir/) });
  const json = await keys('check', '--strict', '--json');
  expect(json).toMatchObject({ code: 3, err: '' });
  const rows = json.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows.map(({ attention }) => attention)).toEqual([false, true]);
});

test('an auditor lists and checks, and changes nothing', async () => {
  writeFileSync(join(desk.folder, 'token'), desk.tokens.auditor, { mode: 0o600 });
  expect((await keys('list')).code).toBe(0);
  expect((await keys('check')).code).toBe(0);
  const path = file('carol.asc', (await pgp('carol@partner.test')).toPublic().armor());
  for (const ran of [await importOf(path), await keys('revoke', 'a'.repeat(16), '--reason', 'x')]) {
    expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('an auditor reads and changes nothing') });
  }
});
