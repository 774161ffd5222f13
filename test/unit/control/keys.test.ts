// Keys as an admin deals with them: real files of OpenPGP and certificates, read, kept for whom they name, judged, changed.

import { type PrivateKey, reformatKey } from 'openpgp';
import type { ImportView } from '../../../src/control/key-import.ts';
import type { CheckedKey, KeyView } from '../../../src/control/key-views.ts';
import type { ChangedKey } from '../../../src/control/keys.ts';
import { mailCertificate } from '../../support/mail-pki.ts';
import { NOON } from '../../support/vault.ts';
import { makeKey } from '../crypto/pgp/keys.ts';
import { CLINIC, type Desk, openDesk, PRACTICE } from './desk.ts';

const DAY = 86_400_000;
const SECOND = 1_000;

let desk: Desk;
const open = async () => {
  desk = await openDesk();
  await desk.operators();
};
const close = () => desk.close();

const pgpKey = (emails: readonly string[], days?: number): Promise<PrivateKey> =>
  makeKey({
    userIDs: emails.map((email) => ({ email })),
    date: new Date(NOON - 10 * DAY),
    ...(days !== undefined && { keyExpirationTime: ((days + 10) * DAY) / SECOND }),
  });
const octetsOf = (key: PrivateKey) => Buffer.from(key.toPublic().write());
const authority = mailCertificate({ name: 'Root', authority: true, ...valid() });
const intermediate = mailCertificate({ name: 'Issuer', authority: true, issuer: authority, ...valid() });
const person = mailCertificate({ name: 'Dan', addresses: ['Dan@Partner.test'], issuer: intermediate, ...valid() });

function valid() {
  return { from: new Date(NOON - 10 * DAY), until: new Date(NOON + 90 * DAY) };
}

async function importFile(file: Uint8Array | string, args: object = {}): Promise<ImportView> {
  const base64 = Buffer.from(file as string).toString('base64');
  return (await desk.ask('keys.import', { file: base64, organization: CLINIC, ...args })).data as ImportView;
}
const told = ({ keys }: ImportView) => keys.map((one) => [one.outcome, one.for, one.state, one.pinned]);
const list = async (args: object = {}) => (await desk.ask('keys.list', args)).rows as unknown as KeyView[];
const events = async () => {
  const entries = await desk.store.audit.read(null, 1_000);
  return entries.filter(({ event }) => event.startsWith('key.') && event !== 'key.created');
};

