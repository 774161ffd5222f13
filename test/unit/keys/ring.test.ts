import { randomBytes } from 'node:crypto';
import { boxKey } from '../../../src/crypto/box.ts';
import { VaultError } from '../../../src/crypto/vault.ts';
import { MasterKeyError, type MasterKeys } from '../../../src/keys/master.ts';
import type { KeyRow, Keyring } from '../../../src/keys/port.ts';
import { openRing } from '../../../src/keys/ring.ts';
import { settled } from '../../support/clock.ts';

const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
const MAY = Date.UTC(2026, 4, 31, 23, 59, 59, 999);
const JUNE = MAY + 1;
const old = boxKey(Buffer.alloc(32, 1));
const recent = boxKey(Buffer.alloc(32, 2));
const master: MasterKeys = [old];

/** Keeps rows; the first of (organization, purpose, generation) stands. */
class MemoryKeyring implements Keyring {
  rows: KeyRow[] = [];
  adds = 0;
  async all() {
    return this.rows;
  }
  async add(row: KeyRow) {
    this.adds += 1;
    await settled();
    const same = (other: KeyRow) =>
      other.organization === row.organization && other.purpose === row.purpose && other.generation === row.generation;
    const standing = this.rows.find(same);
    if (!standing) this.rows.push(row);
    return standing ?? row;
  }
}
const place = { organization: 'clinic', table: 'message', row: 'm', column: 'subject' };
const plain = Buffer.from('a subject');

async function opened(keyring: Keyring = new MemoryKeyring()) {
  const ring = await openRing({ master, keyring, random });
  await ring.ready('clinic', MAY);
  return ring;
}

