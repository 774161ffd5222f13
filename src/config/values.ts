// The kinds of value that keys take: each reads what stands in the file and says in words what is wrong with it. The
// checks of numbers, words from a list and maps are zod's own; their messages are made in issues.ts.

import { z } from 'zod';
import { readAddress, readCidr, readDomain, readDomainPattern, readHost, readHostPort, readIp } from './names.ts';
import { didYouMean } from './problem.ts';
import { readProtection } from './protection.ts';
import { readSecret } from './secrets.ts';
import { parseDuration, parseRate, parseSize, parseTerm, type Reading } from './units.ts';

/** What kind of text it is, for the manual and for writing it again; editors ignore the keyword. */
function kind(name: string, type: string | readonly string[] = 'string') {
  return { type, 'x-kind': name };
}

/** What may take a second operator. */
export const FOUR_EYES = ['accept-weaker', 'drop', 'anchors', 'retention', 'operators'] as const;
export type FourEyes = (typeof FOUR_EYES)[number];

/** A value in words of its own; `json` says to editors what it looks like. */
export function reading<T>(json: Record<string, unknown>, read: (value: unknown) => Reading<T>) {
  return z
    .any()
    .meta(json)
    .transform((value, context): T => {
      const result = value === undefined ? ({ ok: false, wrong: 'is missing' } as const) : read(value);
      if (result.ok) return result.value;
      const hint = 'hint' in result ? result.hint : undefined;
      context.addIssue({ code: 'custom', message: `${result.wrong}${didYouMean(hint)}` });
      return z.NEVER;
    });
}

export const text = (what: string) =>
  reading({ type: 'string' }, (value): Reading<string> => {
    if (value === null) return { ok: false, wrong: `is empty; ${what} is wanted` };
    if (typeof value === 'number') return { ok: false, wrong: `must be text; put it in quotes: "${value}"` };
    if (typeof value !== 'string') return { ok: false, wrong: `must be ${what}` };
    return value.trim() === '' ? { ok: false, wrong: `is empty; ${what} is wanted` } : { ok: true, value };
  });
export const duration = (least = 0, leastText = '') =>
  reading(kind('duration'), (value) => {
    const read = parseDuration(value);
    return read.ok && read.value < least ? { ok: false, wrong: `must be at least ${leastText}` } : read;
  });
export const size = () =>
  reading(kind('size'), (value) => {
    const read = parseSize(value);
    return read.ok && read.value === 0 ? { ok: false, wrong: 'must be more than nothing' } : read;
  });
export const term = () => reading(kind('term'), parseTerm);
export const domain = () => reading(kind('domain'), readDomain);
export const host = () => reading(kind('host'), readHost);
export const ip = () => reading(kind('IP address'), readIp);
export const address = () => reading(kind('address'), readAddress);
export const hostPort = (port?: number) => reading(kind('host:port'), (value) => readHostPort(value, port));
export const level = () => z.enum(['may', 'encrypt', 'verify', 'sts', 'dane']);
export const protection = () => reading(kind('protection', ['string', 'object']), readProtection);
export const whole = (least: number, most: number) => z.int().min(least).max(most);
export const port = () => whole(1, 65535);

/** `https://host` or `https://host:port`, in lower case, without a path. */
export const origin = () =>
  reading({ type: 'string' }, (value): Reading<string> => {
    const wrong = 'must be https:// and a host name, such as https://secure.clinic.example';
    if (typeof value !== 'string' || !URL.canParse(value)) return { ok: false, wrong };
    const url = new URL(value);
    const bare = url.protocol === 'https:' && url.pathname === '/' && url.search === '' && url.hash === '';
    return bare && url.username === '' ? { ok: true, value: url.origin } : { ok: false, wrong };
  });

/** `https://host/path`, as it is asked. */
export const httpsUrl = () =>
  reading({ type: 'string' }, (value): Reading<string> => {
    const wrong = 'must be an https:// URL without user and password, such as https://anchors.example/clinic';
    if (typeof value !== 'string' || !URL.canParse(value)) return { ok: false, wrong };
    const { protocol, username, password, href } = new URL(value);
    const isPlain = protocol === 'https:' && username === '' && password === '';
    return isPlain ? { ok: true, value: href } : { ok: false, wrong };
  });

export const timeZone = () =>
  reading({ type: 'string' }, (value): Reading<string> => {
    try {
      if (typeof value !== 'string') return { ok: false, wrong: 'must be a time zone such as America/New_York' };
      return { ok: true, value: new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone };
    } catch {
      return { ok: false, wrong: `"${value}" is not a time zone; write one such as America/New_York` };
    }
  });

export const organizationName = () =>
  reading({ type: 'string' }, (value): Reading<string> => {
    if (typeof value !== 'string' || value.trim() === '') return { ok: false, wrong: 'must be a name' };
    if (value === '-') return { ok: false, wrong: '"-" is the gateway itself; give the organization another name' };
    // It travels in log lines, metric labels and header fields.
    if (value.length > 64 || /[\p{Cc}"\\]/u.test(value))
      return { ok: false, wrong: 'must be at most 64 printable characters' };
    return { ok: true, value };
  });

export const nodeName = () =>
  reading({ type: 'string' }, (value): Reading<string> => {
    if (typeof value === 'string' && /^[a-z0-9][a-z0-9-]{0,31}$/.test(value)) return { ok: true, value };
    return { ok: false, wrong: 'must be up to 32 lower-case letters, digits and hyphens' };
  });

export const cidr = () => reading(kind('network'), readCidr);
export const resolverAddress = () => reading(kind('host:port'), (value) => readHostPort(value, 53, true));

/** Key of a map: a domain, or `*.` and a domain. Zod takes only plain text here, so the reading stands in a check. */
export const domainPattern = () =>
  z.string().transform((value, context) => {
    const read = readDomainPattern(value);
    if (read.ok) return read.value;
    context.addIssue({ code: 'custom', message: `${read.wrong}${didYouMean(read.hint)}` });
    return z.NEVER;
  });

/** Key of a map: a recipient domain, or host and port of a smart host. */
export const destination = () =>
  z.string().transform((value, context) => {
    const read = value.includes(':') ? readHostPort(value, 25) : readDomain(value);
    if (read.ok) return typeof read.value === 'string' ? read.value : `${read.value.host}:${read.value.port}`;
    context.addIssue({ code: 'custom', message: `${read.wrong}${didYouMean(read.hint)}` });
    return z.NEVER;
  });
export const rate = () => reading(kind('rate'), parseRate);

/** Kinds of value that name a file; `resolve` makes a path absolute. */
export function fileValues(resolve: (path: string) => string) {
  return {
    path: () =>
      reading(kind('path'), (value): Reading<string> => {
        if (value === null || value === '') return { ok: false, wrong: 'is empty; a path is wanted' };
        if (typeof value !== 'string') return { ok: false, wrong: 'must be a path' };
        return { ok: true, value: resolve(value) };
      }),
    secret: () => reading(kind('secret', 'object'), (value) => readSecret(value, resolve)),
  };
}
