// What can be made again: what is not in use goes first, and nothing is begun while all that may be here is in use.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Made, type MadeBody, type MadeUse, openMade } from '../../../src/store/bodies/made.ts';
import { writeMade } from '../../../src/store/bodies/write-made.ts';
import { random } from '../../support/vault.ts';

const KB = 1024;
let folder: string;
let made: Made;
let makings: string[];
beforeEach(async () => {
  makings = [];
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-made-'));
  made = await openMade({ dir: join(folder, 'made'), random, bound: 100 * KB });
});
afterEach(async () => {
  await made.close();
  rmSync(folder, { recursive: true });
});

const take = (name: string, size: number, use: MadeUse = 'delivery', reader = name): Promise<MadeBody> =>
  made.take({ use, name, organization: 'clinic', expected: size, reader }, (handle) => {
    makings.push(name);
    return writeMade(handle, [Buffer.alloc(size)]);
  });
const files = () => readdirSync(made.dir).length;

test('one that is begun below the bound may go beyond; above it none is begun, and who waits gets in when one is given back', async () => {
  const a = await take('a', 90 * KB);
  const b = await take('b', 300 * KB);
  await expect(take('c', 1)).rejects.toMatchObject({ code: 'busy' });
  const again = await take('b', 300 * KB);
  await again.release(false);
  expect(makings).toEqual(['a', 'b']);
  await b.release(false);
  expect(files()).toBe(1);
  await a.release(false);
  const c = await take('c', 1);
  await c.release(true);
  expect(makings).toEqual(['a', 'b', 'c']);
});

test('what is being made counts as it is expected; one that fails leaves nothing', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const making = made.take({ use: 'delivery', name: 'a', organization: 'clinic', expected: 200 * KB }, () => promise);
  await expect(take('b', 1)).rejects.toMatchObject({ code: 'busy' });
  reject(new Error('its maker was lost'));
  await expect(making).rejects.toThrow('its maker was lost');
  await (await take('b', 1)).release(true);
  expect(files()).toBe(0);
});

test('what is not in use stays until its place is needed, the oldest goes first', async () => {
  for (const name of ['a', 'b', 'c']) await (await take(name, 30 * KB)).release(false);
  expect(files()).toBe(3);
  await (await take('a', 30 * KB)).release(false);
  const d = await take('d', 30 * KB);
  await d.release(false);
  await (await take('a', 30 * KB)).release(false);
  expect(makings).toEqual(['a', 'b', 'c', 'd']);
  await (await take('b', 30 * KB)).release(false);
  expect(makings).toEqual(['a', 'b', 'c', 'd', 'b']);
});

test('downloads that are read slowly keep no delivery waiting: they have half, and deliveries theirs', async () => {
  const downloads = [await take('a', 40 * KB, 'download'), await take('b', 90 * KB, 'download')];
  await expect(take('c', 1, 'download')).rejects.toMatchObject({ code: 'busy' });
  const sent = await take('m', 60 * KB);
  await expect(take('n', 1)).rejects.toMatchObject({ code: 'busy' });
  for (const one of downloads) await one.release(false);
  await sent.release(true);
  await (await take('a', 40 * KB, 'download')).release(false);
  // Deliveries that have more than half leave no room for downloads beyond the whole.
  const all = [await take('n', 99 * KB), await take('o', 99 * KB)];
  await expect(take('d', 1, 'download')).rejects.toMatchObject({ code: 'busy' });
  for (const one of all) await one.release(true);
});

test('downloads that lie there from before take no more of it than those that are made', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await (await take(name, 15 * KB, 'download')).release(false);
  const held = await Promise.all(names.slice(0, 4).map((name) => take(name, 15 * KB, 'download')));
  await expect(take('e', 15 * KB, 'download')).rejects.toMatchObject({ code: 'busy' });
  held.push(await take('a', 15 * KB, 'download'));
  expect(makings).toEqual(names);
  for (const one of held) await one.release(false);
  await (await take('e', 15 * KB, 'download')).release(false);
});

test('one reader, however large what they take, leaves the others theirs', async () => {
  const large = await take('a', 90 * KB, 'download', 'slow');
  await expect(take('b', 1 * KB, 'download', 'slow')).rejects.toMatchObject({ code: 'busy' });
  // What they read already may be read twice.
  await (await take('a', 90 * KB, 'download', 'slow')).release(false);
  const others = [await take('c', 5 * KB, 'download', 'other'), await take('d', 4 * KB, 'download', 'other')];
  await expect(take('e', 4 * KB, 'download', 'other')).rejects.toMatchObject({ code: 'busy' });
  await (await take('m', 60 * KB)).release(true);
  for (const one of [large, ...others]) await one.release(false);
  await (await take('b', 1 * KB, 'download', 'slow')).release(false);
});
