// The runner finds what it is for: targets that are wrong on purpose.

import { runTarget, saidOf } from './run.ts';

test('an input that breaks a promise is found, made small, and found again by its index', async () => {
  const { failure } = await runTarget('../broken/throws', 1, 1_000);
  expect(failure?.what).toMatch(/^Error: a Z\n/);
  expect(failure?.input).toBe(Buffer.from('Z').toString('base64'));
  const again = await runTarget('../broken/throws', 1, 1, failure!.index);
  expect(again.failure).toEqual(failure);
  expect(saidOf('throws', 1, failure!)).toContain(`--seed 1 --from ${failure!.index} --count 1`);
}, 60_000);

test('a hang is found and killed', async () => {
  const { failure } = await runTarget('../broken/hangs', 1, 1_000);
  expect(failure?.what).toMatch(/^hang/);
  expect(Buffer.from(failure!.input, 'base64').toString()).toContain('Z');
}, 60_000);

test('so is what grows', async () => {
  const { failure } = await runTarget('../broken/grows', 1, 10_000);
  expect(failure?.what).toMatch(/^memory: grown by \d+ MB/);
}, 60_000);
