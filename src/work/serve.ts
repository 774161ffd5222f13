// The other end of the pool, inside a worker: answers each job by the function of its name.

import { parentPort } from 'node:worker_threads';

/** Never lets an error's text out: it may quote what was read. */
export function serve(jobs: Readonly<Record<string, (input: never) => unknown>>): void {
  const port = parentPort;
  if (port === null) throw new Error('runs in a worker thread only');
  port.on('message', async ({ id, name, input }: { id: number; name: string; input: unknown }) => {
    try {
      const job = jobs[name];
      if (job === undefined) throw new Error('no such job');
      port.postMessage({ id, output: await job(input as never) });
    } catch (error) {
      port.postMessage({ id, error: codeOf(error) });
    }
  });
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
