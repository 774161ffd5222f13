// Which of several keys is taken, and what is said when none can be.

import type { AddressKey, KeyBook } from '../../../src/keys/book-port.ts';
import { cachedBook } from '../../../src/keys/cache.ts';
import { createJudge, createLookup } from '../../../src/keys/lookup.ts';
import { addressKey } from '../../support/keys.ts';
import { NOON } from '../../support/vault.ts';

const clock = { now: () => NOON, sleep: async () => {} };
const EXPIRED = { validUntil: Date.UTC(2026, 2, 1) };

function lookUp(keys: readonly AddressKey[], chain: (key: AddressKey) => string | null = () => null) {
  const asked: string[] = [];
  const forAddress = async (organization: string, address: string) => {
    asked.push(`${organization} ${address}`);
    return keys;
  };
  const lookup = createLookup({ book: { forAddress }, judge: createJudge({ chain, clock }) });
  return { asked, ask: (kind: 'pgp' | 'smime' = 'pgp', address = 'ann@a.test') => lookup('clinic', address, kind) };
}

const domain = addressKey({ subject: '@a.test', pinned: true });
const plain = addressKey();
const pinned = addressKey({ pinned: true }, { validFrom: 1 });
const newer = addressKey({}, { validFrom: NOON - 1 });
const later = addressKey({ addedAt: NOON + 1 });
const expired = addressKey({ pinned: true }, EXPIRED);
const certificate = addressKey({}, { kind: 'smime' });

test.each<[string, AddressKey[], AddressKey]>([
  ['the address before its domain', [domain, plain], plain],
  ['a domain where there is nothing else', [domain, expired], domain],
  ['pinned before not', [newer, pinned], pinned],
  ['the newer of two', [plain, newer], newer],
  ['of the same age the one that was added later', [plain, later], later],
  ['not a pinned one that expired', [expired, plain], plain],
  ['the one of that kind', [certificate, plain], plain],
])('%s', async (_, keys, key) => {
  expect(await lookUp(keys).ask()).toEqual({ kind: 'found', key });
  expect(await lookUp([...keys].reverse()).ask()).toEqual({ kind: 'found', key });
});

test('the reason is that of the best one; without any it is said', async () => {
  const weak = addressKey({}, { weak: 'DSA' });
  expect(await lookUp([weak, expired]).ask()).toEqual({ kind: 'none', why: 'expired 2026-03-01' });
  expect(await lookUp([certificate]).ask()).toEqual({ kind: 'none', why: 'no key known' });
  expect(await lookUp([]).ask()).toEqual({ kind: 'none', why: 'no key known' });
});

test('addresses are compared in lower case', async () => {
  const { ask, asked } = lookUp([plain]);
  expect(await ask('pgp', 'Ann@A.test')).toMatchObject({ kind: 'found' });
  expect(asked).toEqual(['clinic ann@a.test']);
});

test('a book that fails is not now, never none', async () => {
  const forAddress = () => Promise.reject(new Error('ann@a.test'));
  const lookup = createLookup({ book: { forAddress }, judge: createJudge({ chain: () => null, clock }) });
  expect(await lookup('clinic', 'ann@a.test', 'pgp')).toEqual({ kind: 'not now', why: 'the keys cannot be read now' });
});

test('the chain is asked for certificates that are neither pinned nor own', async () => {
  const asked: AddressKey[] = [];
  const chain = (key: AddressKey) => {
    asked.push(key);
    return 'no';
  };
  const trusted = addressKey({ subject: '@a.test', pinned: true }, { kind: 'smime' });
  expect(await lookUp([certificate, trusted], chain).ask('smime')).toEqual({ kind: 'found', key: trusted });
  await lookUp([plain], chain).ask();
  expect(asked).toEqual([certificate]);
});

describe('a book that remembers', () => {
  function counting() {
    let asked = 0;
    let answer: Promise<readonly AddressKey[]> = Promise.resolve([plain]);
    const book = {
      forAddress: () => {
        asked += 1;
        return answer;
      },
      own: () => {
        asked += 1;
        return answer;
      },
      pin: async () => {},
      revoke: () => Promise.reject(new Error('full')),
      add: async () => 'a',
    } as unknown as KeyBook;
    return {
      cached: cachedBook(book),
      asked: () => asked,
      answers: (next: typeof answer) => {
        answer = next;
      },
    };
  }
  const CHANGE = { actor: 'ann', reason: '' };

  test('asks once for each address of an organization, also where nothing is known', async () => {
    const { cached, asked, answers } = counting();
    answers(Promise.resolve([]));
    for (let i = 0; i < 3; i++) expect(await cached.forAddress('clinic', 'ann@a.test')).toEqual([]);
    await cached.forAddress('practice', 'ann@a.test');
    await cached.forAddress('clinic', 'bob@a.test');
    await cached.own('clinic', 'pgp');
    await cached.own('clinic', 'pgp');
    expect(asked()).toBe(4);
  });

  test.each<[string, (book: KeyBook) => Promise<unknown>]>([
    ['add', (book) => book.add(plain, CHANGE)],
    ['pin', (book) => book.pin('a', true, CHANGE)],
    ['a revocation whose outcome is not known', (book) => book.revoke('a', CHANGE).catch(() => {})],
  ])('%s empties it', async (_, change) => {
    const { cached, asked } = counting();
    await cached.forAddress('clinic', 'ann@a.test');
    await change(cached);
    await cached.forAddress('clinic', 'ann@a.test');
    expect(asked()).toBe(2);
  });

  test('an answer that was asked for before a change is not kept; a failure neither', async () => {
    const { cached, asked, answers } = counting();
    const slow = Promise.withResolvers<readonly AddressKey[]>();
    answers(slow.promise);
    const before = cached.forAddress('clinic', 'ann@a.test');
    await cached.pin('a', true, CHANGE);
    slow.resolve([plain]);
    expect(await before).toEqual([plain]);
    answers(Promise.resolve([pinned]));
    expect(await cached.forAddress('clinic', 'ann@a.test')).toEqual([pinned]);
    const failing = Promise.reject(new Error('closed'));
    failing.catch(() => {});
    answers(failing);
    await expect(cached.forAddress('clinic', 'bob@a.test')).rejects.toThrow('closed');
    answers(Promise.resolve([]));
    expect(await cached.forAddress('clinic', 'bob@a.test')).toEqual([]);
    expect(asked()).toBe(4);
  });
});
