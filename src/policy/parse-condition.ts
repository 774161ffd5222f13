// The `when` of a rule. Several keys in one map must all be true; a list of values is true when one of them is.

import { normalDomain, readAddress, readDomainPattern } from '../config/names.ts';
import { didYouMean, type KeyPath, nearest } from '../config/problem.ts';
import { parseSize, type Reading } from '../config/units.ts';
import { type Item, type Reader, readItems, readMap, readWord, say } from './reader.ts';
import { CONFIDENCES, COVERAGE_STATES, type Condition, FINDING_TYPES, UNREAD_REASONS } from './rule.ts';

const CONDITIONS = [
  'organization',
  'sender',
  'reverse_path',
  'recipient',
  'recipient_domain',
  'subject_tag',
  'finding',
  'coverage',
  'size',
  'all',
  'any',
  'not',
] as const;

const NEVER: Condition = { kind: 'any', of: [] };

/** Deeper than a person writes; keeps every walk over a condition bounded. */
const DEEPEST = 20;

/** A condition; problems are said to the reader, and what could not be read never matches. */
export function parseCondition(reader: Reader, value: unknown, path: KeyPath, depth = 0): Condition {
  if (depth > DEEPEST) {
    say(reader, path, 'is nested too deeply');
    return NEVER;
  }
  const map = readMap(reader, value, path, CONDITIONS);
  if (!map) return NEVER;
  const parts = CONDITIONS.filter((key) => Object.hasOwn(map, key)).map((key) =>
    parsePart(reader, key, map[key], [...path, key], depth),
  );
  return parts.length === 1 ? parts[0]! : { kind: 'all', of: parts };
}

function parsePart(
  reader: Reader,
  key: (typeof CONDITIONS)[number],
  value: unknown,
  path: KeyPath,
  depth: number,
): Condition {
  switch (key) {
    case 'organization':
      return { kind: key, names: named(reader, value, path, reader.known.organizations, 'organization') };
    case 'subject_tag':
      return { kind: key, tags: named(reader, value, path, reader.known.tags, 'tag') };
    case 'sender':
    case 'recipient':
      return { kind: key, patterns: each(readItems(reader, value, path), readAddressPattern) };
    case 'reverse_path':
      return { kind: key, patterns: each(readItems(reader, value, path), readReversePath) };
    case 'recipient_domain':
      return { kind: key, patterns: each(readItems(reader, value, path), readDomainPattern) };
    case 'finding':
      return parseFinding(reader, value, path);
    case 'coverage':
      return parseCoverage(reader, value, path);
    case 'size':
      return parseSizes(reader, value, path);
    case 'not':
      return { kind: 'not', of: parseCondition(reader, value, path, depth + 1) };
    case 'all':
    case 'any':
      return { kind: key, of: parseList(reader, value, path, depth) };
  }
}

function parseList(reader: Reader, value: unknown, path: KeyPath, depth: number): Condition[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.map((one, index) => parseCondition(reader, one, [...path, index], depth + 1));
  }
  say(reader, path, 'must be a list of conditions');
  return [];
}

function each(items: readonly Item[], read: (value: unknown) => Reading<string>): string[] {
  return items.flatMap((item) => {
    const result = read(item.value);
    if (result.ok) return [result.value];
    item.wrong(`${result.wrong}${didYouMean(result.hint)}`);
    return [];
  });
}

function named(reader: Reader, value: unknown, path: KeyPath, known: readonly string[] | undefined, what: string) {
  return each(readItems(reader, value, path), (name) => {
    if (typeof name !== 'string')
      return { ok: false, wrong: `must be the name of a ${what}`.replace('a org', 'an org') };
    if (known === undefined || known.includes(name)) return { ok: true, value: name };
    const hint = nearest(name, known);
    const list = hint === null ? `; gateway.yaml has ${known.length === 0 ? 'none' : known.join(', ')}` : '';
    return { ok: false, wrong: `unknown ${what} "${name}"${list}`, ...(hint === null ? {} : { hint }) };
  });
}

/** `ann@example.org`, `@example.org`, `@*.example.org`, in lower case. */
function readAddressPattern(value: unknown): Reading<string> {
  if (typeof value !== 'string') return { ok: false, wrong: 'must be an address or @ and a domain' };
  if (value.startsWith('@')) {
    const domain = readDomainPattern(value.slice(1));
    return domain.ok
      ? { ok: true, value: `@${domain.value}` }
      : { ok: false, wrong: `"${value}" is not @ and a domain` };
  }
  const address = readAddress(value);
  if (address.ok) return { ok: true, value: address.value.toLowerCase() };
  const domain = normalDomain(value.replace(/^\*\./, ''));
  return { ...address, ...(domain?.includes('.') ? { hint: `@${value}` } : {}) };
}

