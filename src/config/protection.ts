// A protection as rules, floors and commands write it: `portal`, `{tls: dane}`.

import { defaultLevel, LEVELS } from '../domain/protection.ts';
import type { Level, Protection, ProtectionName } from '../domain/types.ts';
import { didYouMean, nearest } from './problem.ts';
import type { Reading } from './units.ts';

export const PROTECTIONS: readonly ProtectionName[] = ['tls', 'pgp', 'smime', 'portal', 'portal+'];

function isName(text: string): text is ProtectionName {
  return (PROTECTIONS as readonly string[]).includes(text);
}

function isLevel(text: unknown): text is Level {
  return typeof text === 'string' && (LEVELS as readonly string[]).includes(text);
}

function meant(hint: string | null, known: readonly string[]): string {
  return hint === null ? `; known are ${known.join(', ')}` : didYouMean(hint);
}

function wrongName(text: string): Reading<Protection> {
  const hint = isLevel(text) ? `{tls: ${text}}` : nearest(text, PROTECTIONS);
  return { ok: false, wrong: `unknown protection "${text}"${meant(hint, PROTECTIONS)}` };
}

/** A bare `tls` means `{tls: verify}`, any other bare word level `encrypt`. */
export function readProtection(value: unknown): Reading<Protection> {
  if (typeof value === 'string') {
    return isName(value) ? { ok: true, value: { name: value, level: defaultLevel(value) } } : wrongName(value);
  }
  const entries = value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : [];
  const [name, level] = entries[0] ?? [];
  if (entries.length !== 1 || name === undefined) {
    return { ok: false, wrong: 'must be one protection, such as portal or {tls: verify}' };
  }
  if (!isName(name)) return wrongName(name);
  if (isLevel(level)) return { ok: true, value: { name, level } };
  const hint = typeof level === 'string' ? nearest(level, LEVELS) : null;
  return { ok: false, wrong: `unknown level ${JSON.stringify(level)} of ${name}${meant(hint, LEVELS)}` };
}
