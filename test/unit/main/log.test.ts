import { setImmediate as turn } from 'node:timers/promises';
import { lineWriter } from '../../../src/main/log.ts';

function written() {
  const writes: string[] = [];
  return { writes, log: lineWriter({ write: (text) => void writes.push(text) }) };
}

test('lines of one turn leave in one write, in order', async () => {
  const { writes, log } = written();
  log.write('one\n');
  await Promise.resolve();
  log.write('two\n');
  expect(writes).toEqual([]);
  await turn();
  expect(writes).toEqual(['one\ntwo\n']);
  log.write('three\n');
  await turn();
  expect(writes).toEqual(['one\ntwo\n', 'three\n']);
});

test('many lines do not wait for the turn to end', async () => {
  const { writes, log } = written();
  for (let i = 0; i < 700; i++) log.write(`${'x'.repeat(99)}\n`);
  expect(writes.length).toBe(1);
  await turn();
  expect(writes.join('').length).toBe(70_000);
});

test('a process that ends says what it has still to say', () => {
  const { writes, log } = written();
  log.write('last\n');
  process.emit('exit', 0);
  expect(writes).toEqual(['last\n']);
});
