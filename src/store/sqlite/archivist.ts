// The store's archivist: a thread that copies one closed month into a segment, says what it copied, and ends.

import { parentPort, workerData } from 'node:worker_threads';
import type { Closable } from './calls/archive.ts';
import { writeSegment } from './segment-file.ts';

export type ArchivistData = {
  readonly database: string;
  readonly what: Closable;
  readonly now: number;
  readonly cutoff: number;
};

if (parentPort) {
  const { database, what, now, cutoff } = workerData as ArchivistData;
  try {
    parentPort.postMessage({ copied: writeSegment(database, what, now, cutoff) });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    parentPort.postMessage({ refused: code ?? message });
  }
}
