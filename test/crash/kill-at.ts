// Loaded by `--import` into a gateway: counts what it does on its disk, with its store and on its sockets, and ends it by SIGKILL right
// before step KILL_AT. Counting begins with the next 250 for a message, or with SIGUSR2. Without KILL_AT it only counts; SIGUSR2 says how far.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

const last = Number(process.env.KILL_AT ?? 0);
let counted = -1;

function step(): void {
  if (counted < 0) return;
  counted += 1;
  if (counted === last) process.kill(process.pid, 'SIGKILL');
}

process.on('SIGUSR2', () => {
  process.stderr.write(`steps ${counted}\n`);
  counted = 0;
});

// biome-ignore lint/suspicious/noExplicitAny: whatever it takes, it is handed on.
type Any = any;

/** A step before it begins, and one before its caller is told. */
function around(name: 'writev' | 'fdatasync' | 'fsync' | 'unlink' | 'open'): void {
  const real = fs[name] as Any;
  (fs as Any)[name] = (...args: Any[]) => {
    step();
    const done = args.at(-1);
    if (typeof done !== 'function') return real(...args);
    return real(...args.slice(0, -1), (...came: Any[]) => {
      step();
      done(...came);
    });
  };
}
for (const name of ['writev', 'fdatasync', 'fsync', 'unlink', 'open'] as const) around(name);
syncBuiltinESMExports();

const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (this: Worker, ...args: Any[]) {
  step();
  return (postMessage as Any).apply(this, args);
};
const { emit } = Worker.prototype;
Worker.prototype.emit = function (this: Worker, event: Any, ...args: Any[]) {
  if (event === 'message') step();
  return (emit as Any).call(this, event, ...args);
};

const { write } = Socket.prototype;
Socket.prototype.write = function (this: Socket, ...args: Any[]) {
  step();
  const sent = (write as Any).apply(this, args);
  if (counted < 0 && String(args[0]).includes('Queued as')) counted = 0;
  return sent;
};
