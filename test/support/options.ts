// What a script that a person runs says of itself and takes: `--help` prints one paragraph, the options with their defaults, an example and
// the exit codes; what it cannot take is one line, and exit code 2.

import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';

/** An option: made under the name that is typed, and its value where it is not given. */
type Kind<T> = { readonly make: (flag: string) => Option; readonly absent: T };

export type Script<T> = {
  /** How it is started: `npm run crash --`. */
  readonly usage: string;
  readonly about: string;
  /** By name: `slowSync` is typed `--slow-sync`. None begins with `no`, which commander takes for the opposite of another. */
  readonly options: { readonly [K in keyof T]: Kind<T[K]> };
  readonly example: string;
  /** What 0 and 1 mean; 2 is the same for all. */
  readonly exits: { readonly 0: string; readonly 1?: string };
};

/** The options of this process, or its end: with 0 after `--help`, with 2 after what cannot be taken. */
export function readOptions<T extends object>({ usage, about, options, example, exits }: Script<T>): T {
  const kinds = Object.entries<Kind<unknown>>(options);
  const command = new Command(usage)
    .description(about)
    .showSuggestionAfterError(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  for (const [name, { make }] of kinds) command.addOption(make(`--${typed(name)}`));
  const ends = Object.entries({ ...exits, 2: 'it cannot do what was asked, or a program is missing' });
  command.addHelpText('after', `\nExample:\n  $ ${example}\n\nExit codes:`);
  for (const [code, meaning] of ends) command.addHelpText('after', `  ${code}  ${meaning}`);
  const absent = Object.fromEntries(kinds.map(([name, kind]) => [name, kind.absent]));
  return { ...absent, ...command.parse().opts() } as T;
}

export function flag(words: string): Kind<boolean> {
  return { make: (name) => new Option(name, words), absent: false };
}

export function text(value: string, words: string): Kind<string | undefined> {
  return { make: (name) => new Option(`${name} <${value}>`, words), absent: undefined };
}

/** `least` and `most` are taken too. */
type Range = { readonly least?: number; readonly most?: number | undefined };

export function whole(absent: number, words: string, { least = 1, most }: Range = {}): Kind<number> {
  return number(absent, words, { least, most }, 'a whole number');
}

/** Of one: 0 to 1. */
export function share(absent: number, words: string): Kind<number> {
  return number(absent, words, { least: 0, most: 1 }, 'a number');
}

/** What makes a run the same again; without it each is another. */
export function randomSeed(): Kind<number> {
  const absent = randomInt(2 ** 31);
  const { make } = whole(absent, 'of what is left to chance: the same seed, the same choices', { least: 0 });
  return { make: (name) => make(name).default(absent, 'another each time'), absent };
}

export function oneOf<T extends string>(all: readonly T[], absent: T, words: string): Kind<T> {
  return { make: (name) => new Option(`${name} <NAME>`, words).choices(all).default(absent), absent };
}

/** Names with commas between them. */
export function someOf<T extends string>(all: readonly T[], absent: readonly T[], words: string): Kind<readonly T[]> {
  const read = (given: string): T[] => {
    const names = given.split(',');
    const stray = names.find((one) => !all.includes(one as T));
    if (stray !== undefined) throw new InvalidArgumentError(`There are: ${all.join(', ')}.`);
    return names as T[];
  };
  const said = absent.length === all.length ? 'all' : absent.join(',');
  return {
    make: (name) =>
      new Option(`${name} <NAMES>`, `${words}: some of ${all.join(',')}`).default(absent, said).argParser(read),
    absent,
  };
}

function number(absent: number, words: string, { least = 0, most }: Range, what: string): Kind<number> {
  const range = most === undefined ? `${least} at least` : `${least} to ${most}`;
  const isOne = what === 'a number' ? Number.isFinite : Number.isSafeInteger;
  const read = (given: string): number => {
    const value = given.trim() === '' ? Number.NaN : Number(given);
    if (isOne(value) && value >= least && value <= (most ?? value)) return value;
    throw new InvalidArgumentError(`It takes ${what}, ${range}.`);
  };
  return { make: (name) => new Option(`${name} <N>`, words).default(absent).argParser(read), absent };
}

function typed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
