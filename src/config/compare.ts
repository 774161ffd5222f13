// Two configurations in force, compared key by key, for `reload` to say what it changed.

import { effectiveValue } from './effective.ts';
import { pathText } from './problem.ts';
import { yamlFlow } from './reference.ts';
import type { Config } from './schema.ts';

export type Change = { readonly key: string; readonly before: string | null; readonly after: string | null };

function leaves(value: unknown, path: readonly (string | number)[]): [string, string][] {
  const isMap = value !== null && typeof value === 'object' && !Array.isArray(value);
  const isMaps = Array.isArray(value) && value.some((one) => one !== null && typeof one === 'object');
  if (value === undefined) return [];
  // An empty map says no more than an absent one: what it would hold is absent or has its default.
  if (isMap) {
    return Object.entries(value).flatMap(([key, one]) => leaves(one, [...path, key]));
  }
  if (isMaps) return value.flatMap((one, index) => leaves(one, [...path, index]));
  return [[pathText(path), yamlFlow(value)]];
}

/** Every key whose value differs; null where one side does not have it. */
export function compareConfigs(before: Config, after: Config): Change[] {
  const old = new Map(leaves(effectiveValue(before), []));
  const now = new Map(leaves(effectiveValue(after), []));
  const keys = [...new Set([...old.keys(), ...now.keys()])];
  return keys
    .map((key) => ({ key, before: old.get(key) ?? null, after: now.get(key) ?? null }))
    .filter((change) => change.before !== change.after);
}

/** `queue.lifetime: 5 days → 2 days`, one line a change; empty when there is none. */
export function changesText(changes: readonly Change[]): string {
  return changes.map(({ key, before, after }) => `${key}: ${before ?? '(absent)'} → ${after ?? '(absent)'}`).join('\n');
}
