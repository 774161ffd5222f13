import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPool, type Pool, type WorkError } from '../../../src/work/pool.ts';

const ENTRY = new URL('../../support/jobs.ts', import.meta.url);
const READABLE = [fileURLToPath(new URL('../../../', import.meta.url))];
/** Far beyond what a busy machine takes. */
const LONG = 60_000;

let pool: Pool;

beforeEach(() => {
  pool = createPool({
    entry: ENTRY,
    workers: 1,
    heap: 64 << 20,
    resident: 256 << 20,
    readable: READABLE,
    waiting: 10,
  });
});
afterEach(() => pool.close());

async function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: WorkError) => error.code,
  );
}

test('gives a job its answer', async () => {
  expect(await pool.run('double', 21, LONG)).toBe(42);
});

test('says that a job threw by its code, never by its text', async () => {
  const error = await pool.run('fail', 'secret', LONG).catch((e: WorkError) => e);
  expect(error).toMatchObject({ code: 'failed', message: 'EWHAT' });
});

test.each([
  ['hang', 'time'],
  ['exit', 'died'],
  ['abort', 'died'],
  // V8 ends it, or the watcher does, whichever comes first.
  ['heap', 'died|memory'],
  ['buffers', 'memory'],
])('a job that does %s is lost alone, for %s', async (name, expected) => {
  const bad = code(pool.run(name, null, name === 'hang' ? 300 : 20_000));
  const behind = pool.run('double', 1, LONG);
  expect(await bad).toMatch(new RegExp(`^(?:${expected})$`));
  expect(await behind).toBe(2);
  expect(await pool.run('double', 2, LONG)).toBe(4);
});

test.each(['read', 'write', 'spawn'])('a job may not %s outside what it is for', async (name) => {
  const error = await pool.run(name, null, LONG).catch((e: WorkError) => e);
  expect(error).toMatchObject({ code: 'failed', message: 'ERR_ACCESS_DENIED' });
});

test('a job sees nothing of our environment', async () => {
  process.env.SECRET_OF_TEST = 'x';
  const names = await pool.run<string[]>('environment', null, LONG);
  delete process.env.SECRET_OF_TEST;
  expect(names).not.toContain('SECRET_OF_TEST');
});

test('only the job that ended its worker is blamed, not one that was answered just before', async () => {
  for (let round = 0; round < 10; round++) {
    const before = Array.from({ length: 3 }, (_, i) => code(pool.run('double', i, LONG)));
    const guilty = code(pool.run('abort', null, LONG));
    const behind = Array.from({ length: 3 }, (_, i) => code(pool.run('double', i, LONG)));
    expect(await Promise.all([...before, ...behind])).toEqual(Array(6).fill('done'));
    expect(await guilty).toBe('died');
  }
});

test('what waits behind a slow job is done by another worker', async () => {
  const two = createPool({
    entry: ENTRY,
    workers: 2,
    heap: 64 << 20,
    resident: 256 << 20,
    readable: READABLE,
    waiting: 10,
  });
  try {
    const slow = code(two.run('hang', null, 5_000));
    const behind = await Promise.all(Array.from({ length: 8 }, (_, i) => two.run('double', i, LONG)));
    expect(behind).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    const first = await Promise.race([slow, two.run<number>('double', 21, LONG)]);
    expect(first).toBe(42);
    expect(await slow).toBe('time');
  } finally {
    await two.close();
  }
});

test('where each job is given alone, none is done twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-pool-'));
  const bounds = { workers: 1, heap: 64 << 20, resident: 256 << 20, waiting: 10 };
  const makers = createPool({ entry: ENTRY, readable: READABLE, writable: [folder], depth: 1, ...bounds });
  try {
    const path = join(folder, 'behind');
    const slow = makers.run('make', { path: join(folder, 'slow'), ms: 1_500 }, LONG);
    await makers.run('make', { path, ms: 0 }, LONG);
    await slow;
    // As of a variant that is not wanted any more: what is made again would stay for ever.
    rmSync(path);
    await makers.run('make', { path: join(folder, 'last'), ms: 0 }, LONG);
    expect(existsSync(path)).toBe(false);
  } finally {
    await makers.close();
    rmSync(folder, { recursive: true });
  }
});

test('refuses what waits beyond its bound', async () => {
  const all = Array.from({ length: 40 }, () => code(pool.run('double', 1, LONG)));
  const codes = await Promise.all(all);
  expect(codes.filter((c) => c === 'busy').length).toBe(40 - 10 - 8);
});