describe('the ring', () => {
  test('makes an organization key under the master and the others under it', async () => {
    const keyring = new MemoryKeyring();
    await opened(keyring);
    const by = new Map(keyring.rows.map((row) => [row.purpose, row]));
    expect([...by.keys()].sort()).toEqual([
      'code',
      'digest',
      'fields 2026-05',
      'fields lasting',
      'index',
      'organization',
    ]);
    const organization = by.get('organization')!;
    expect(organization.wrappedBy).toBe(old.id.toString('hex'));
    for (const row of keyring.rows) if (row !== organization) expect(row.wrappedBy).toBe(organization.id);
  });

  test('calls at the same time make one set of keys', async () => {
    const keyring = new MemoryKeyring();
    const ring = await openRing({ master, keyring, random });
    await Promise.all(Array.from({ length: 20 }, (_, i) => ring.ready('clinic', i % 2 ? MAY : JUNE)));
    expect(keyring.adds).toBe(7);
    await ring.ready('clinic', MAY);
    expect(keyring.adds).toBe(7);
  });

  test('opened again it opens what was boxed, and gives the same tags and digests', async () => {
    const keyring = new MemoryKeyring();
    const first = await opened(keyring);
    const box = first.box(place, plain, MAY);
    const { key, box: keyBox } = first.newDataKey('clinic', 'object');
    const second = await openRing({ master: [recent, old], keyring, random });
    expect(second.open(place, box)).toEqual(plain);
    expect(second.openDataKey('clinic', 'object', keyBox)).toEqual(Buffer.from(key));
    expect(second.tag('clinic', 'recipient', 'x')).toEqual(first.tag('clinic', 'recipient', 'x'));
    const [a, b] = [first.digest('clinic'), second.digest('clinic')];
    a.update(Buffer.from('one two'));
    b.update(Buffer.from('one '));
    b.update(Buffer.from('two'));
    expect(a.end()).toEqual(b.end());
  });

  test('the row that stands wins over the one just made', async () => {
    const keyring = new MemoryKeyring();
    const late = await openRing({ master, keyring, random });
    const early = await opened(keyring);
    const box = early.box(place, plain, MAY);
    await late.ready('clinic', MAY);
    expect(late.open(place, box)).toEqual(plain);
    expect(keyring.rows).toHaveLength(6);
  });

  test('a failed creation is tried again, and what was half made is finished', async () => {
    const keyring = new MemoryKeyring();
    const add = keyring.add.bind(keyring);
    let left = 2;
    keyring.add = (row) => (left-- > 0 ? add(row) : Promise.reject(new Error('disk')));
    const ring = await openRing({ master, keyring, random });
    await expect(ring.ready('clinic', MAY)).rejects.toThrow('disk');
    expect(() => ring.box(place, plain, MAY)).toThrow(VaultError);
    left = 100;
    await ring.ready('clinic', MAY);
    expect(ring.open(place, ring.box(place, plain, MAY))).toEqual(plain);
    expect(keyring.rows.filter((row) => row.purpose === 'organization')).toHaveLength(1);
  });

  test('each month has its key; a month without one is an error, not another key', async () => {
    const ring = await opened();
    const may = ring.box(place, plain, MAY);
    expect(() => ring.box(place, plain, JUNE)).toThrow('no key for fields 2026-06');
    await ring.ready('clinic', JUNE);
    const june = ring.box(place, plain, JUNE);
    expect(may.slice(0, 4)).not.toEqual(june.slice(0, 4));
    expect(ring.box(place, plain, MAY).slice(0, 4)).toEqual(may.slice(0, 4));
    expect(ring.open(place, may)).toEqual(ring.open(place, june));
  });

  test('what is kept is under one key in all months; what is under another moves, once, within its place', async () => {
    const ring = await opened();
    const box = ring.box(place, plain, MAY);
    const kept = ring.keep(place, plain);
    await ring.ready('clinic', JUNE);
    expect(ring.keep(place, plain).slice(0, 4)).toEqual(kept.slice(0, 4));
    expect(kept.slice(0, 4)).not.toEqual(box.slice(0, 4));
    const moved = ring.rekeep(place, box)!;
    expect(moved.slice(0, 4)).toEqual(kept.slice(0, 4));
    expect(ring.open(place, moved)).toEqual(plain);
    expect(ring.rekeep(place, moved)).toBeNull();
    expect(() => ring.rekeep({ ...place, row: 'another' }, box)).toThrow(VaultError);
    expect(() => ring.keep({ ...place, organization: 'other' }, plain)).toThrow('no key for fields lasting');
  });

  test('a renewed organization has a new key for what lasts, and what is under the one of before moves', async () => {
    const ring = await opened();
    const kept = ring.keep(place, plain);
    ring.generations.useMaster([recent, old]);
    await ring.generations.renew('clinic', JUNE);
    const moved = ring.rekeep(place, kept)!;
    expect(moved.slice(0, 4)).not.toEqual(kept.slice(0, 4));
    expect([ring.open(place, kept), ring.open(place, moved)]).toEqual([plain, plain]);
    expect(ring.rekeep(place, moved)).toBeNull();
  });

  test('a key that rests makes no box, and makes them again, or is forgotten', async () => {
    const keyring = new MemoryKeyring();
    const ring = await opened(keyring);
    const box = ring.box(place, plain, MAY);
    const key = { organization: 'clinic', month: '2026-05', id: Buffer.from(box.slice(0, 4)).toString('hex') };
    const wake = ring.rest([key]);
    expect(() => ring.box(place, plain, MAY)).toThrow('no key for fields 2026-05');
    await expect(ring.ready('clinic', MAY)).rejects.toThrow('no key for fields 2026-05');
    await ring.ready('clinic', JUNE);
    expect(ring.open(place, box)).toEqual(plain);
    wake([]);
    expect(ring.box(place, plain, MAY).slice(0, 4)).toEqual(box.slice(0, 4));
    const last = ring.rest([key]);
    keyring.rows = keyring.rows.filter(({ id }) => id !== key.id);
    last([key]);
    expect(() => ring.open(place, box)).toThrow(expect.objectContaining({ code: 'no key' }));
    await ring.ready('clinic', MAY);
    expect(ring.box(place, plain, MAY).slice(0, 4)).not.toEqual(box.slice(0, 4));
  });

  test('a key is wrapped by the organization key itself, whatever the month; without one it is an error', async () => {
    const keyring = new MemoryKeyring();
    const ring = await opened(keyring);
    const wrapped = ring.wrap(place, plain);
    const organization = keyring.rows.find(({ purpose }) => purpose === 'organization')!;
    expect(Buffer.from(wrapped).toString('hex', 0, 4)).toBe(organization.id);
    expect(Buffer.from(ring.open(place, wrapped))).toEqual(plain);
    expect(() => ring.open({ ...place, column: 'other' }, wrapped)).toThrow(VaultError);
    expect(() => ring.wrap({ ...place, organization: 'practice' }, plain)).toThrow(VaultError);
  });

  test('organizations share nothing', async () => {
    const ring = await opened();
    await ring.ready('other', MAY);
    const box = ring.box(place, plain, MAY);
    expect(() => ring.open({ ...place, organization: 'other' }, box)).toThrow(VaultError);
    expect(ring.tag('other', 'recipient', 'x')).not.toEqual(ring.tag('clinic', 'recipient', 'x'));
    const { box: keyBox } = ring.newDataKey('clinic', 'object');
    expect(() => ring.openDataKey('other', 'object', keyBox)).toThrow(VaultError);
    expect(() => ring.openDataKey('clinic', 'another', keyBox)).toThrow(VaultError);
  });

  test('what is kept of a code depends on code, challenge and organization', async () => {
    const keyring = new MemoryKeyring();
    const ring = await opened(keyring);
    await ring.ready('other', MAY);
    const challenge = Buffer.alloc(16, 1);
    const kept = ring.code('clinic', challenge, '123456');
    expect(kept).toHaveLength(32);
    for (const other of [
      ring.code('clinic', challenge, '123457'),
      ring.code('clinic', Buffer.alloc(16, 2), '123456'),
      ring.code('other', challenge, '123456'),
    ]) {
      expect(other).not.toEqual(kept);
    }
    expect((await openRing({ master, keyring, random })).code('clinic', challenge, '123456')).toEqual(kept);
  });

  test('without ready there is no key', async () => {
    const ring = await openRing({ master, keyring: new MemoryKeyring(), random });
    for (const use of [
      () => ring.box(place, plain, MAY),
      () => ring.open(place, Buffer.alloc(64)),
      () => ring.tag('clinic', 'a', 'b'),
      () => ring.digest('clinic'),
      () => ring.newDataKey('clinic', 'o'),
      () => ring.code('clinic', Buffer.alloc(16), '123456'),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: 'no key' }));
    }
  });

  test('a search tag is 16 octets and depends on column and value apart', async () => {
    const ring = await opened();
    expect(ring.tag('clinic', 'recipient', 'x')).toHaveLength(16);
    expect(ring.tag('clinic', 'ab', 'c')).not.toEqual(ring.tag('clinic', 'a', 'bc'));
  });

  test('a missing master key and changed rows: no start, in words', async () => {
    const keyring = new MemoryKeyring();
    await opened(keyring);
    const other: MasterKeys = [recent];
    await expect(openRing({ master: other, keyring, random })).rejects.toThrow(
      /clinic is wrapped by master key [0-9a-f]{8}, which the master key file lacks/,
    );
    for (const [index, row] of keyring.rows.entries()) {
      const box = Buffer.from(row.box);
      box[20]! ^= 1;
      const rows = keyring.rows.with(index, { ...row, box });
      await expect(
        openRing({ master, keyring: { ...keyring, all: async () => rows, add: async (r) => r }, random }),
      ).rejects.toThrow(MasterKeyError);
    }
    const moved = keyring.rows.map((row) => ({ ...row, organization: 'other' }));
    await expect(
      openRing({ master, keyring: { all: async () => moved, add: async (r) => r }, random }),
    ).rejects.toThrow(MasterKeyError);
  });

  test('organization keys are copied before they are used, and at every opening', async () => {
    const keyring = new MemoryKeyring();
    const copies: (readonly KeyRow[])[] = [];
    let fails = true;
    const copy = async (rows: readonly KeyRow[]) => {
      if (fails) throw new Error('no disk');
      copies.push(rows);
    };
    const ring = await openRing({ master, keyring, random, copy });
    await expect(ring.ready('clinic', MAY)).rejects.toThrow('no disk');
    expect(() => ring.newDataKey('clinic', 'o')).toThrow(VaultError);
    fails = false;
    await ring.ready('clinic', MAY);
    await ring.ready('other', MAY);
    expect(copies.map((rows) => rows.map((row) => row.organization))).toEqual([['clinic'], ['clinic', 'other']]);
    expect(copies.flat().every((row) => row.purpose === 'organization')).toBe(true);
    await openRing({ master, keyring, random, copy });
    expect(copies.at(-1)).toEqual(keyring.rows.filter((row) => row.purpose === 'organization'));
  });

  test('no key stands in a row as it is', async () => {
    const keyring = new MemoryKeyring();
    const drawn: string[] = [];
    const watched = {
      ...random,
      bytes: (n: number) => {
        const bytes = randomBytes(n);
        if (n === 32) drawn.push(bytes.toString('hex'));
        return bytes;
      },
    };
    const ring = await openRing({ master, keyring, random: watched });
    await ring.ready('clinic', MAY);
    const rows = keyring.rows.map((row) => Buffer.from(row.box).toString('hex')).join();
    expect(drawn).toHaveLength(6);
    for (const key of drawn) expect(rows).not.toContain(key);
  });
});
