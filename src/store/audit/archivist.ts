// Runs one job of the store's archivist, in a thread of its own that ends with it.

import { Worker } from 'node:worker_threads';
import type { ArchivistData, ArchivistSaid, Copied } from '../sqlite/calls/archive.ts';

/** Rejects with what went wrong; when `stop` is aborted it ends the thread, and what was half made is made anew. */
export async function runArchivist(data: ArchivistData, stop?: AbortSignal): Promise<Copied | null> {
  const worker = new Worker(new URL('../sqlite/archivist.ts', import.meta.url), {
    workerData: data,
    name: 'store archivist',
  });
  const end = () => void worker.terminate();
  stop?.addEventListener('abort', end, { once: true });
  if (stop?.aborted) end();
  const said = await new Promise<ArchivistSaid>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the archivist ended')));
  });
  stop?.removeEventListener('abort', end);
  if ('refused' in said) {
    const words = data.job.kind === 'copy' ? 'a month was not closed' : 'a segment was not erased';
    throw Object.assign(new Error(`${words}: ${said.refused}`), { code: said.refused });
  }
  return said.done;
}
