// What a fuzz target is: where its inputs come from and what must hold for each of them. A file of targets/ exports `open`.

import type { Random } from '../../src/domain/types.ts';

export type Target = {
  /** Valid inputs, which are changed. */
  readonly seeds: readonly Buffer[];
  /** What this grammar gives a meaning to. */
  readonly tokens: readonly (string | Buffer)[];
  /** Instead of the common changes, for inputs with an inner structure. */
  readonly make?: (random: Random) => Buffer;
  /** Throws when something does not hold that must. Depends on the input alone. */
  readonly check: (input: Buffer) => void | Promise<void>;
  /** CPU that one input may take, microseconds; default a second. */
  readonly limit?: number;
  readonly close?: () => Promise<void>;
};

export function claim(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Error(words);
}

export const octets = (text: string): Buffer => Buffer.from(text, 'latin1');
/** Lines joined by CR LF, each with one. */
export const lines = (...all: readonly string[]): Buffer => Buffer.from(all.map((line) => `${line}\r\n`).join(''));

/** A number of an input that any change of it changes, to draw from where a check has a choice. */
export function numberOf(input: Buffer): number {
  let hash = 0x811c9dc5;
  for (const octet of input) hash = Math.imul(hash ^ octet, 0x01000193);
  return hash >>> 0;
}

/** The input in pieces of sizes that only depend on `number`, 1 to `largest` octets each. */
export function* pieces(input: Buffer, number: number, largest: number): Generator<Buffer, void, void> {
  let state = number | 1;
  for (let at = 0; at < input.length; ) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    const size = 1 + ((state >>> 8) % largest);
    // A copy: whoever is given it may change it.
    yield Buffer.from(input.subarray(at, at + size));
    at += size;
  }
}

/** The first bare CR, bare LF or NUL, or null. */
export function bareIn(text: string): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  const found = /\r(?!\n)|(?<!\r)\n|\x00/.exec(text);
  return found === null ? null : JSON.stringify(text.slice(Math.max(0, found.index - 20), found.index + 20));
}

/** What may enter as mail data: bare line ends become CR LF, NUL goes (the listener refuses all of them). */
export function asMailData(input: Buffer): Buffer {
  const text = input.toString('latin1').replaceAll('\0', '');
  return Buffer.from(text.replace(/\r\n|\r|\n/g, '\r\n'), 'latin1');
}
