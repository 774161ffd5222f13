// What a message costs those who do other work beside it, however often its recipient asks for it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../../../src/domain/ids.ts';
import { giveBack } from '../../../src/portal/ending.ts';
import { createJobs } from '../../../src/portal/jobs.ts';
import { type Made, type MadeHandle, openMade } from '../../../src/store/bodies/made.ts';
import type { BodyHandle } from '../../../src/store/bodies/port.ts';
import { writeMade } from '../../../src/store/bodies/write-made.ts';
import type { Pool } from '../../../src/work/pool.ts';
import { random } from '../../support/vault.ts';

const ANN = 'ann@there.test' as Address;
const BOB = 'bob@there.test' as Address;
const body = (object: string) => ({ object, organization: 'clinic', length: 1 }) as unknown as BodyHandle;

function jobs(answer: () => Promise<unknown>) {
  const asked: string[] = [];
  const run = async (name: string, { object }: BodyHandle) => {
    asked.push(`${name} ${object}`);
    return answer();
  };
  return { asked, ...createJobs({ run } as unknown as Pool, {} as Made) };
}

test('a message that is asked for many times at once is rendered once, then anew', async () => {
  const { asked, render, attachment } = jobs(async () => ({ attachments: [] }));
  await Promise.all(Array.from({ length: 50 }, () => render(body('a'))));
  expect(asked).toEqual(['render a']);
  await Promise.all([render(body('a')), render(body('b')), attachment(body('a'), 1, ANN)]);
  expect(asked).toEqual(['render a', 'render a', 'render b']);
});

test('one that fails is tried again by the next', async () => {
  let fails = true;
  const { asked, render } = jobs(async () => {
    if (fails) throw new Error('no');
    return {};
  });
  const all = await Promise.allSettled([render(body('a')), render(body('a'))]);
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fails = false;
  await render(body('a'));
  expect(asked).toHaveLength(2);
});

/** Attachments of 200,000 octets, where there may be 300,000 of what is made. */
async function withMade(work: (made: Made, jobs: ReturnType<typeof createJobs>) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-jobs-'));
  const made = await openMade({ dir: join(folder, 'made'), random, bound: 300_000 });
  const attachments = [{ part: 1, name: 'a', type: 'x/y', size: 1 }];
  const run = async (name: string, input: { readonly out: MadeHandle }) =>
    name === 'render' ? { attachments } : writeMade(input.out, [Buffer.alloc(200_000)]);
  try {
    await work(made, createJobs({ run } as unknown as Pool, made));
  } finally {
    await made.close();
    rmSync(folder, { recursive: true });
  }
}

test('who does not read what they ask for keeps themselves waiting, no other recipient and no delivery', async () => {
  await withMade(async (made, { attachment }) => {
    const slow = (await attachment(body('a'), 1, ANN))!.body;
    await expect(attachment(body('b'), 1, ANN)).rejects.toMatchObject({ code: 'busy' });
    await giveBack((await attachment(body('b'), 1, BOB))!.body);
    const wish = { use: 'delivery', name: 'variant', organization: 'clinic', expected: 150_000 } as const;
    await (await made.take(wish, (out) => writeMade(out, [Buffer.alloc(150_000)]))).release(true);
    await giveBack(slow);
    await giveBack((await attachment(body('b'), 1, ANN))!.body);
  });
});

test.each<[string, (chunks: AsyncIterable<Uint8Array>) => Promise<void>]>([
  ['nobody began to read', giveBack],
  [
    'was read to its end',
    async (chunks) => {
      for await (const _ of chunks);
    },
  ],
  [
    'was left in the middle',
    async (chunks) => {
      for await (const _ of chunks) break;
    },
  ],
])('an attachment that %s takes the place of no other', async (_, take) => {
  await withMade(async (_made, { attachment }) => {
    for (const object of ['a', 'b', 'c']) await take((await attachment(body(object), 1, ANN))!.body);
  });
});
