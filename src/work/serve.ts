// The other end of the pool, inside a worker process: answers each job by the function of its name.

type Job = { readonly id: number; readonly name: string; readonly input: unknown };

/** Never lets an error's text out: it may quote what was read. */
export function serve(jobs: Readonly<Record<string, (input: never) => unknown>>): void {
  // `ready` proves that a worker starts and answers.
  const all: typeof jobs = { ready: () => true, ...jobs };
  // The gateway is gone: so is who wanted to know.
  process.on('disconnect', () => process.exit());
  let last = Promise.resolve();
  process.on('message', (given: readonly Job[]) => {
    // One after the other, each begun when the answer before it is out: a job that ends the process takes no other along.
    for (const job of given) last = last.then(async () => send(await answerTo(all, job)));
  });
}

function send(answer: object): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(answer, () => setImmediate(resolve));
  });
}

async function answerTo(jobs: Parameters<typeof serve>[0], { id, name, input }: Job): Promise<object> {
  try {
    const job = jobs[name];
    if (job === undefined) throw new Error('no such job');
    return { id, output: await job(input as never) };
  } catch (error) {
    return { id, error: codeOf(error) };
  }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
