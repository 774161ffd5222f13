// Where log lines go: standard output. What is said in one turn of the event loop leaves in one write; a line by itself would
// cost a system call, several for each message. A process that is killed loses the lines of its last turn: what must be
// known afterwards stands in the audit.

import { pino } from 'pino';

/** Characters of lines that wait at most. */
const MOST = 65_536;

export function lineWriter(out: { write(text: string): void } = pino.destination({ dest: 1, sync: true })): {
  write(line: string): void;
} {
  let waiting = '';
  const flush = () => {
    if (waiting === '') return;
    const text = waiting;
    waiting = '';
    out.write(text);
  };
  process.on('exit', flush);
  return {
    write(line) {
      if (waiting === '') setImmediate(flush);
      waiting += line;
      if (waiting.length > MOST) flush();
    },
  };
}
