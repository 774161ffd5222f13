// The part of a header section that a signature covers (RFC 6376 §3.4.1, §3.4.2, §3.7), from the raw octets of its fields. Pure.

import type { Field } from '../../mail/header.ts';
import type { Canonicalization } from './body.ts';

/** What is signed: the fields that `names` lists, each time from the bottom up, then `own` without the value of its b=. */
export function signedOctets(
  fields: readonly Field[],
  own: Field,
  names: readonly string[],
  kind: Canonicalization,
): Buffer {
  const wanted = new Set(names);
  const left = new Map<string, Field[]>();
  for (const field of fields) {
    if (field === own || !wanted.has(field.name)) continue;
    const same = left.get(field.name);
    if (same === undefined) left.set(field.name, [field]);
    else same.push(field);
  }
  const pieces: string[] = [];
  for (const name of names) {
    const field = left.get(name)?.pop();
    // RFC 6376 §5.4: listed and not there, so that nobody may add one.
    if (field !== undefined) pieces.push(canonicalField(field.raw.toString('latin1'), kind));
  }
  const last = canonicalField(withoutSignature(own.raw.toString('latin1')), kind);
  pieces.push(last.endsWith('\r\n') ? last.slice(0, -2) : last);
  return Buffer.from(pieces.join(''), 'latin1');
}

/** One field in the characters of its octets, with its line end. */
export function canonicalField(raw: string, kind: Canonicalization): string {
  if (kind === 'simple') return raw;
  const colon = raw.indexOf(':');
  const name = raw.slice(0, colon).toLowerCase();
  const value = raw
    .slice(colon + 1)
    .replace(/\r?\n/g, '')
    .replace(/[ \t]{2,}|\t/g, ' ');
  const start = value.startsWith(' ') ? 1 : 0;
  const end = value.endsWith(' ') ? -1 : undefined;
  return `${name.replace(/[ \t]/g, '')}:${value.slice(start, end)}\r\n`;
}

function withoutSignature(raw: string): string {
  const colon = raw.indexOf(':');
  const specs = raw.slice(colon + 1).split(';');
  const empty = specs.map((spec) => {
    const equals = spec.indexOf('=');
    return spec.slice(0, Math.max(0, equals)).trim() === 'b' ? spec.slice(0, equals + 1) : spec;
  });
  return `${raw.slice(0, colon + 1)}${empty.join(';')}`;
}
