// An examiner that a header field of the message can end (its exit, an abort as by a native fault, 2 GB of Buffers) or keep busy.

import { examine } from '../../../src/dlp/examine.ts';
import { readSealed } from '../../../src/store/bodies/read.ts';
import { serve } from '../../../src/work/serve.ts';
import type { ExamineInput } from '../../../src/worker.ts';

const PIECE = 16 * 1024 * 1024;
const PIECES = 128;
const STALL_MS = 5_000;

const faults: Readonly<Record<string, () => void>> = {
  exit: () => process.exit(1),
  abort: () => process.abort(),
  // Not for ever: nobody ends it when the gateway itself was killed.
  stall: () => {
    for (const end = performance.now() + STALL_MS; performance.now() < end; );
  },
  buffers: () => {
    const kept: Buffer[] = [];
    for (let i = 0; i < PIECES; i++) kept.push(Buffer.alloc(PIECE, 1));
    if (kept.length === PIECES) throw new Error('nobody stopped it');
  },
};

serve({
  examine: ({ body, subjectTags }: ExamineInput) => {
    const chunks = [...readSealed(body)];
    const fault = /^X-Fault: (\w+)/m.exec(Buffer.concat(chunks).toString('latin1', 0, 2000))?.[1];
    if (fault !== undefined) faults[fault]?.();
    return examine(chunks, { subjectTags });
  },
});
