import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogSync, openLogSync } from '../../../src/store/sqlite/log-sync.ts';

let folder: string;
let log: LogSync | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-log-'));
});
afterEach(async () => {
  await log?.close();
  log = undefined;
  rmSync(folder, { recursive: true });
});

function openFiles(path: string): number {
  const target = (fd: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  };
  return readdirSync('/proc/self/fd').filter((fd) => target(fd) === path).length;
}

test('each of the syncs under way has an open file of its own: of two that share one, the system tells only one of an error', async () => {
  const path = join(folder, 'log');
  writeFileSync(path, 'x');
  log = await openLogSync(path, () => {});
  expect(openFiles(path)).toBe(4);
  await log.close();
  expect(openFiles(path)).toBe(0);
});

test('answers come in the order of the calls, many more than are under way at once', async () => {
  const path = join(folder, 'log');
  writeFileSync(path, 'x');
  log = await openLogSync(path, () => {});
  const { after } = log;
  const order: number[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 50; i++) after(() => order.push(i));
    after(resolve);
  });
  expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

test('a log that cannot be synced is refused: a start acts on what a killed process left in it', async () => {
  await expect(openLogSync('/dev/null', () => {})).rejects.toMatchObject({ code: 'EINVAL' });
});
