// Passwords of submission logins: argon2id, verified with constant work for logins that do not exist, a bounded number at
// a time, and remembered for a few minutes by a keyed hash, so that a device that sends often does not pay each time.

import { argon2 as argon2Callback, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../domain/types.ts';

const argon2 = promisify(argon2Callback);

type Cost = { readonly memory: number; readonly passes: number; readonly parallelism: number };
/** OWASP's first choice for argon2id: 19 MiB, two passes. */
const COST: Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const REMEMBER_MS = 5 * 60_000;
const AT_ONCE = 2;
const WAITING = 64;

async function derive(secret: string, salt: Uint8Array, cost: Cost): Promise<Buffer> {
  return argon2('argon2id', { message: Buffer.from(secret), nonce: salt, tagLength: 32, ...cost });
}

/** `argon2id$<m KiB>$<t>$<p>$<salt base64url>$<hash base64url>` */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(secret, salt, COST);
  const { memory, passes, parallelism } = COST;
  return ['argon2id', memory, passes, parallelism, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** False too when the stored hash is not one. */
export async function verifySecret(secret: string, stored: string): Promise<boolean> {
  const [kind, memory, passes, parallelism, salt, hash] = stored.split('$');
  if (kind !== 'argon2id' || salt === undefined || hash === undefined) return false;
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const expected = Buffer.from(hash, 'base64url');
  const derived = await derive(secret, Buffer.from(salt, 'base64url'), cost);
  return derived.length === expected.length && timingSafeEqual(derived, expected);
}

export type Login = { readonly name: string; readonly secretHash: string };
export type Authenticator = { verify(name: string, secret: string): Promise<boolean> };

/** `find` gives the login of a name; an unknown one costs the same work. */
export function createAuthenticator(deps: {
  readonly find: (name: string) => Promise<Login | null>;
  readonly clock: Pick<Clock, 'now'>;
}): Authenticator {
  const key = randomBytes(32);
  const good = new LRUCache<string, number>({ max: 1_000 });
  const waiting: (() => void)[] = [];
  let running = 0;
  let dummy: Promise<string> | null = null;

  async function turn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= AT_ONCE) {
      if (waiting.length >= WAITING) throw new Error('too many logins at once');
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  }

  return {
    verify: async (name, secret) => {
      const login = await deps.find(name);
      dummy ??= hashSecret(randomBytes(16).toString('hex'));
      const stored = login?.secretHash ?? (await dummy);
      // The stored hash is part of it: a changed or removed login is not remembered.
      const mark = createHmac('sha256', key)
        .update(JSON.stringify([name, secret, stored]))
        .digest('base64');
      if (login !== null && (good.get(mark) ?? 0) > deps.clock.now()) return true;
      const right = (await turn(() => verifySecret(secret, stored))) && login !== null;
      if (right) good.set(mark, deps.clock.now() + REMEMBER_MS);
      return right;
    },
  };
}
