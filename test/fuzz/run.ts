// Runs a target in a process of its own and watches it: an input that takes too long is found and the process killed, as is
// one that grows beyond its bound. CPU is what counts, so that a busy machine makes nothing fail.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Failure, inputOf, type Report } from './child.ts';
import type { Target } from './target.ts';

const NODE = join(import.meta.dirname, '../../node_modules/.bin/node');
const CHILD = join(import.meta.dirname, 'child.ts');
/** MB of heap, and MB by which the process may grow beyond what it has when the first input begins. */
const HEAP = 256;
const GROWTH = 450;
/** CPU of an input that will not end, seconds: the child itself says so of what takes less than this and more than it may. */
const HANG = 8;
/** Ticks of /proc a second. */
const TICKS = 100;
/** Without CPU: something that it waits for never comes. */
const STILL_MS = 30_000;

export const targetNames = (): string[] =>
  readdirSync(join(import.meta.dirname, 'targets'))
    .map((file) => file.replace(/\.ts$/, ''))
    .sort();

export type Outcome = Report & { readonly growth: number };

export async function runTarget(name: string, seed: number, count: number, from = 0): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-fuzz-'));
  const progress = join(folder, 'progress');
  writeFileSync(progress, Buffer.alloc(4, 0xff));
  const flags = [`--max-old-space-size=${HEAP}`, '--disable-warning=ExperimentalWarning'];
  const child = spawn(NODE, [...flags, CHILD, name, `${seed}`, `${from}`, `${count}`, progress], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err = `${err}${chunk}`.slice(-4_000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const watch = watcher(child.pid as number, progress);
  const timer = setInterval(() => {
    if (watch.look() !== null) child.kill('SIGKILL');
  }, 50);
  await ended;
  clearInterval(timer);
  rmSync(folder, { recursive: true, force: true });
  const what = watch.fault();
  const report = /^\{.*\}$/m.exec(out)?.[0];
  if (what === null && report !== undefined) return { ...(JSON.parse(report) as Report), growth: watch.growth() };
  const index = watch.index();
  const failure: Failure = {
    index,
    what: what ?? `the process ended without a word\n${err}`,
    input: await inputText(name, seed, index),
  };
  return { tried: Math.max(0, index - from), octets: 0, failure, growth: watch.growth() };
}

async function inputText(name: string, seed: number, index: number): Promise<string> {
  if (index < 0) return '';
  const target = await ((await import(`./targets/${name}.ts`)) as { open: () => Promise<Target> }).open();
  const input = inputOf(target, name, seed, index);
  await target.close?.();
  return input.toString('base64');
}

function watcher(pid: number, progress: string) {
  let index = -1;
  let since = { cpu: 0, at: Date.now() };
  let base = 0;
  let peak = 0;
  let fault: string | null = null;
  const look = (): string | null => {
    const now = usage(pid);
    if (now === null || fault !== null) return fault;
    const seen = readFileSync(progress).readInt32LE(0);
    if (seen !== index) {
      if (index < 0) base = now.rss;
      index = seen;
      since = { cpu: now.cpu, at: Date.now() };
    }
    if (index < 0) return null;
    peak = Math.max(peak, now.rss);
    if ((now.cpu - since.cpu) / TICKS > HANG) fault = `hang: more than ${HANG} seconds of CPU`;
    else if (Date.now() - since.at > STILL_MS) fault = 'hang: it waits for what never comes';
    else if (now.rss - base > GROWTH * 1_048_576)
      fault = `memory: grown by ${Math.round((now.rss - base) / 1_048_576)} MB`;
    return fault;
  };
  return {
    look,
    fault: () => fault,
    index: () => index,
    growth: () => Math.max(0, peak - base),
  };
}

function usage(pid: number): { readonly cpu: number; readonly rss: number } | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
      .map(Number);
    return { cpu: (fields[11] ?? 0) + (fields[12] ?? 0), rss: (fields[21] ?? 0) * 4_096 };
  } catch {
    return null;
  }
}

/** Characters of a line that one would still copy. */
const LINE = 1_500;

/** What broke, and the commands that repeat it. */
export function saidOf(name: string, seed: number, { what, index, input }: Failure): string {
  const again = `npm run fuzz -- --only ${name} --seed ${seed} --from ${index} --count 1`;
  const smallest = `npm run fuzz -- --only ${name} --input ${input}`;
  return `${what}\n  seed ${seed}, index ${index}: ${again}${input.length > LINE ? '' : `\n  made smaller where possible: ${smallest}`}`;
}
