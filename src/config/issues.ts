// zod's issues → problems with a place in the file and words that an administrator reads.

import type { z } from 'zod';
import type { Source } from './document.ts';
import { type ConfigProblem, didYouMean, type KeyPath, nearest, orList } from './problem.ts';

/** Keys that stand at a path of the schema; null where any key may. */
export type KeysAt = (path: KeyPath) => readonly string[] | null;

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  object: 'must be a map of keys',
  record: 'must be a map of keys',
  array: 'must be a list, written as [a, b] or as lines that begin with "- "',
  string: 'must be text',
  int: 'must be a whole number',
  number: 'must be a whole number',
};

function valueAt(value: unknown, path: KeyPath): unknown {
  let here = value;
  for (const step of path) here = (here as Record<string | number, unknown> | null | undefined)?.[step];
  return here;
}

function quoted(value: unknown): string {
  return typeof value === 'object' ? '' : `, not ${JSON.stringify(value)}`;
}

function ofType(issue: Extract<Issue, { code: 'invalid_type' }>, value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty; give it a value or remove the key';
  const words = KINDS[issue.expected] ?? `must be ${issue.expected}`;
  if (issue.expected === 'string' && typeof value === 'number') return `must be text; put it in quotes: "${value}"`;
  if (typeof value === 'string' && /^\d+$/.test(value) && words === KINDS.int) return `${words}, without quotes`;
  return `${words}${quoted(value)}`;
}

function ofWord(issue: Extract<Issue, { code: 'invalid_value' }>, value: unknown): string {
  const words = issue.values.map(String);
  if (value === undefined) return `is missing; it must be ${orList(words)}`;
  if (value === null) return `is empty; it must be ${orList(words)}`;
  if (typeof value === 'number' && words.includes(String(value))) return `must be text; put it in quotes: "${value}"`;
  const hint = typeof value === 'string' ? nearest(value, words) : null;
  return `must be ${orList(words)}${quoted(value)}${didYouMean(hint)}`;
}

function unknownKey(key: string, known: readonly string[] | null): string {
  const hint = nearest(key, known ?? []);
  if (hint !== null) return `unknown key${didYouMean(hint)}`;
  return known === null ? 'unknown key' : `unknown key; known here are ${known.join(', ')}`;
}

function wordsOf(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return ofType(issue, value);
    case 'invalid_value':
      return ofWord(issue, value);
    case 'too_small':
      return issue.origin === 'array' ? 'must not be empty' : `must be at least ${issue.minimum}, not ${value}`;
    case 'too_big':
      return `must be at most ${issue.maximum}, not ${value}`;
    case 'invalid_key':
      return issue.issues[0]?.code === 'custom'
        ? issue.issues[0].message
        : 'must be up to 32 lower-case letters, digits, spaces, hyphens and underscores';
    default:
      return issue.message;
  }
}

/** The problems of one file, unsorted. */
export function problemsOf(issues: readonly Issue[], source: Source, keysAt: KeysAt): ConfigProblem[] {
  return issues.flatMap((issue): ConfigProblem[] => {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(path);
      return issue.keys.map((key) => source.problem([...path, key], unknownKey(key, known), 'key'));
    }
    const value = valueAt(source.value, path);
    const message = wordsOf(issue, value);
    return [source.problem(path, message, issue.code === 'invalid_key' ? 'key' : 'value')];
  });
}
