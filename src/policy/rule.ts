// A policy as decide reads it: rules in file order, each a condition and an action. Made by parse.ts from YAML; plain
// values, so that it can be kept, compared and sent to a worker.

import type { Action, Confidence, Facts, FindingType, Protection, UnreadReason } from '../domain/types.ts';

/** Kleene's three: `unknown` means that a fact could not be fetched now. */
export type Answer = 'yes' | 'no' | 'unknown';

export type FindingCondition = { readonly type: FindingType; readonly min: Confidence; readonly distinct: number };
export type CoverageState = 'full' | 'partial' | 'unreadable';

/** `patterns` are lower case: `ann@example.org`, `@example.org`, `@*.example.org`, `<>` for the null reverse-path. */
export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'organization'; readonly names: readonly string[] }
  | { readonly kind: 'sender' | 'reverse_path' | 'recipient'; readonly patterns: readonly string[] }
  /** `example.org` or `*.example.org`. */
  | { readonly kind: 'recipient_domain'; readonly patterns: readonly string[] }
  | { readonly kind: 'subject_tag'; readonly tags: readonly string[] }
  | { readonly kind: 'phi'; readonly is: boolean }
  | { readonly kind: 'finding'; readonly want: FindingCondition }
  | { readonly kind: 'coverage'; readonly states: readonly CoverageState[]; readonly reasons: readonly UnreadReason[] }
  /** Octets; a bound that is absent does not bind. */
  | { readonly kind: 'size'; readonly over?: number; readonly under?: number };

export type Rule = {
  readonly name: string;
  readonly when: Condition;
  readonly then: Action;
  readonly warn?: string;
  /** Says that a condition on findings or coverage lowers protection on purpose, and why. */
  readonly lowers?: string;
};

/** A test that stands in the policy file: facts, and the action that they must lead to, floors left out. */
export type PolicyTest = {
  readonly name: string;
  readonly given: Facts;
  readonly expect: Action | { readonly kind: 'undecided' };
  readonly rule?: string;
};

/** A file that a policy is made of, as it was read; the first is the policy itself, the others its lists. */
export type PolicyFile = { readonly name: string; readonly text: string };

export type Policy = {
  /** 16 hex: SHA-256 of the files. */
  readonly version: string;
  readonly rules: readonly Rule[];
  readonly tests: readonly PolicyTest[];
  readonly files: readonly PolicyFile[];
};

/** What every protection of a delivery must at least be, from gateway.yaml; domains in order of the file. */
export type Floors = {
  readonly organizations: Readonly<Record<string, Protection>>;
  readonly domains: readonly { readonly pattern: string; readonly floor: Protection }[];
  readonly tags: Readonly<Record<string, Protection>>;
};

export const NO_FLOORS: Floors = { organizations: {}, domains: [], tags: {} };

export const FINDING_TYPES = Object.keys({
  SSN: true,
  MBI: true,
  MRN: true,
  DOB: true,
  NPI: true,
  DEA: true,
  ICD10: true,
  HEALTH_PLAN_ID: true,
  DRUG: true,
  DIAGNOSIS: true,
  MEDICAL_TERM: true,
} satisfies Record<FindingType, true>) as readonly FindingType[];

export const UNREAD_REASONS = Object.keys({
  format: true,
  encrypted: true,
  'too large': true,
  'too deep': true,
  'too many parts': true,
  malformed: true,
  charset: true,
  time: true,
  failed: true,
} satisfies Record<UnreadReason, true>) as readonly UnreadReason[];

export const CONFIDENCES: readonly Confidence[] = ['low', 'medium', 'high'];
export const COVERAGE_STATES: readonly CoverageState[] = ['full', 'partial', 'unreadable'];
