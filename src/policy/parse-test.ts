// The tests that stand in a policy file: facts in the words of the conditions, and the action they must lead to.

import { readAddress } from '../config/names.ts';
import { didYouMean, type KeyPath } from '../config/problem.ts';
import { parseSize } from '../config/units.ts';
import type { Address } from '../domain/ids.ts';
import type { Coverage, Fact, Facts, FindingCount, Findings } from '../domain/types.ts';
import { parseAction, parseDeliver } from './parse-action.ts';
import { type Reader, readMap, readText, readWord, say } from './reader.ts';
import { CONFIDENCES, COVERAGE_STATES, FINDING_TYPES, type PolicyTest, UNREAD_REASONS } from './rule.ts';

const GIVEN = [
  'organization',
  'sender',
  'reverse_path',
  'recipient',
  'subject_tag',
  'finding',
  'coverage',
  'size',
  'unknown',
] as const;

export function parseTest(reader: Reader, value: unknown, path: KeyPath): PolicyTest | null {
  const before = reader.problems.length;
  const map = readMap(reader, value, path, ['name', 'given', 'expect', 'rule']);
  if (!map) return null;
  const name = readText(reader, map.name, [...path, 'name'], 'the name of the test');
  const given = parseGiven(reader, map.given ?? {}, [...path, 'given']);
  const expect = parseExpect(reader, map.expect, [...path, 'expect']);
  const rule = map.rule === undefined ? null : readText(reader, map.rule, [...path, 'rule'], 'the name of a rule');
  if (reader.problems.length > before || name === null || given === null || expect === null) return null;
  return { name, given, expect, ...(rule === null ? {} : { rule }) };
}

/** As an action, or shorter: `portal`, `[smime, portal]`, `hold`, `undecided`. */
function parseExpect(reader: Reader, value: unknown, path: KeyPath): PolicyTest['expect'] | null {
  if (value === 'undecided') return { kind: 'undecided' };
  const isAction = value === undefined || value === 'hold' || value === 'bounce';
  const isMap = value !== null && typeof value === 'object' && 'deliver' in value;
  if (isAction || isMap) return parseAction(reader, value, path);
  return parseDeliver(reader, value, path);
}

function parseGiven(reader: Reader, value: unknown, path: KeyPath): Facts | null {
  const map = readMap(reader, value, path, GIVEN);
  if (!map) return null;
  const at = (key: string): KeyPath => [...path, key];
  const unknown = 'unknown' in map ? texts(reader, map.unknown, at('unknown'), ['finding', 'coverage']) : [];
  const sender = addressOf(reader, map.sender ?? 'staff@clinic.example', at('sender'));
  return {
    organization:
      typeof map.organization === 'string' ? map.organization : (reader.known.organizations?.[0] ?? 'Example'),
    sender: [sender],
    reversePath: map.reverse_path === '<>' ? '' : addressOf(reader, map.reverse_path ?? sender, at('reverse_path')),
    recipient: addressOf(reader, map.recipient ?? 'someone@example.org', at('recipient')),
    subjectTags: 'subject_tag' in map ? texts(reader, map.subject_tag, at('subject_tag'), reader.known.tags) : [],
    findings: unknown.includes('finding') ? { unknown: 'finding' } : findingsOf(reader, map.finding, at('finding')),
    coverage: unknown.includes('coverage') ? { unknown: 'coverage' } : coverageOf(reader, map.coverage, at('coverage')),
    size: sizeOf(reader, map.size, at('size')),
  };
}

function addressOf(reader: Reader, value: unknown, path: KeyPath): Address {
  const read = readAddress(value);
  if (read.ok) return read.value;
  say(reader, path, read.wrong);
  return '' as Address;
}

function texts(reader: Reader, value: unknown, path: KeyPath, known: readonly string[] | undefined): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.flatMap((one, index) => {
    const place = Array.isArray(value) ? [...path, index] : path;
    const word = known ? readWord(reader, one, place, known, 'word') : readText(reader, one, place, 'a word');
    return word === null ? [] : [word];
  });
}

/** `{phi: true}`, `SSN`, `{type: SSN, confidence: high, distinct: 3}` or a list of them. */
function findingsOf(reader: Reader, value: unknown, path: KeyPath): Fact<Findings> {
  const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
  let phi = false;
  const counts: FindingCount[] = [];
  for (const [index, one] of list.entries()) {
    const place = Array.isArray(value) ? [...path, index] : path;
    const map =
      typeof one === 'string' ? { type: one } : readMap(reader, one, place, ['phi', 'type', 'confidence', 'distinct']);
    if (!map) continue;
    if (map.phi !== undefined && typeof map.phi !== 'boolean') say(reader, [...place, 'phi'], 'must be true or false');
    if (map.phi === true) phi = true;
    if (map.type === undefined) continue;
    const type = readWord(
      reader,
      map.type,
      typeof one === 'string' ? place : [...place, 'type'],
      FINDING_TYPES,
      'finding',
    );
    const confidence = readWord(reader, map.confidence ?? 'high', [...place, 'confidence'], CONFIDENCES, 'confidence');
    const distinct = map.distinct ?? 1;
    if (!Number.isInteger(distinct) || Number(distinct) < 1) {
      say(reader, [...place, 'distinct'], 'must be a whole number of at least 1');
    }
    if (type && confidence) counts.push({ type, confidence, distinct: Number(distinct) });
  }
  return { phi, counts, places: [] };
}

/** `full`, `partial`, `unreadable`, `{state: partial, reason: encrypted}`. */
function coverageOf(reader: Reader, value: unknown, path: KeyPath): Fact<Coverage> {
  if (value === undefined) return { state: 'full', parts: [] };
  const map = typeof value === 'string' ? { state: value } : readMap(reader, value, path, ['state', 'reason']);
  const at = typeof value === 'string' ? path : [...path, 'state'];
  const state = map && readWord(reader, map.state ?? 'partial', at, COVERAGE_STATES, 'coverage');
  const reasons = map && 'reason' in map ? texts(reader, map.reason, [...path, 'reason'], UNREAD_REASONS) : [];
  const parts = UNREAD_REASONS.filter((one) => reasons.includes(one)).map((unread, part) => ({
    part,
    type: 'application/octet-stream',
    size: 0,
    unread,
  }));
  return { state: state ?? 'unreadable', parts };
}

function sizeOf(reader: Reader, value: unknown, path: KeyPath): number {
  if (value === undefined) return 10_240;
  const read = parseSize(value);
  if (read.ok) return read.value;
  say(reader, path, `${read.wrong}${didYouMean(read.hint)}`);
  return 0;
}
