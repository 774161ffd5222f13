// The `then` of a rule: what becomes of a delivery.

import { didYouMean, type KeyPath, nearest } from '../config/problem.ts';
import { PROTECTIONS, readProtection } from '../config/protection.ts';
import { protectionText } from '../domain/protection.ts';
import type { Action, Protection } from '../domain/types.ts';
import { type Reader, readMap, say } from './reader.ts';

/** `hold`, `bounce`, `{deliver: [{tls: dane}, portal]}`. */
export function parseAction(reader: Reader, value: unknown, path: KeyPath): Action | null {
  if (value === 'hold' || value === 'bounce') return { kind: value };
  if (typeof value === 'string') {
    const hint = (PROTECTIONS as readonly string[]).includes(value)
      ? `{deliver: [${value}]}`
      : nearest(value, ['hold', 'bounce']);
    say(
      reader,
      path,
      `unknown action "${value}"${hint === null ? '; write deliver: [tls], hold or bounce' : didYouMean(hint)}`,
    );
    return null;
  }
  if (value === undefined || value === null) {
    say(reader, path, `is ${value === null ? 'empty' : 'missing'}; write deliver: [tls], hold or bounce`);
    return null;
  }
  const map = readMap(reader, value, path, ['deliver']);
  return map ? parseDeliver(reader, map.deliver, [...path, 'deliver']) : null;
}

/** The list of `deliver`, or one protection. */
export function parseDeliver(reader: Reader, value: unknown, path: KeyPath): Action | null {
  const isList = Array.isArray(value);
  const list: readonly unknown[] = isList ? value : [value];
  if (value === undefined) {
    say(reader, path, 'wants deliver: [tls], or hold or bounce instead of a map');
    return null;
  }
  if (list.length === 0) say(reader, path, 'must not be empty; write hold to deliver nothing');
  const seen = new Set<string>();
  const protections = list.flatMap((one, index): Protection[] => {
    const at = isList ? [...path, index] : path;
    const read = readProtection(one);
    if (!read.ok) {
      say(reader, at, read.wrong);
      return [];
    }
    const text = protectionText(read.value);
    if (seen.has(text)) say(reader, at, `${text} stands in this list twice`);
    seen.add(text);
    return [read.value];
  });
  return protections.length > 0 ? { kind: 'deliver', protections } : null;
}
