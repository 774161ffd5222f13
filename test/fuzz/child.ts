// The process that tries inputs: `child.ts TARGET SEED FROM COUNT PROGRESS`, or `child.ts TARGET --input BASE64`. It writes the
// index of the present input into the file PROGRESS, so that who watches it knows which one it hangs in, and ends by
// printing a Report.

import { openSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { seeded } from '../support/random.ts';
import { mutated } from './mutate.ts';
import { numberOf, type Target } from './target.ts';

export type Failure = {
  /** -1 for an input that was given. */
  readonly index: number;
  readonly what: string;
  /** Base64, made smaller where that was possible. */
  readonly input: string;
};
export type Report = { readonly tried: number; readonly octets: number; readonly failure: Failure | null };

/** CPU that one input may take where its target says nothing else, microseconds. */
const LIMIT = 1_000_000;

export function inputOf(target: Target, name: string, seed: number, index: number): Buffer {
  const random = seeded(numberOf(Buffer.from(`${seed}/${name}/${index}`)));
  return target.make ? target.make(random) : mutated(random, target);
}

async function faultOf(target: Target, input: Buffer): Promise<string | null> {
  const before = process.cpuUsage();
  try {
    await target.check(input);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${frameOf(error)}` : String(error);
  }
  const { user, system } = process.cpuUsage(before);
  return user + system > (target.limit ?? LIMIT) ? `slow: ${Math.round((user + system) / 1_000)} ms` : null;
}

const frameOf = (error: Error): string => error.stack?.split('\n').slice(1, 7).join('\n') ?? '';

const TRIES = 400;

/** Pieces are taken out, large ones first, while it still fails. */
async function shrunk(target: Target, input: Buffer, what: string): Promise<Buffer> {
  const kind = what.slice(0, 12);
  let best = input;
  let tries = what.startsWith('slow') ? 20 : TRIES;
  for (let size = best.length >> 1; size >= 1 && tries > 0; ) {
    let smaller = false;
    for (let at = 0; at < best.length && tries > 0; at += size) {
      const one = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      tries -= 1;
      if (!(await faultOf(target, one))?.startsWith(kind)) continue;
      best = one;
      smaller = true;
      at -= size;
    }
    if (!smaller) size >>= 1;
  }
  return best;
}

function say(report: Report, code: number): void {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(code));
}

async function main([name = '', ...rest]: readonly string[]): Promise<void> {
  const target = await ((await import(`./targets/${name}.ts`)) as { open: () => Promise<Target> }).open();
  if (rest[0] === '--input') {
    const input = Buffer.from(rest[1] ?? '', 'base64');
    const what = await faultOf(target, input);
    const failure = what === null ? null : { index: -1, what, input: input.toString('base64') };
    return say({ tried: 1, octets: input.length, failure }, failure === null ? 0 : 1);
  }
  const [seed = 0, from = 0, count = 0] = rest.map(Number);
  const progress = openSync(rest[3] as string, 'r+');
  const mark = Buffer.alloc(4);
  let octets = 0;
  let index = from;
  let input: Buffer = Buffer.alloc(0);
  const failed = async (what: string): Promise<void> => {
    const smallest = await shrunk(target, input, what);
    const failure = { index, what, input: smallest.toString('base64') };
    say({ tried: index - from + 1, octets, failure }, 1);
  };
  // What is thrown behind the check's back is its fault all the same.
  process.on('uncaughtException', (error) => {
    const failure = { index, what: `uncaught ${error.stack}`, input: input.toString('base64') };
    say({ tried: index - from + 1, octets, failure }, 1);
  });
  for (; index < from + count; index++) {
    mark.writeUInt32LE(index);
    writeSync(progress, mark, 0, 4, 0);
    input = inputOf(target, name, seed, index);
    octets += input.length;
    const what = await faultOf(target, input);
    if (what !== null) return failed(what);
    if (index % 64 === 0) await turn();
  }
  await target.close?.();
  say({ tried: count, octets, failure: null }, 0);
}

if (import.meta.main) await main(process.argv.slice(2));
