// What people type, read: durations, times, addresses by stdin, yes or no.

import { readFile, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { parseDuration } from '../config/units.ts';
import { CliError, usage } from './errors.ts';

/** Milliseconds of `30m`, `4 hours`, `2d`. */
export function duration(text: string, option: string): number {
  // At a prompt `30m` means minutes; the configuration, read for years, insists on the word.
  const read = parseDuration(text.replace(/^(\d+)\s*m$/, '$1 minutes'));
  if (!read.ok) throw usage(`${option} ${read.wrong}`, 'write a number and a unit, such as 30m, 4h or 2d');
  return read.value;
}

/** A moment: `2026-11-01`, `2026-11-01T08:00Z` (UTC unless it says otherwise), or a duration before now. */
export function moment(text: string, option: string, now: number): number {
  if (/^\d+\s*[a-z]+$/i.test(text)) return now - duration(text, option);
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const at = /^\d{4}-\d\d-\d\d/.test(text)
    ? Date.parse(isDay || hasZone ? text : `${text.replace(' ', 'T')}Z`)
    : Number.NaN;
  if (Number.isNaN(at))
    throw usage(`${option}: not a time`, 'write 2026-11-01, 2026-11-01T08:00Z, or 2d for two days ago');
  return at;
}

/** One or more. */
export function wholeNumber(text: string, option: string): number {
  const number = Number(text);
  if (!(Number.isInteger(number) && number > 0)) throw usage(`${option}: a whole number is wanted`);
  return number;
}

let stdin: Promise<Buffer> | undefined;

/** Once: what came by stdin is one value. */
function readStdin(option: string): Promise<Buffer> {
  if (stdin !== undefined) throw usage(`${option}: only one value can come by stdin`);
  stdin = readAll();
  return stdin;
}

async function readAll(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 1048576) throw usage('stdin: longer than 1 MB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A file's octets, or those of stdin for `-`; `most` at most. */
export async function fileOctets(file: string, option: string, most: number): Promise<Buffer> {
  const tooLong = () => usage(`${option}: longer than ${most} octets`, 'give it in parts');
  if (file !== '-') {
    try {
      if ((await stat(file)).size > most) throw tooLong();
      return await readFile(file);
    } catch (error) {
      if (error instanceof CliError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      throw usage(`${file} cannot be read (${code ?? 'error'})`, 'name a file that is there and that you may read');
    }
  }
  const octets = await readStdin(option);
  if (octets.length > most) throw tooLong();
  return octets;
}

/** The value, or stdin's text for `-`: what stands in a command line is seen by every user of the machine. */
export async function fromStdin(value: string, option: string): Promise<string> {
  if (value !== '-') return value;
  const text = (await readStdin(option)).toString('utf8').trim();
  if (text === '' || text.includes('\n')) throw usage(`${option}: one line is wanted on stdin`);
  return text;
}

/** Asks on the terminal; without one, `yes` has to be said beforehand. */
export async function confirm(question: string, said: boolean | undefined): Promise<boolean> {
  if (said) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw usage(question, 'add --yes to do it, --dry-run to only see it');
  const asker = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await asker.question(`${question} [y/N] `)).trim());
  } finally {
    asker.close();
  }
}

/** Whether somebody sits at a terminal. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** A secret, typed without being shown, or the line that comes by stdin. Never by an argument, which others can see. */
export async function secretLine(question: string, option: string): Promise<string> {
  if (!canAsk()) {
    const text = (await readStdin(option)).toString('utf8').replace(/\r?\n$/, '');
    if (text === '' || /[\r\n]/.test(text)) throw usage(`${option}: one line is wanted on stdin`);
    return text;
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const asker = createInterface({ input: process.stdin, output: silent, terminal: true });
  process.stderr.write(`${question}: `);
  try {
    return await asker.question('');
  } finally {
    asker.close();
    process.stderr.write('\n');
  }
}
