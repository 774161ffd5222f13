// The address grammar of the SMTP border (RFC 5321 Mailbox, with RFC 6531 where the session allows it). Everything that
// becomes an `Address` passes through `parsePath`; what it refuses never reaches a wire, a row or a header. It logs
// nothing; its errors name what is wrong and never repeat the text. It does not know which domains exist.

import { domainToASCII, domainToUnicode } from 'node:url';
import type { Address } from '../domain/ids.ts';

/** `flag` marks what is well-formed but no destination of ours: an address literal or a domain of a single label. */
export type Path =
  | { readonly ok: Address | ''; readonly flag?: 'address literal' | 'single label' }
  | { readonly error: string };

/** Octets: RFC 5321 §4.5.3.1.1 and .3 (a path of 256 has two brackets). */
const LOCAL_PART_MAX = 64;
const ADDRESS_MAX = 254;

const ATEXT = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~\\u0080-\\u{10FFFF}]";
const DOT_STRING = new RegExp(`^${ATEXT}+(?:\\.${ATEXT}+)*$`, 'u');
const QUOTED_STRING = /^"(?:[\x20\x21\x23-\x5B\x5D-\x7E\u0080-\u{10FFFF}]|\\[\x20-\x7E])*"$/u;
/** Controls, format characters, unassigned and half characters, and every space but U+0020. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const NOT_ASCII = /[\u0080-\uFFFF]/;

/**
 * A reverse-path or forward-path as it stands after `FROM:` or `TO:`, with or without angle brackets and without
 * parameters. A source route is taken off (RFC 5321 appendix C); the domain becomes an A-label in lower case; the local
 * part stays as it was given, quotes and all. `''` is the null reverse-path.
 */
export function parsePath(text: string, options: { readonly smtpUtf8: boolean }): Path {
  let inner = text;
  if (inner.startsWith('<')) {
    if (!inner.endsWith('>')) return { error: 'the closing angle bracket is missing' };
    inner = inner.slice(1, -1);
  }
  if (inner === '') return { ok: '' };
  if (inner.length > 1_000) return { error: 'the path is too long' };
  if (INVISIBLE.test(inner)) return { error: 'a control or invisible character' };
  if (inner.startsWith('@')) {
    const route = /^@[A-Za-z0-9.-]+(?:,@[A-Za-z0-9.-]+)*:/.exec(inner);
    if (!route) return { error: 'a malformed source route' };
    inner = inner.slice(route[0].length);
  }
  if (!options.smtpUtf8 && NOT_ASCII.test(inner)) return { error: 'not ASCII, and SMTPUTF8 was not asked for' };
  const at = inner.lastIndexOf('@');
  if (at < 0) return { error: 'no domain' };
  return mailbox(inner.slice(0, at), inner.slice(at + 1));
}

function mailbox(local: string, givenDomain: string): Path {
  if (!DOT_STRING.test(local) && !QUOTED_STRING.test(local)) return { error: 'a malformed local part' };
  if (local === '""') return { error: 'an empty local part' };
  if (Buffer.byteLength(local) > LOCAL_PART_MAX) return { error: 'the local part is longer than 64 octets' };
  const literal = givenDomain.startsWith('[');
  const domain = literal ? addressLiteral(givenDomain) : aLabelDomain(givenDomain);
  if (domain === null) return { error: literal ? 'a malformed address literal' : 'a malformed domain' };
  const address = `${local}@${domain}` as Address;
  if (Buffer.byteLength(address) > ADDRESS_MAX) return { error: 'the address is longer than 254 octets' };
  if (literal) return { ok: address, flag: 'address literal' };
  return domain.includes('.') ? { ok: address } : { ok: address, flag: 'single label' };
}

function addressLiteral(text: string): string | null {
  return /^\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45})\]$/i.test(text) ? text.toLowerCase() : null;
}

/**
 * Domain as A-labels in lower case, or null. Strict: no trailing dot, no underscore, no character that UTS 46 would map
 * to another one (full width, soft hyphen), so that two spellings which a reader takes for one are never two names.
 */
export function aLabelDomain(text: string): string | null {
  if (text.length === 0 || text.length > 253) return null;
  let domain = text.toLowerCase();
  if (NOT_ASCII.test(domain) || domain.includes('xn--')) {
    const ascii = domainToASCII(domain);
    const back = domainToUnicode(ascii);
    if (ascii === '' || (back !== domain.normalize('NFC') && ascii !== domain)) return null;
    domain = ascii;
  }
  if (domain.length > 253) return null;
  const labels = domain.split('.');
  if (!labels.every((label) => LABEL.test(label))) return null;
  // A top label of digits would be read as an IPv4 address by half of the world.
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : domain;
}
