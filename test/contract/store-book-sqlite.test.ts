// Keys in rows of SQLite: what who can write them may not bring about, and what does not stand in the files.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newKey } from '../support/keys.ts';
import type { Bench } from './store-bench.ts';
import { type Place, tamper as tamperWith, withStore } from './store-place.ts';

const BY = { actor: 'ann', reason: 'canary reason' };
let place: Place;
let b: Bench;
withStore((...opened) => {
  [place, b] = opened;
});

const tamper = (sql: string, ...values: unknown[]) => tamperWith(place, b, sql, ...values);
const book = () => b.opened.book;
const ofAnn = () => book().forAddress('clinic', 'ann@a.test');

test('a pin and a revocation in clear columns trust and revive nothing', async () => {
  const key = newKey();
  await book().add(key, BY);
  await book().revoke(key.id, BY);
  await tamper('UPDATE address_key SET pinned = 1, revoked_at = NULL, valid_until = NULL');
  const { validUntil } = key.facts;
  expect(await ofAnn()).toMatchObject([{ pinned: false, revoked: { reason: BY.reason }, facts: { validUntil } }]);
});

test('a row moved to another address, or to correspondents, is not used there, and a person is told', async () => {
  const bob = newKey({ subject: 'bob@a.test' });
  const own = newKey({ own: true, private: randomBytes(20) });
  for (const key of [newKey(), bob, own]) await book().add(key, BY);
  await tamper(
    'UPDATE address_key SET own = 0, tag = (SELECT tag FROM address_key WHERE id NOT IN (?, ?)) WHERE id IN (?, ?)',
    ...[bob.id, own.id, bob.id, own.id],
  );
  expect(await ofAnn()).toHaveLength(1);
  expect(place.alarms.join()).toContain(`the row of key ${bob.id} says that it is another's`);
  expect(place.alarms.join()).toContain(`the row of key ${own.id} says`);
  expect(place.alarms.join()).not.toContain('@');
  expect(await book().list({ subject: 'ann@a.test', own: false, limit: 10 })).toHaveLength(1);
});

test('a row of another organization does not open there', async () => {
  const key = newKey();
  await book().add(newKey({ organization: 'practice' }), BY);
  await book().add(key, BY);
  const practice = 'SELECT tag FROM address_key WHERE organization =';
  await tamper(`UPDATE address_key SET organization = 'practice', tag = (${practice} 'practice')`);
  await expect(book().forAddress('practice', 'ann@a.test')).rejects.toThrow();
  expect(place.alarms.join()).toContain(`the box of key ${key.id} does not open`);
});

test('a box that does not open fails the look-up; it is left out of lists, and the same key can be added anew', async () => {
  const key = newKey({ own: true, private: randomBytes(20) });
  const other = newKey();
  for (const one of [key, other]) await book().add(one, BY);
  await tamper('UPDATE address_key SET box = ?', randomBytes(200));
  await expect(ofAnn()).rejects.toThrow();
  await expect(book().own('clinic', 'pgp')).rejects.toThrow();
  await expect(book().byId(key.id)).rejects.toThrow();
  expect(await book().list({ limit: 10 })).toEqual([]);
  const again = newKey({}, other.facts);
  expect(await book().add(again, BY)).toBe(again.id);
  expect(await book().list({ limit: 10 })).toMatchObject([{ id: again.id }]);
});

test('a private key that was put in the place of another does not open', async () => {
  const keys = [newKey({ own: true, private: randomBytes(20) }), newKey({ own: true, private: randomBytes(20) })];
  for (const key of keys) await book().add(key, BY);
  await tamper('UPDATE address_key SET private = (SELECT private FROM address_key WHERE id = ?)', keys[0]!.id);
  await expect(book().privateOf(keys[0]!)).resolves.not.toBeNull();
  await expect(book().privateOf(keys[1]!)).rejects.toThrow();
});

test('no address, fingerprint, reason, public or private octets stand in the files', async () => {
  const secret = randomBytes(64);
  const key = newKey(
    { subject: 'canary.ann@a.test', own: true, private: secret },
    { addresses: ['canary.bob@a.test'] },
  );
  await book().add(key, BY);
  await book().pin(key.id, true, BY);
  await book().revoke(key.id, BY);
  const bytes = Buffer.concat(
    readdirSync(place.path, { recursive: true, encoding: 'utf8' })
      .map((name) => join(place.path, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path)),
  );
  expect(bytes.includes(key.id)).toBe(true);
  const { fingerprint } = key.facts;
  const octets = [Buffer.from(fingerprint, 'hex'), secret, key.public].map((one) => Buffer.from(one));
  const texts = octets.flatMap((one) => [one.toString('hex'), one.toString('base64')].map((text) => Buffer.from(text)));
  for (const word of [Buffer.from('canary'), Buffer.from(fingerprint), ...octets, ...texts]) {
    expect([word.toString('hex'), bytes.includes(word)]).toEqual([word.toString('hex'), false]);
  }
});
