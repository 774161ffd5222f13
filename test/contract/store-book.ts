// The contract of the book of keys: whose keys are found, what changes them, and what of them stands where.

import { randomBytes } from 'node:crypto';
import type { AddressKey, KeyChange } from '../../src/keys/book-port.ts';
import { newKey } from '../support/keys.ts';
import { type Bench, MINUTE, refuses } from './store-bench.ts';

const BY: KeyChange = { actor: 'ann', reason: 'asked by canary phone' };
const EVENTS = ['key.imported', 'key.pinned', 'key.revoked'];

export function bookContract(bench: () => Bench): void {
  const book = () => bench().opened.book;
  const entries = async () => (await bench().audit.read(null, 1000)).filter(({ event }) => EVENTS.includes(event));
  const ids = (keys: readonly AddressKey[]) => keys.map(({ id }) => id);

  test('a key stands as it was given, with who added it and when, also after a restart', async () => {
    const key = newKey({ pinned: true }, { issuers: ['AAAA'], weak: 'DSA', validUntil: null });
    expect(await book().add(key, BY)).toBe(key.id);
    await bench().restart();
    const found = await book().byId(key.id);
    const added = { revoked: null, addedAt: bench().now, addedBy: 'ann' };
    expect(found).toEqual({ ...key, ...added, public: Buffer.from(key.public) });
    expect(await book().byId('a'.repeat(16))).toBeNull();
  });

  test('an address has its own keys and those of its domain, the newest first; no others, and none of another organization', async () => {
    const b = bench();
    const old = newKey();
    const domain = newKey({ subject: '@a.test' });
    const others = [
      newKey({ organization: 'practice' }),
      newKey({ subject: 'bob@a.test' }),
      newKey({ subject: '@x.a.test' }),
      newKey({ subject: '@test' }),
    ];
    for (const key of [old, domain, ...others]) await book().add(key, BY);
    b.test.clock.at += MINUTE;
    const recent = newKey({}, { kind: 'smime' });
    await book().add(recent, BY);
    await book().revoke(old.id, BY);
    expect(ids(await book().forAddress('clinic', 'ann@a.test'))).toEqual([recent.id, old.id, domain.id]);
    expect(ids(await book().forAddress('clinic', 'kim@a.test'))).toEqual([domain.id]);
    expect(ids(await book().forAddress('practice', 'ann@a.test'))).toEqual([others[0]!.id]);
    expect(await book().forAddress('clinic', 'ann@c.test')).toEqual([]);
  });

  test('an organization has its own, by kind, the newest first; they are never found for a recipient', async () => {
    const b = bench();
    const mine = { own: true, subject: '@clinic.test' };
    const old = newKey(mine);
    await book().add(old, BY);
    b.test.clock.at += MINUTE;
    const recent = newKey({ own: true, subject: 'lee@clinic.test' });
    await book().add(recent, BY);
    await book().add(newKey(mine, { kind: 'smime' }), BY);
    await book().add(newKey({ ...mine, organization: 'practice' }), BY);
    expect(ids(await book().own('clinic', 'pgp'))).toEqual([recent.id, old.id]);
    expect(await book().own('clinic', 'smime')).toHaveLength(1);
    expect(await book().forAddress('clinic', 'lee@clinic.test')).toEqual([]);
  });

  test('private octets come back to who asks for them by id; those of a correspondent are not kept', async () => {
    const secret = randomBytes(500);
    const own = newKey({ own: true, private: secret });
    const other = newKey({ private: secret });
    for (const key of [own, other]) await book().add(key, BY);
    await bench().restart();
    expect(Buffer.from((await book().privateOf(own))!)).toEqual(secret);
    expect(await book().privateOf(other)).toBeNull();
    expect(await book().privateOf({ id: 'a'.repeat(16), organization: 'clinic' })).toBeNull();
    await expect(book().privateOf({ id: own.id, organization: 'practice' })).rejects.toThrow();
    expect(Object.keys((await book().byId(own.id))!)).not.toContain('private');
  });

  test('the same key again is the one that stands, also when two come at once', async () => {
    const key = newKey();
    const again = () => newKey({}, key.facts);
    const added = await Promise.all([key, again(), again()].map((one) => book().add(one, BY)));
    expect(new Set(added).size).toBe(1);
    await book().revoke(added[0]!, BY);
    expect(await book().add(newKey({ pinned: true }, key.facts), BY)).toBe(added[0]);
    expect(await book().list({ limit: 10 })).toMatchObject([{ pinned: false, revoked: { reason: BY.reason } }]);
    const different = [
      newKey({ subject: '@a.test' }, key.facts),
      newKey({ organization: 'practice' }, key.facts),
      newKey({ own: true }, key.facts),
      newKey({}, { ...key.facts, kind: 'smime' }),
      newKey(),
    ];
    for (const one of different) expect(await book().add(one, BY)).toBe(one.id);
    expect(await entries()).toHaveLength(7);
  });

  test('pinned, unpinned, revoked: seen at once by who asked before, with an entry each; the same again changes nothing', async () => {
    const b = bench();
    const key = newKey();
    await book().add(key, BY);
    const now = async () => {
      const [one] = await book().forAddress('clinic', 'ann@a.test');
      return [one!.pinned, one!.revoked];
    };
    expect(await now()).toEqual([false, null]);
    for (const pinned of [true, true, false]) {
      await book().pin(key.id, pinned, BY);
      expect(await now()).toEqual([pinned, null]);
    }
    b.test.clock.at += MINUTE;
    await book().revoke(key.id, { actor: 'bob', reason: 'lost' });
    const at = b.now;
    b.test.clock.at += MINUTE;
    await book().revoke(key.id, { actor: 'ann', reason: 'again' });
    expect(await now()).toEqual([false, { at, reason: 'lost' }]);
    const clear = { key: key.id, kind: 'pgp', own: false, validUntil: key.facts.validUntil };
    const boxed = { for: 'ann@a.test', fingerprint: key.facts.fingerprint };
    const told = (await entries()).map(({ event, actor, organization, detail, boxed }) => [
      ...[event, actor, organization, detail, boxed],
    ]);
    const ann = ['ann', 'clinic'];
    expect(told).toEqual([
      ['key.imported', ...ann, { ...clear, pinned: false }, { reason: BY.reason, ...boxed }],
      ['key.pinned', ...ann, { ...clear, pinned: true }, { reason: BY.reason, ...boxed }],
      ['key.pinned', ...ann, { ...clear, pinned: false }, { reason: BY.reason, ...boxed }],
      ['key.revoked', 'bob', 'clinic', { ...clear, pinned: false }, { reason: 'lost', ...boxed }],
    ]);
  });

  test('a newer copy takes the place of what is known, also of the private octets; pin and age stay', async () => {
    const b = bench();
    const key = newKey({ own: true, pinned: true, private: randomBytes(50) });
    await book().add(key, BY);
    b.test.clock.at += MINUTE;
    const copy = newKey({ private: randomBytes(60) }, { ...key.facts, validUntil: null, issuers: ['AAAA'] });
    await book().renew(key.id, copy, BY);
    const [found] = await book().own('clinic', 'pgp');
    expect(found).toMatchObject({ id: key.id, pinned: true, addedAt: b.now - MINUTE, facts: copy.facts });
    expect(Buffer.from(found!.public)).toEqual(Buffer.from(copy.public));
    expect(Buffer.from((await book().privateOf(key))!)).toEqual(Buffer.from(copy.private!));
    await book().renew(key.id, { facts: copy.facts, public: key.public }, BY);
    expect(Buffer.from((await book().privateOf(key))!)).toEqual(Buffer.from(copy.private!));
    expect((await entries()).map(({ event }) => event)).toEqual(Array(3).fill('key.imported'));
    await refuses(book().renew(key.id, newKey(), BY), 'wrong state', 'another key');
  });

  test('changes at the same time all come about, one after the other', async () => {
    const key = newKey();
    await book().add(key, BY);
    const pins = [true, false, true, false].map((pinned) => book().pin(key.id, pinned, BY));
    await Promise.all([...pins, book().revoke(key.id, BY)]);
    expect((await book().byId(key.id))!.revoked).not.toBeNull();
    expect((await entries()).filter(({ event }) => event === 'key.revoked')).toHaveLength(1);
  });

  test('what is not there is not found', async () => {
    await refuses(book().pin('a'.repeat(16), true, BY), 'not found', 'no key');
    await refuses(book().revoke('a'.repeat(16), BY), 'not found', 'no key');
    expect(await entries()).toEqual([]);
  });

  test('lists by every condition, in pages, as they were added', async () => {
    const keys = [
      newKey(),
      newKey({ subject: '@a.test' }, { kind: 'smime' }),
      newKey({ organization: 'practice' }),
      newKey({ own: true, subject: '@clinic.test' }),
      newKey({ subject: 'bob@a.test' }),
    ];
    for (const key of keys) await book().add(key, BY);
    const listed = async (what: object) =>
      ids(await book().list({ limit: 10, ...what })).map((id) => keys.findIndex((key) => key.id === id));
    expect(await listed({})).toEqual([0, 1, 2, 3, 4]);
    expect(await listed({ organization: 'clinic' })).toEqual([0, 1, 3, 4]);
    expect(await listed({ subject: 'ann@a.test' })).toEqual([0, 2]);
    expect(await listed({ subject: 'ann@a.test', organization: 'practice' })).toEqual([2]);
    expect(await listed({ subject: 'nobody@a.test' })).toEqual([]);
    expect(await listed({ kind: 'smime' })).toEqual([1]);
    expect(await listed({ own: true })).toEqual([3]);
    expect(await listed({ own: false, kind: 'pgp', organization: 'clinic' })).toEqual([0, 4]);
    expect(await listed({ limit: 2 })).toEqual([0, 1]);
    expect(await listed({ limit: 2, after: keys[1]!.id })).toEqual([2, 3]);
    expect(await listed({ after: keys[4]!.id })).toEqual([]);
  });

  test('a failed commit leaves neither key nor entry, and nothing of it is remembered', async () => {
    const key = newKey();
    expect(await book().forAddress('clinic', 'ann@a.test')).toEqual([]);
    bench().test.failCommit();
    await refuses(book().add(key, BY), 'full');
    expect([await book().forAddress('clinic', 'ann@a.test'), await entries()]).toEqual([[], []]);
    await book().add(key, BY);
    bench().test.failCommit();
    await refuses(book().pin(key.id, true, BY), 'full');
    expect(await book().forAddress('clinic', 'ann@a.test')).toMatchObject([{ id: key.id, pinned: false }]);
    expect(await entries()).toHaveLength(1);
  });
}
