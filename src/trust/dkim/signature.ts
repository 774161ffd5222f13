// A DKIM-Signature field read (RFC 6376 §3.5), and what keeps it from proving whose mail it is, though it may be valid. Pure.

import type { Duration, Time } from '../../domain/ids.ts';
import { type Field, fieldValue, type HeaderSection } from '../../mail/header.ts';
import { isHostName, normalName } from '../../net/names.ts';
import type { Canonicalization } from './body.ts';
import { base64Of, listOf, parseTags } from './tags.ts';

export type Signature = {
  readonly field: Field;
  /** d=, lower case. */
  readonly domain: string;
  /** s=, lower case. */
  readonly selector: string;
  /** Domain of i=, which is that of d= or below it. */
  readonly identity: string;
  readonly algorithm: 'rsa' | 'ed25519';
  readonly header: Canonicalization;
  readonly body: Canonicalization;
  readonly names: readonly string[];
  readonly bodyHash: Buffer;
  readonly octets: Buffer;
};
/** `reason` in a few words that hold nothing of the message. */
export type Unfit = { readonly domain: string; readonly reason: string };

/** DKIM does not bind the envelope: what was signed longer ago may have been sent to others before. */
const OLDEST: Duration = 86_400_000;
/** Of a clock that is ahead of ours. */
const AHEAD: Duration = 3_600_000;

/** d= in lower case; null where there is none, or the field is no tag list. */
export function signingDomain(field: Field): string | null {
  const domain = normalName(parseTags(field.value)?.get('d') ?? '');
  return isHostName(domain) ? domain : null;
}

/** The signature in `field`, whose d= is `domain`; or why it proves nothing, whatever its key says. */
export function readSignature(field: Field, domain: string, header: HeaderSection, now: Time): Signature | Unfit {
  const unfit = (reason: string): Unfit => ({ domain, reason });
  const tags = parseTags(field.value);
  const tag = (name: string): string => tags?.get(name) ?? '';
  const algorithm = { 'rsa-sha256': 'rsa', 'ed25519-sha256': 'ed25519' }[tag('a').toLowerCase()];
  const [headerKind = '', bodyKind = 'simple', ...more] = (tag('c') || 'simple').toLowerCase().split('/');
  const octets = base64Of(tag('b'));
  const bodyHash = base64Of(tag('bh'));
  const selector = normalName(tag('s'));
  if (tag('v') !== '1' || octets === null || bodyHash === null || !isHostName(selector)) return unfit('malformed');
  if (tag('a').toLowerCase() === 'rsa-sha1') return unfit('SHA-1');
  if (algorithm !== 'rsa' && algorithm !== 'ed25519') return unfit('unknown algorithm');
  if (!isKind(headerKind) || !isKind(bodyKind) || more.length > 0) return unfit('unknown canonicalization');
  if (tags?.has('q') && !listOf(tag('q')).includes('dns/txt')) return unfit('unknown query method');
  if (tags?.has('l')) return unfit('covers part of the body (l=)');
  const names = listOf(tag('h'));
  if (!names.includes('from')) return unfit('does not cover From');
  const identity = tags?.has('i') ? normalName(tag('i').slice(tag('i').lastIndexOf('@') + 1)) : domain;
  if (identity !== domain && !identity.endsWith(`.${domain}`)) return unfit('i= is not of d=');
  const late = whyLate(tags ?? new Map(), names, header, now);
  if (late !== null) return unfit(late);
  const kinds = { header: headerKind, body: bodyKind };
  return { field, domain, selector, identity, algorithm, ...kinds, names, bodyHash, octets };
}

function isKind(text: string): text is Canonicalization {
  return text === 'simple' || text === 'relaxed';
}

function whyLate(
  tags: ReadonlyMap<string, string>,
  names: readonly string[],
  header: HeaderSection,
  now: Time,
): string | null {
  const expires = secondsOf(tags.get('x'));
  const signed = secondsOf(tags.get('t'));
  if (Number.isNaN(expires) || Number.isNaN(signed)) return 'malformed';
  if (expires !== null && expires <= now) return 'expired';
  // A Date that is not signed is whatever the last one who sent it wrote.
  const at = signed ?? (names.includes('date') ? Date.parse(fieldValue(header, 'date') ?? '') : Number.NaN);
  if (Number.isNaN(at)) return 'without a time that it covers';
  if (at < now - OLDEST) return 'older than 24 hours';
  return at > now + AHEAD ? 'dated in the future' : null;
}

/** ms; null when the tag is absent, NaN when it is no number. */
function secondsOf(tag: string | undefined): number | null {
  if (tag === undefined) return null;
  return /^[0-9]{1,12}$/.test(tag) ? Number(tag) * 1_000 : Number.NaN;
}
