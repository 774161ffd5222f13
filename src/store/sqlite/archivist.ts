// The store's archivist: a thread that does one thing to a segment's file, says so, and ends.

import { parentPort, workerData } from 'node:worker_threads';
import type { ArchivistData, ArchivistSaid } from './calls/archive.ts';
import { eraseInSegment } from './segment-erase.ts';
import { writeSegment } from './segment-file.ts';

function done({ database, job }: ArchivistData): ArchivistSaid {
  if (job.kind === 'copy') return { done: writeSegment(database, job.what, job.now, job.cutoff) };
  eraseInSegment(database, job.name, job.what);
  return { done: null };
}

if (parentPort) {
  let said: ArchivistSaid;
  try {
    said = done(workerData as ArchivistData);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    said = { refused: code ?? message };
  }
  parentPort.postMessage(said);
}
