// What every script that a person runs answers to `--help`, and to what it cannot take.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const SCRIPTS = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .map((path) => join('test', path))
  .filter((path) => /\breadOptions\(\{/.test(readFileSync(join(ROOT, path), 'utf8')))
  .sort();

type Ran = { readonly code: number; readonly out: string; readonly err: string };

function run(script: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((done) => {
    const child = execFile(NODE, [script, ...args], { cwd: ROOT, timeout: 25_000 }, (_, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

test('no script has its own way', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const named = Object.values<string>(scripts).flatMap((line) => /(?<=^node .*)\btest\/\S+\.ts$/.exec(line) ?? []);
  const readme = readFileSync(join(ROOT, 'test/README.md'), 'utf8').match(/(?<=\bnode )test\/[\w/]+\.ts/g) ?? [];
  expect(named.length).toBeGreaterThan(5);
  expect(readme.length).toBeGreaterThan(5);
  expect(SCRIPTS).toEqual(expect.arrayContaining([...named, ...readme]));
});

test.each(SCRIPTS)('%s --help', async (script) => {
  const [help, stray] = await Promise.all([run(script, '--help'), run(script, '--nonsense')]);
  expect(help).toMatchObject({ code: 0, err: '' });
  const parts = /^Usage: (.+) \[options\]\n\n(.+)\n\nOptions:\n(.+)\n\nExample:\n {2}\$ (.+)\n\nExit codes:\n(.+)\n$/s;
  const [, usage = '-', about = '', options = '', example = '', exits = ''] = parts.exec(help.out) ?? [];
  expect(about.split('\n\n')).toHaveLength(1);
  expect(about).toMatch(/\.$/);
  expect(example.startsWith(usage)).toBe(true);
  expect(exits).toMatch(/^ {2}0 {2}\S.*^ {2}2 {2}\S/ms);
  for (const [option] of example.matchAll(/(?<= )--\w[\w-]*/g)) expect(options).toContain(`${option} `);
  for (const line of options.split(/\n(?= +-)/)) if (line.includes('<N')) expect(line).toMatch(/default:/);
  expect(stray).toEqual({ code: 2, out: '', err: "error: unknown option '--nonsense'\n" });
});

test.each([
  [
    'test/crash/crash.ts',
    '--kills',
    'ten',
    "option '--kills <N>' argument 'ten' is invalid. It takes a whole number, 0 at least.",
  ],
  [
    'test/crash/crash.ts',
    '--kills',
    '1.5',
    "option '--kills <N>' argument '1.5' is invalid. It takes a whole number, 0 at least.",
  ],
  [
    'test/crash/crash.ts',
    '--kills',
    '',
    "option '--kills <N>' argument '' is invalid. It takes a whole number, 0 at least.",
  ],
  ['test/crash/crash.ts', '--drop', '2', "option '--drop <N>' argument '2' is invalid. It takes a number, 0 to 1."],
  [
    'test/load/soak.ts',
    '--months',
    '25',
    "option '--months <N>' argument '25' is invalid. It takes a whole number, 1 to 24.",
  ],
  [
    'test/real/real.ts',
    '--sink',
    'kitchen',
    "option '--sink <NAME>' argument 'kitchen' is invalid. Allowed choices are own, smtp-sink.",
  ],
  [
    'test/crash/power.ts',
    '--fs',
    'xfs,zfs',
    "option '--fs <NAMES>' argument 'xfs,zfs' is invalid. There are: xfs, ext4.",
  ],
])('%s %s %s', async (script, option, value, words) => {
  expect(await run(script, option, value)).toEqual({ code: 2, out: '', err: `error: ${words}\n` });
});

test('what belongs to no option', async () => {
  const words = 'error: too many arguments. Expected 0 arguments but got 1: 3.\n';
  expect(await run('test/shape.ts', '3')).toEqual({ code: 2, out: '', err: words });
});
