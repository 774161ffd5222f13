// What protects a delivery: content × the least TLS level of the hop that carries it.

import type { Evidence, Level, Protection, ProtectionName } from './types.ts';

export const LEVELS = ['may', 'encrypt', 'verify', 'sts', 'dane'] as const;

const LEVEL_RANK: Record<Level, number> = { may: 0, encrypt: 1, verify: 2, sts: 3, dane: 3 };

/** True when a connection that reached `reached` satisfies `demanded`; sts and dane stand beside each other. */
export function reaches(reached: Level | null, demanded: Level): boolean {
  // `may` allows even a connection without TLS, which has reached no level.
  return demanded === 'may' || (reached !== null && LEVEL_RANK[reached] >= LEVEL_RANK[demanded]);
}

/** The level that satisfies both. sts and dane stand beside each other: of these two the first is given. */
export function strongerLevel(a: Level, b: Level): Level {
  return LEVEL_RANK[b] > LEVEL_RANK[a] ? b : a;
}

/** True when `a` protects at least as well as `b`: both halves must. pgp, smime and portal stand beside each other. */
export function atLeast(a: Protection, b: Protection): boolean {
  return contentAtLeast(a.name, b.name) && LEVEL_RANK[a.level] >= LEVEL_RANK[b.level];
}

function contentAtLeast(a: ProtectionName, b: ProtectionName): boolean {
  if (b === 'tls') return true;
  if (a === 'tls') return false;
  return b !== 'portal+' || a === 'portal+';
}

/** Level that a bare word in a rule means: `verify` for tls, `encrypt` for what is protected itself. */
export function defaultLevel(name: ProtectionName): Level {
  return name === 'tls' ? 'verify' : 'encrypt';
}

/** As rules, commands and the audit write it: `tls`, `tls: dane`, `portal`. */
export function protectionText(protection: Protection): string {
  const { name, level } = protection;
  return level === defaultLevel(name) ? name : `${name}: ${level}`;
}

/** What a connection showed, for people: `TLS 1.3, certificate valid for mx.example.org (MX, unsigned DNS)`. */
export function evidenceText({ version, name, lack }: Evidence): string {
  if (version === undefined) return 'connection without TLS';
  const tls = version.replace(/^TLSv/, 'TLS ');
  if (name !== undefined) return `${tls}, certificate valid for ${name.matched} (${name.source})`;
  return `${tls}, certificate not verified${lack === undefined ? '' : `: ${lack}`}`;
}
