// What one request, and one client, may ask of us: the size of a form, the rate of posts, and where a post may come from.

import type { Time } from '../../domain/ids.ts';

export const FORM_MAX = 65_536;

/** Fields of a urlencoded form, read as it comes. `too large` and `not a form` leave the rest unread. */
export async function readForm(request: Request): Promise<URLSearchParams | 'too large' | 'not a form'> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  // A form with no field is sent with this type and no octet; other programs leave both away.
  if (type !== undefined && type !== 'application/x-www-form-urlencoded') return 'not a form';
  if (Number(request.headers.get('content-length') ?? 0) > FORM_MAX) return 'too large';
  const pieces: Uint8Array[] = [];
  let octets = 0;
  for await (const piece of request.body ?? []) {
    octets += piece.length;
    if (octets > FORM_MAX) return 'too large';
    pieces.push(piece);
  }
  if (octets > 0 && type === undefined) return 'not a form';
  return new URLSearchParams(Buffer.concat(pieces).toString('utf8'));
}

/**
 * Whether a post comes from a page of ours. A browser says so in Sec-Fetch-Site; one before 2023 in Origin, which is `null`
 * for our own pages (Referrer-Policy), so that only another site's name speaks against it: the session's cookie
 * (SameSite=Strict) does not come along from another site anyway.
 */
export function isOwnPost(headers: Headers, origin: string): boolean {
  const site = headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  const from = headers.get('origin');
  return from === null || from === 'null' || from === origin;
}

/** A browser fetches it before anyone wants it. */
export function isPrefetch(headers: Headers): boolean {
  return /\bprefetch|\bprerender|\bpreview/i.test(
    `${headers.get('sec-purpose') ?? ''} ${headers.get('purpose') ?? ''}`,
  );
}

export type Rate = {
  /** Posts at once. */
  readonly burst: number;
  /** Posts a minute after that. */
  readonly perMinute: number;
  /** Clients remembered; beyond them the longest unseen is forgotten. */
  readonly clients: number;
};
export const RATE: Rate = { burst: 60, perMinute: 30, clients: 10_000 };

/** A bucket of tokens per client; `take` gives 0, or the seconds to wait. */
export function createLimiter(rate: Rate, now: () => Time): { readonly take: (client: string) => number } {
  const buckets = new Map<string, { tokens: number; at: Time }>();
  return {
    take: (client) => {
      const key = networkOf(client);
      const at = now();
      const known = buckets.get(key) ?? { tokens: rate.burst, at };
      const perMillisecond = rate.perMinute / 60_000;
      const tokens = Math.min(rate.burst, known.tokens + Math.max(0, at - known.at) * perMillisecond);
      buckets.delete(key);
      buckets.set(key, { tokens: tokens < 1 ? tokens : tokens - 1, at });
      if (buckets.size > rate.clients) buckets.delete(buckets.keys().next().value as string);
      return tokens < 1 ? Math.ceil((1 - tokens) / perMillisecond / 1_000) : 0;
    },
  };
}

/** An IPv6 client has a whole /64 to choose from. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!plain.includes(':')) return plain;
  const [head = ''] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  return [...groups, '0', '0', '0', '0'].slice(0, 4).join(':');
}