describe('import', () => {
  beforeEach(open);
  afterEach(close);

  test('a key is kept for each address that it names, with what is known of it and no octet of it', async () => {
    const key = await pgpKey(['Carol@Partner.test', 'office@partner.test'], 100);
    const done = await importFile(key.toPublic().armor(), { reason: 'sent by carol@partner.test' });
    expect(told(done)).toEqual([
      ['imported', 'carol@partner.test', 'usable', false],
      ['imported', 'office@partner.test', 'usable', false],
    ]);
    expect(done.keys[0]).toMatchObject({
      organization: CLINIC,
      kind: 'pgp',
      own: false,
      algorithm: 'Curve25519',
      fingerprint: key.getFingerprint(),
      addresses: ['carol@partner.test', 'office@partner.test'],
      validUntil: new Date(NOON + 100 * DAY).toISOString(),
      addedBy: 'ann',
      notes: [],
    });
    expect(JSON.stringify(done)).not.toContain(octetsOf(key).toString('base64').slice(0, 40));
    expect(await desk.store.book.forAddress(CLINIC, 'carol@partner.test')).toHaveLength(1);
    const [entry] = await events();
    expect(entry).toMatchObject({ event: 'key.imported', actor: 'ann', organization: CLINIC });
    expect(entry!.boxed).toMatchObject({ reason: 'sent by carol@partner.test', fingerprint: key.getFingerprint() });
    expect(JSON.stringify(entry!.detail)).not.toMatch(/@|partner/);
  });

  test('certificates are kept with their issuers, trusted by a root or by a pin', async () => {
    const pem = person.certPem + intermediate.certPem;
    const untrusted = await importFile(pem);
    expect(told(untrusted)).toEqual([['imported', 'dan@partner.test', 'untrusted', false]]);
    desk.roots.push(authority.der);
    expect(await list()).toMatchObject([{ kind: 'smime', state: 'usable', issuers: 1 }]);
    desk.roots.pop();
    const { key } = untrusted.keys[0]!;
    await desk.ask('keys.pin', { key, reason: 'compared by phone' });
    expect(await list()).toMatchObject([{ state: 'usable', pinned: true }]);
  });

  test('--for keeps it for that address or domain alone', async () => {
    const file = octetsOf(await pgpKey(['gateway@partner.test']));
    expect(told(await importFile(file, { for: '@Partner.test' }))).toEqual([
      ['imported', '@partner.test', 'usable', false],
    ]);
    expect(told(await importFile(file, { for: 'else@partner.test' }))).toEqual([
      ['imported', 'else@partner.test', 'mismatched', false],
    ]);
    const foreign = octetsOf(await pgpKey(['gateway@host.test']));
    expect(told(await importFile(foreign, { for: '@partner.test' }))).toEqual([
      ['imported', '@partner.test', 'mismatched', false],
    ]);
    expect(told(await importFile(foreign, { for: '@other.test', pin: true }))).toEqual([
      ['imported', '@other.test', 'usable', true],
    ]);
  });

  test('several in one file; one that names nobody is left out and told', async () => {
    const one = await pgpKey(['one@partner.test']);
    const nobody = await makeKey({ userIDs: [{ name: 'Nobody' }], date: new Date(NOON - DAY) });
    const done = await importFile(Buffer.concat([octetsOf(one), octetsOf(nobody)]));
    expect(told(done)).toEqual([['imported', 'one@partner.test', 'usable', false]]);
    expect(done.skipped).toEqual([
      {
        kind: 'pgp',
        fingerprint: nobody.getFingerprint(),
        why: 'it names no address',
        next: expect.stringContaining('--for'),
      },
    ]);
  });

  test('an expired one is kept and told', async () => {
    const done = await importFile(octetsOf(await pgpKey(['old@partner.test'], -1)));
    expect(done.keys).toMatchObject([{ state: 'expired', why: 'expired 2026-04-30' }]);
  });

  test('the same again changes nothing, also when it was revoked here', async () => {
    const file = octetsOf(await pgpKey(['carol@partner.test']));
    const first = await importFile(file);
    const again = await importFile(file, { pin: true });
    expect(told(again)).toEqual([['known', 'carol@partner.test', 'usable', false]]);
    expect(again.keys[0]!.key).toBe(first.keys[0]!.key);
    expect(again.keys[0]!.notes).toEqual([`it was not pinned: sealrelay keys pin ${first.keys[0]!.key}`]);
    expect(await events()).toHaveLength(1);
    await desk.ask('keys.revoke', { key: first.keys[0]!.key, reason: 'lost' });
    expect(told(await importFile(file))).toEqual([['known', 'carol@partner.test', 'revoked', false]]);
    expect(told(await importFile(file, { organization: PRACTICE }))[0]![0]).toBe('imported');
  });

  test('a copy with a later end renews it, under the same id and with its pin', async () => {
    const key = await pgpKey(['carol@partner.test'], 5);
    const { privateKey: longer } = await reformatKey({
      privateKey: key,
      userIDs: [{ email: 'carol@partner.test' }],
      date: new Date(NOON - DAY),
      keyExpirationTime: (500 * DAY) / SECOND,
      format: 'object',
    });
    const first = await importFile(octetsOf(key), { pin: true });
    expect(first.keys).toMatchObject([{ state: 'expiring', pinned: true }]);
    const renewed = await importFile(octetsOf(longer));
    expect(told(renewed)).toEqual([['renewed', 'carol@partner.test', 'usable', true]]);
    expect(renewed.keys[0]!.key).toBe(first.keys[0]!.key);
    expect(await events()).toHaveLength(2);
  });

  test('a copy from before its revocation revives nothing', async () => {
    const key = await pgpKey(['carol@partner.test']);
    const before = octetsOf(key);
    const { privateKey: revoked } = await revokedBy(key);
    expect(told(await importFile(octetsOf(revoked)))[0]).toEqual(['imported', 'carol@partner.test', 'revoked', false]);
    expect(told(await importFile(before))).toEqual([['known', 'carol@partner.test', 'revoked', false]]);
  });

  test('issuers that come later make a certificate trusted', async () => {
    desk.roots.push(authority.der);
    expect(told(await importFile(person.der))).toEqual([['imported', 'dan@partner.test', 'untrusted', false]]);
    const renewed = await importFile(person.certPem + intermediate.certPem);
    expect(told(renewed)).toEqual([['renewed', 'dan@partner.test', 'usable', false]]);
    expect(told(await importFile(person.der))).toEqual([['known', 'dan@partner.test', 'usable', false]]);
  });

  test('beside a pinned key another is not pinned, and it is told; after its end it is', async () => {
    const pinned = await importFile(octetsOf(await pgpKey(['carol@partner.test'])), { pin: true });
    const { key: first } = pinned.keys[0]!;
    const second = await importFile(octetsOf(await pgpKey(['carol@partner.test'])), { pin: true });
    expect(second.keys).toMatchObject([{ outcome: 'imported', pinned: false }]);
    expect(second.keys[0]!.notes).toEqual([
      `another key, ${first}, is pinned for the same: this one was not pinned; ask its owner which is right, then ` +
        `sealrelay keys pin ${second.keys[0]!.key}`,
    ]);
    const third = await importFile(octetsOf(await pgpKey(['carol@partner.test'])));
    expect(third.keys[0]!.notes).toEqual([`another key, ${first}, is pinned for the same and goes before it`]);
    await desk.ask('keys.revoke', { key: first, reason: 'lost' });
    const fourth = await importFile(octetsOf(await pgpKey(['carol@partner.test'])), { pin: true });
    expect(fourth.keys).toMatchObject([{ pinned: true, notes: [] }]);
  });

  test('an own key is for the own domains, and its private part goes into the store alone', async () => {
    const key = await pgpKey(['seal@clinic.test', 'me@home.test']);
    const secret = Buffer.from(key.write());
    const done = await importFile(key.armor(), { own: true });
    expect(told(done)).toEqual([['imported', 'seal@clinic.test', 'usable', false]]);
    expect(told(await importFile(key.armor(), { own: true, for: '@clinic.test' }))).toEqual([
      ['imported', '@clinic.test', 'usable', false],
    ]);
    const own = await desk.store.book.own(CLINIC, 'pgp');
    expect(own).toHaveLength(2);
    expect(Buffer.from((await desk.store.book.privateOf(own[0]!))!)).toEqual(secret);
    const everything = JSON.stringify([
      done,
      await list(),
      await desk.ask('keys.show', { key: own[0]!.id }),
      desk.logged,
    ]);
    for (const form of ['base64', 'hex'] as const)
      expect(everything).not.toContain(secret.toString(form).slice(60, 120));
    const elsewhere = await pgpKey(['me@home.test']);
    expect(await importFile(elsewhere.armor(), { own: true })).toMatchObject({
      keys: [],
      skipped: [{ why: 'it names no address of the own domains' }],
    });
    await expect(importFile(key.armor(), { own: true, for: '@home.test' })).rejects.toMatchObject({
      code: 'usage',
      next: 'one of clinic.test',
    });
    await expect(importFile(octetsOf(key), { own: true })).rejects.toThrow('no private key in the file');
  });

  test('an own certificate comes with its private key; without --own that is not kept', async () => {
    const seal = mailCertificate({ name: 'Seal', addresses: ['seal@clinic.test'], ...valid() });
    const pem = seal.certPem + seal.keyPem;
    expect(told(await importFile(pem, { own: true }))).toEqual([['imported', 'seal@clinic.test', 'usable', false]]);
    const [own] = await desk.store.book.own(CLINIC, 'smime');
    expect(Buffer.from((await desk.store.book.privateOf(own!))!)).toEqual(seal.privateKey);
    const other = await importFile(pem, { organization: PRACTICE });
    expect(other.keys[0]!.notes.join()).toContain('private key in the file was not kept');
    expect(await desk.store.book.privateOf({ id: other.keys[0]!.key, organization: PRACTICE })).toBeNull();
  });
});