function readReversePath(value: unknown): Reading<string> {
  return value === '<>' ? { ok: true, value } : readAddressPattern(value);
}

function parseFinding(reader: Reader, value: unknown, path: KeyPath): Condition {
  if (Array.isArray(value)) return { kind: 'any', of: findings(reader, value, path) };
  if (typeof value === 'string') {
    const type = readWord(reader, value, path, FINDING_TYPES, 'finding');
    return type === null ? NEVER : { kind: 'finding', want: { type, min: 'low', distinct: 1 } };
  }
  const map = readMap(reader, value, path, ['phi', 'type', 'min', 'distinct', 'any', 'all']);
  if (!map) return NEVER;
  const heads = ['phi', 'type', 'any', 'all'].filter((key) => Object.hasOwn(map, key));
  if (heads.length !== 1) {
    say(reader, path, 'must have one of phi, type, any or all');
    return NEVER;
  }
  if ('phi' in map) {
    if (typeof map.phi === 'boolean') return { kind: 'phi', is: map.phi };
    say(reader, [...path, 'phi'], 'must be true or false');
    return NEVER;
  }
  if ('any' in map) return { kind: 'any', of: findings(reader, map.any, [...path, 'any']) };
  if ('all' in map) return { kind: 'all', of: findings(reader, map.all, [...path, 'all']) };
  return parseFindingType(reader, map, path);
}

function parseFindingType(reader: Reader, map: Readonly<Record<string, unknown>>, path: KeyPath): Condition {
  const type = readWord(reader, map.type, [...path, 'type'], FINDING_TYPES, 'finding');
  const min = 'min' in map ? readWord(reader, map.min, [...path, 'min'], CONFIDENCES, 'confidence') : 'low';
  const distinct = 'distinct' in map ? map.distinct : 1;
  if (!Number.isInteger(distinct) || Number(distinct) < 1) {
    say(reader, [...path, 'distinct'], 'must be a whole number of at least 1');
    return NEVER;
  }
  return type === null || min === null ? NEVER : { kind: 'finding', want: { type, min, distinct: Number(distinct) } };
}

function findings(reader: Reader, value: unknown, path: KeyPath): Condition[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.map((one, index) => parseFinding(reader, Array.isArray(one) ? null : one, [...path, index]));
  }
  say(reader, path, 'must be a list of findings');
  return [];
}

/** `full`, `[partial, unreadable]`, `{state: partial, reason: [encrypted]}`. */
function parseCoverage(reader: Reader, value: unknown, path: KeyPath): Condition {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return { kind: 'coverage', states: words(reader, value, path, COVERAGE_STATES, 'coverage'), reasons: [] };
  }
  const map = readMap(reader, value, path, ['state', 'reason']);
  const states =
    map && 'state' in map
      ? words(reader, map.state, [...path, 'state'], COVERAGE_STATES, 'coverage')
      : (['partial', 'unreadable'] as const);
  const reasons =
    map && 'reason' in map ? words(reader, map.reason, [...path, 'reason'], UNREAD_REASONS, 'reason') : [];
  return { kind: 'coverage', states, reasons };
}

function words<T extends string>(
  reader: Reader,
  value: unknown,
  path: KeyPath,
  known: readonly T[],
  what: string,
): T[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) say(reader, path, 'must not be empty');
  return list.flatMap((one, index) => {
    const word = readWord(reader, one, Array.isArray(value) ? [...path, index] : path, known, what);
    return word === null ? [] : [word];
  });
}

function parseSizes(reader: Reader, value: unknown, path: KeyPath): Condition {
  const map = readMap(reader, value, path, ['over', 'under']);
  if (!map) return NEVER;
  if (!('over' in map) && !('under' in map)) say(reader, path, 'must have over or under, such as {over: 10MB}');
  const bounds: { over?: number; under?: number } = {};
  for (const key of ['over', 'under'] as const) {
    if (!(key in map)) continue;
    const read = parseSize(map[key]);
    if (read.ok) bounds[key] = read.value;
    else say(reader, [...path, key], `${read.wrong}${didYouMean(read.hint)}`);
  }
  return { kind: 'size', ...bounds };
}
