// The other end of the pool, inside a worker process: answers each job by the function of its name.

/** Never lets an error's text out: it may quote what was read. */
export function serve(jobs: Readonly<Record<string, (input: never) => unknown>>): void {
  const answer = (message: object): void => {
    // The gateway is gone: so is who wanted to know.
    process.send?.(message, () => {});
  };
  // `ready` proves that a worker starts and answers.
  const all: typeof jobs = { ready: () => true, ...jobs };
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, name, input }: { id: number; name: string; input: unknown }) => {
    try {
      const job = all[name];
      if (job === undefined) throw new Error('no such job');
      answer({ id, output: await job(input as never) });
    } catch (error) {
      answer({ id, error: codeOf(error) });
    }
  });
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