async function revokedBy(privateKey: PrivateKey) {
  const { revokeKey } = await import('openpgp');
  return revokeKey({ key: privateKey, date: new Date(NOON - DAY), format: 'object' });
}

describe('what cannot be read is told in words, and nothing is kept', () => {
  const LOCKED = 'correct horse';
  let locked: string;
  beforeAll(async () => {
    await open();
    locked = (await makeKey({ passphrase: LOCKED, userIDs: [{ email: 'seal@clinic.test' }] })).armor();
  });
  afterAll(close);

  test.each<[string, () => string | Uint8Array, object, string]>([
    ['nothing in it', () => 'Dear Ann,\nhere is my key.\n', {}, 'no key and no certificate'],
    ['an empty file', () => '', {}, 'no key and no certificate'],
    [
      'a message of OpenPGP',
      () => '-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n',
      {},
      'no key and no',
    ],
    ['a cut certificate', () => person.der.subarray(0, 200), {}, 'no key and no certificate'],
    ['a cut key', () => locked.slice(0, 300), { own: true }, 'damaged'],
    ['a locked key', () => locked, { own: true }, 'the private key is locked with a passphrase'],
    ['a wrong passphrase', () => locked, { own: true, passphrase: 'wrong' }, 'that passphrase does not open'],
    ['another private key', () => person.certPem + authority.keyPem, {}, 'belongs to none of the certificates'],
  ])('%s', async (_, file, args, words) => {
    await expect(importFile(file(), args)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(words),
      next: expect.stringMatching(/.{10}/),
    });
    expect([await list(), await events()]).toEqual([[], []]);
  });

  test('with its passphrase it is read, and the passphrase is nowhere', async () => {
    const done = await importFile(locked, { own: true, passphrase: LOCKED });
    expect(done.keys).toHaveLength(1);
    expect(JSON.stringify([done, desk.logged, await events()])).not.toContain(LOCKED);
  });

  test('an organization has to be named where there are several, and be one', async () => {
    await expect(importFile(person.der, { organization: undefined })).rejects.toThrow('whose key is it');
    await expect(importFile(person.der, { organization: 'Nobody' })).rejects.toThrow('no such organization');
  });

  test.each([
    'ann',
    'ann@',
    '@',
    '@partner',
    'a b@partner.test',
    'ann@@partner.test',
    '<>',
  ])('for %j', async (subject) => {
    await expect(importFile(person.der, { for: subject })).rejects.toMatchObject({
      code: 'usage',
      message: 'for: write user@domain, or @domain for a whole domain',
    });
  });

  test('a file that is too long', async () => {
    await expect(importFile(Buffer.alloc(700_004))).rejects.toThrow('a key file has at most 700000 octets');
    await expect(desk.ask('keys.import', { file: '*' })).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('the keys that are known', () => {
  beforeEach(open);
  afterEach(close);

  async function three(): Promise<string[]> {
    const files = [
      await pgpKey(['carol@partner.test'], 5),
      await pgpKey(['bob@b.test'], -1),
      await pgpKey(['eve@e.test']),
    ];
    const done = [];
    for (const key of files) done.push(await importFile(octetsOf(key)));
    done.push(await importFile(person.der, { organization: PRACTICE }));
    return done.map(({ keys }) => keys[0]!.key);
  }

  test('are listed by conditions and shown by id; each look is recorded, addresses boxed', async () => {
    const ids = await three();
    const listed = async (args: object) => (await list(args)).map(({ key }) => ids.indexOf(key));
    expect(await listed({})).toEqual([0, 1, 2, 3]);
    expect(await listed({ limit: 2 })).toEqual([0, 1]);
    expect(await listed({ organization: PRACTICE })).toEqual([3]);
    expect(await listed({ kind: 'smime' })).toEqual([3]);
    expect(await listed({ own: true })).toEqual([]);
    expect(await listed({ for: 'Bob@b.test' })).toEqual([1]);
    const shown = await desk.ask('keys.show', { key: ids[1] }, { door: 'read', token: desk.tokens.auditor });
    expect(shown.data).toMatchObject({ key: ids[1], for: 'bob@b.test', state: 'expired' });
    await expect(desk.ask('keys.show', { key: 'a'.repeat(16) })).rejects.toMatchObject({ code: 'not found' });
    const looks = (await desk.store.audit.read(null, 1_000)).filter(({ event }) => event === 'log.searched');
    expect(looks).toHaveLength(7);
    expect(looks[5]!.boxed).toEqual({ for: 'bob@b.test' });
    expect(looks[6]).toMatchObject({ actor: 'bob', organization: CLINIC, detail: { what: 'keys show', key: ids[1] } });
    expect(JSON.stringify(looks.map(({ detail }) => detail))).not.toContain('@');
  });

  test('more than a page come in the order in which they were added', async () => {
    const file = octetsOf(await pgpKey(['gateway@partner.test']));
    for (let i = 0; i < 120; i++) await importFile(file, { for: `p${i}@partner.test` });
    expect((await list()).map((one) => one.for)).toEqual(Array.from({ length: 120 }, (_, i) => `p${i}@partner.test`));
    expect((await list({ limit: 70 })).length).toBe(70);
    expect((await desk.ask('keys.check')).rows).toHaveLength(120);
  });

  test('are pinned and unpinned; a second time it is said, and others that are pinned', async () => {
    const pin = async (args: object) => (await desk.ask('keys.pin', args)).data as ChangedKey;
    const first = await importFile(octetsOf(await pgpKey(['carol@partner.test'])), { pin: true });
    const second = await importFile(octetsOf(await pgpKey(['carol@partner.test'])));
    const { key } = second.keys[0]!;
    const pinned = await pin({ key });
    expect(pinned).toMatchObject({ changed: true, pinned: true, othersPinned: [first.keys[0]!.key] });
    expect(await pin({ key })).toMatchObject({ changed: false, pinned: true });
    expect(await pin({ key, pinned: false })).toMatchObject({ changed: true, pinned: false });
    expect((await events()).map(({ event }) => event).slice(2)).toEqual(['key.pinned', 'key.pinned']);
  });

  test('are revoked for a reason, once and for good', async () => {
    const [key] = await three();
    await expect(desk.ask('keys.revoke', { key, reason: ' ' })).rejects.toMatchObject({ code: 'usage' });
    const done = await desk.ask('keys.revoke', { key, reason: 'left' });
    expect(done.data).toMatchObject({ changed: true, state: 'revoked', revokedBecause: 'left' });
    const again = await desk.ask('keys.revoke', { key, reason: 'again' });
    expect(again.data).toMatchObject({ changed: false, revokedBecause: 'left' });
    await expect(desk.ask('keys.pin', { key })).rejects.toThrow('was revoked here');
  });

  test('are checked: attention want those that are not usable for long and that no other stands in for', async () => {
    const [carol, bob] = await three();
    const checked = async () => {
      const { data, rows } = await desk.ask('keys.check');
      const all = rows as unknown as CheckedKey[];
      return [data, all.map((one) => [one.state, one.attention])];
    };
    expect(await checked()).toEqual([
      { rows: 4, attention: 3 },
      [
        ['expiring', true],
        ['expired', true],
        ['usable', false],
        ['untrusted', true],
      ],
    ]);
    await importFile(octetsOf(await pgpKey(['carol@partner.test'])));
    await desk.ask('keys.revoke', { key: bob, reason: 'left' });
    await desk.ask('keys.pin', { key: (await list({ kind: 'smime' }))[0]!.key });
    const [summary] = await checked();
    expect(summary).toEqual({ rows: 5, attention: 0 });
    expect((await list({ for: 'carol@partner.test' }))[0]!.key).toBe(carol);
  });
});
