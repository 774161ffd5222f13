// Jobs that misbehave, for the pool's tests.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { serve } from '../../src/work/serve.ts';

serve({
  double: (n: number) => n * 2,
  fail: (text: string) => {
    throw Object.assign(new Error(text), { code: 'EWHAT' });
  },
  hang: () => {
    for (;;);
  },
  exit: () => process.exit(3),
  abort: () => process.abort(),
  read: () => readFileSync('/etc/passwd'),
  write: () => writeFileSync(`${import.meta.filename}.written`, ''),
  /** Busy so long, then there is such a file. */
  make: ({ path, ms }: { path: string; ms: number }) => {
    for (const end = performance.now() + ms; performance.now() < end; );
    writeFileSync(path, '', { flag: 'wx' });
  },
  spawn: () => execFileSync('true'),
  environment: () => Object.keys(process.env),
  heap: () => {
    const all: string[][] = [];
    for (;;) all.push(Array.from({ length: 10_000 }, (_, i) => `${i}${all.length}`));
  },
  buffers: () => {
    const all: Buffer[] = [];
    for (;;) {
      all.push(Buffer.alloc(8 << 20, 1));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  },
});
