// What a message costs those who do other work beside it, however often its recipient asks for it.

import { createJobs } from '../../../src/portal/jobs.ts';
import type { Made } from '../../../src/store/bodies/made.ts';
import type { BodyHandle } from '../../../src/store/bodies/port.ts';
import type { Pool } from '../../../src/work/pool.ts';

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
  await Promise.all([render(body('a')), render(body('b')), attachment(body('a'), 1)]);
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
