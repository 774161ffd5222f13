// A policy file → rules and tests, or every problem in it with file, line, column and key. Reads nothing but the texts it
// is given, so that `explain` can replay a policy of last year from the store. Whether the rules are wise is check.ts's.

import { createHash } from 'node:crypto';
import { readYaml } from '../config/document.ts';
import { type ConfigProblem, type KeyPath, sortedProblems } from '../config/problem.ts';
import { parseAction } from './parse-action.ts';
import { parseCondition } from './parse-condition.ts';
import { parseTest } from './parse-test.ts';
import { type Known, listNames, type Reader, readMap, readText, say } from './reader.ts';
import type { Policy, PolicyFile, Rule } from './rule.ts';

export type Parsed =
  | { readonly ok: true; readonly policy: Policy; readonly problem: Reader['source']['problem'] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Names of the list files that a policy text asks for; none when it is not well-formed. */
export function listsOf(file: PolicyFile): readonly string[] {
  const yaml = readYaml(file.name, file.text);
  return yaml.ok ? [...new Set(listNames(yaml.source.value))] : [];
}

/** 16 hex of SHA-256 over names and texts of the files, in order. */
export function policyVersion(files: readonly PolicyFile[]): string {
  const hash = createHash('sha256');
  for (const { name, text } of files) hash.update(`${name}\0${Buffer.byteLength(text)}\0`).update(text);
  return hash.digest('hex').slice(0, 16);
}

/** The first file is the policy, the others are its lists. `shown` is the policy's name in messages. */
export function parsePolicy(files: readonly PolicyFile[], known: Known = {}, shown = files[0]?.name ?? ''): Parsed {
  const [main, ...others] = files;
  const yaml = readYaml(shown, main?.text ?? '');
  if (!yaml.ok) return yaml;
  const lists = new Map(others.map((file) => [file.name, file.text]));
  const reader: Reader = { source: yaml.source, lists, known, problems: [] };
  const map = readMap(reader, yaml.source.value, [], ['version', 'rules', 'tests']);
  if (map && map.version !== 1)
    say(reader, ['version'], map.version === undefined ? 'is missing; write version: 1' : 'must be 1');
  const rules = map ? parseRules(reader, map.rules) : [];
  const tests = map && map.tests !== undefined ? listAt(reader, map.tests, ['tests'], parseTest) : [];
  if (reader.problems.length > 0) return { ok: false, problems: sortedProblems(reader.problems) };
  const policy: Policy = { version: policyVersion(files), rules, tests, files };
  return { ok: true, policy, problem: yaml.source.problem };
}

function listAt<T>(
  reader: Reader,
  value: unknown,
  path: KeyPath,
  parse: (reader: Reader, value: unknown, path: KeyPath) => T | null,
): T[] {
  if (Array.isArray(value)) {
    return value.flatMap((one, index) => {
      const parsed = parse(reader, one, [...path, index]);
      return parsed === null ? [] : [parsed];
    });
  }
  say(reader, path, value === undefined ? 'is missing' : 'must be a list, as lines that begin with "- "');
  return [];
}

function parseRules(reader: Reader, value: unknown): Rule[] {
  const rules = listAt(reader, value, ['rules'], parseRule);
  if (Array.isArray(value) && value.length === 0)
    say(reader, ['rules'], 'must not be empty; every message would be held');
  const seen = new Map<string, number>();
  const raw = Array.isArray(value) ? value : [];
  for (const [index, one] of raw.entries()) {
    const name = (one as { name?: unknown } | null)?.name;
    if (typeof name !== 'string') continue;
    const first = seen.get(name);
    if (first !== undefined) say(reader, ['rules', index, 'name'], `rules[${first}] has the same name`);
    else seen.set(name, index);
  }
  return rules;
}

function parseRule(reader: Reader, value: unknown, path: KeyPath): Rule | null {
  const before = reader.problems.length;
  const map = readMap(reader, value, path, ['name', 'when', 'then', 'warn', 'lowers', 'reason']);
  if (!map) return null;
  const name = readText(reader, map.name, [...path, 'name'], 'the name of the rule');
  // It stands in log lines and in the audit, and `(line)` and `(none)` are the gateway's own.
  if (name !== null && (name.length > 64 || /[\p{Cc}"@]/u.test(name) || name.startsWith('('))) {
    say(reader, [...path, 'name'], 'must be at most 64 printable characters without " and @, and not begin with (');
  }
  const when =
    map.when === undefined ? ({ kind: 'all', of: [] } as const) : parseCondition(reader, map.when, [...path, 'when']);
  const then = parseAction(reader, map.then, [...path, 'then']);
  const warn =
    map.warn === undefined ? null : readText(reader, map.warn, [...path, 'warn'], 'the text of a staff note');
  const lowers = parseLowers(reader, map, path);
  if (reader.problems.length > before || name === null || then === null) return null;
  return { name, when, then, ...(warn === null ? {} : { warn }), ...(lowers === null ? {} : { lowers }) };
}

function parseLowers(reader: Reader, map: Readonly<Record<string, unknown>>, path: KeyPath): string | null {
  if (map.lowers === undefined) {
    if (map.reason !== undefined) say(reader, [...path, 'reason'], 'stands only beside lowers: true', 'key');
    return null;
  }
  if (map.lowers !== true) {
    say(reader, [...path, 'lowers'], 'must be true, or be left out');
    return null;
  }
  if (map.reason === undefined) say(reader, [...path, 'lowers'], 'wants a reason beside it, for the auditor');
  return map.reason === undefined
    ? null
    : readText(reader, map.reason, [...path, 'reason'], 'the reason, for the auditor');
}
