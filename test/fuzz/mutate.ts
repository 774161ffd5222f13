// Changed copies of valid inputs, so that most of them get past the first check of a parser. Drawn from the random that is
// given and nothing else: the same seed and index make the same input.

import type { Random } from '../../src/domain/types.ts';

export type Recipe = { readonly seeds: readonly Buffer[]; readonly tokens: readonly (string | Buffer)[] };

/** Octets; longer ones are cut. */
const LONGEST = 200_000;
const COMMON: readonly string[] = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '.',
  '\r\n.\r\n',
  '\xff',
  '\u00e9',
  '"',
  '\\',
  '<',
  '>',
];

export const below = (random: Random, n: number): number => Math.floor(random.fraction() * n);
export const oneOf = <T>(random: Random, all: readonly T[]): T => all[below(random, all.length)] as T;

/** A seed with none to many changes. */
export function mutated(random: Random, { seeds, tokens }: Recipe): Buffer {
  let input: Buffer = Buffer.from(oneOf(random, seeds));
  let changes = 0;
  while (random.fraction() < (changes < 2 ? 0.9 : 0.6) && changes < 40) {
    input = changed(random, input, { seeds, tokens });
    changes += 1;
  }
  return input.subarray(0, LONGEST);
}

function changed(random: Random, input: Buffer, { seeds, tokens }: Recipe): Buffer {
  const from = below(random, input.length + 1);
  const to = Math.min(input.length, from + lengthOf(random));
  const around = (middle: Buffer, end = from): Buffer =>
    Buffer.concat([input.subarray(0, from), middle, input.subarray(end)]);
  const token = (): Buffer => {
    const found = oneOf(random, random.fraction() < 0.75 && tokens.length > 0 ? tokens : COMMON);
    return typeof found === 'string' ? Buffer.from(found, 'latin1') : found;
  };
  switch (below(random, 14)) {
    case 0:
      return flipped(random, input);
    case 1:
    case 2:
    case 3:
      return around(token());
    case 4:
      return around(token(), to);
    case 5:
      return around(Buffer.alloc(0), to);
    case 6:
      return around(repeated(input.subarray(from, to), 2 + below(random, 8)), to);
    case 7:
      return input.subarray(0, from);
    case 8:
      return spliced(random, input, oneOf(random, seeds));
    case 9:
      return around(Buffer.from(random.bytes(1 + below(random, 8))));
    case 10:
      return withLines(random, input);
    case 11:
      return withNumber(random, input);
    case 12:
      return random.fraction() < 0.1 ? around(repeated(token(), longRun(random))) : around(token());
    default:
      return input.length < 40_000 && random.fraction() < 0.1
        ? repeated(input, 2 + below(random, 4))
        : around(input.subarray(to, to + lengthOf(random)));
  }
}

const lengthOf = (random: Random): number => (random.fraction() < 0.8 ? below(random, 12) : below(random, 400));
/** Beyond the bounds that parsers have: 64, 254, 998, 1,000, 2,048, 65,536. */
const longRun = (random: Random): number => oneOf(random, [63, 64, 65, 254, 255, 999, 1_001, 2_049, 9_000]);

function repeated(octets: Buffer, times: number): Buffer {
  const most = octets.length === 0 ? 0 : Math.min(times, Math.floor(LONGEST / octets.length));
  return Buffer.concat(Array.from({ length: most }, () => octets));
}

function flipped(random: Random, input: Buffer): Buffer {
  const copy = Buffer.from(input);
  for (let n = 1 + below(random, 4); n > 0 && copy.length > 0; n--) {
    const at = below(random, copy.length);
    copy[at] = (copy[at] as number) ^ (1 << below(random, 8));
  }
  return copy;
}

function spliced(random: Random, input: Buffer, other: Buffer): Buffer {
  const from = below(random, input.length + 1);
  const at = below(random, other.length + 1);
  const piece = random.fraction() < 0.5 ? other.subarray(at) : other.subarray(at, at + lengthOf(random));
  return Buffer.concat([
    input.subarray(0, from),
    piece,
    random.fraction() < 0.5 ? input.subarray(from) : Buffer.alloc(0),
  ]);
}

/** A line twice, gone, or in another place. */
function withLines(random: Random, input: Buffer): Buffer {
  const all = input.toString('latin1').split(/(?<=\n)/);
  const [line = ''] = all.splice(below(random, all.length), 1);
  for (let copies = below(random, 3); copies > 0; copies--) all.splice(below(random, all.length + 1), 0, line);
  return Buffer.from(all.join(''), 'latin1');
}

const NUMBERS = ['0', '-1', '1', '255', '256', '65536', '2147483648', '9007199254740993', '1e999', '0x10', '007', '٣'];

/** Another number in place of one. */
function withNumber(random: Random, input: Buffer): Buffer {
  const text = input.toString('latin1');
  const found = [...text.matchAll(/\d+/g)];
  if (found.length === 0) return input;
  const { 0: digits, index } = oneOf(random, found);
  const other = Buffer.from(oneOf(random, NUMBERS)).toString('latin1');
  return Buffer.from(`${text.slice(0, index)}${other}${text.slice(index + digits.length)}`, 'latin1');
}
