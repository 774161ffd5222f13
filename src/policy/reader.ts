// What the parsers of a policy share: values taken apart with a problem said at the place where each is wrong.

import type { Source } from '../config/document.ts';
import { type ConfigProblem, didYouMean, type KeyPath, nearest } from '../config/problem.ts';

/** What gateway.yaml knows, to refuse names that can never match; absent when an old policy is replayed. */
export type Known = {
  readonly organizations?: readonly string[];
  readonly tags?: readonly string[];
  /** False: nobody could pick anything up. */
  readonly portal?: boolean;
};

export type Reader = {
  readonly source: Source;
  /** Text of each list file by the name that the policy gives it; null for one that cannot be read. */
  readonly lists: ReadonlyMap<string, string | null>;
  readonly known: Known;
  readonly problems: ConfigProblem[];
};

export function say(reader: Reader, path: KeyPath, message: string, at: 'key' | 'value' = 'value'): void {
  reader.problems.push(reader.source.problem(path, message, at));
}

/** The keys of a map; null, with problems said, when it is none. A key that is not allowed is a problem of its own. */
export function readMap(
  reader: Reader,
  value: unknown,
  path: KeyPath,
  allowed: readonly string[],
): Readonly<Record<string, unknown>> | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const wrong = value === undefined ? 'is missing' : value === null ? 'is empty' : 'must be a map of keys';
    say(reader, path, `${wrong}; keys here are ${allowed.join(', ')}`);
    return null;
  }
  for (const key of Object.keys(value)) {
    if (allowed.includes(key)) continue;
    const hint = nearest(key, allowed);
    const words =
      hint === null ? `unknown key; known here are ${allowed.join(', ')}` : `unknown key${didYouMean(hint)}`;
    say(reader, [...path, key], words, 'key');
  }
  return value as Record<string, unknown>;
}

export function readText(reader: Reader, value: unknown, path: KeyPath, what: string): string | null {
  if (typeof value === 'string' && value.trim() !== '') return value;
  if (value === undefined) say(reader, path, 'is missing');
  else if (typeof value === 'number') say(reader, path, `must be text; put it in quotes: "${value}"`);
  else say(reader, path, `must be ${what}`);
  return null;
}

/** One of the words; says what was probably meant. */
export function readWord<T extends string>(
  reader: Reader,
  value: unknown,
  path: KeyPath,
  words: readonly T[],
  what: string,
): T | null {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const hint = typeof value === 'string' ? nearest(value, words) : null;
  const written = typeof value === 'string' || typeof value === 'number' ? ` "${value}"` : '';
  say(reader, path, `unknown ${what}${written}${hint === null ? `; known are ${words.join(', ')}` : didYouMean(hint)}`);
  return null;
}

/** A text with the place it came from, in the policy or in a list file. */
export type Item = { readonly value: unknown; readonly wrong: (message: string) => void };

function linesOf(reader: Reader, name: string, path: KeyPath): Item[] {
  const text = reader.lists.get(name);
  if (text === null || text === undefined) {
    say(reader, path, `there is no list file ${name}, or it cannot be read`);
    return [];
  }
  return text.split(/\r?\n/).flatMap((line, index): Item[] => {
    const value = line.replace(/(^|\s)#.*$/, '').trim();
    const column = line.length - line.trimStart().length + 1;
    const wrong = (message: string) =>
      void reader.problems.push({ file: name, line: index + 1, column, path: '', message });
    return value === '' ? [] : [{ value, wrong }];
  });
}

/** `a`, `[a, b]`, `{file: list.txt}` or a list of both, flattened. An empty list is refused: it would never match. */
export function readItems(reader: Reader, value: unknown, path: KeyPath): Item[] {
  if (Array.isArray(value)) {
    if (value.length === 0) say(reader, path, 'must not be empty');
    return value.flatMap((one, index) => {
      if (!Array.isArray(one)) return readItems(reader, one, [...path, index]);
      say(reader, [...path, index], 'must not be a list inside a list');
      return [];
    });
  }
  if (value !== null && typeof value === 'object') {
    const map = readMap(reader, value, path, ['file']);
    const name = map && readText(reader, map.file, [...path, 'file'], 'the name of a file');
    return name === null ? [] : linesOf(reader, name, [...path, 'file']);
  }
  if (value === null || value === undefined) {
    say(reader, path, 'is empty; give it a value or remove the key');
    return [];
  }
  return [{ value, wrong: (message) => say(reader, path, message) }];
}

/** Every list file that a policy names, wherever it stands. */
export function listNames(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  const own = 'file' in value && typeof value.file === 'string' ? [value.file] : [];
  return [...own, ...Object.values(value).flatMap(listNames)];
}
