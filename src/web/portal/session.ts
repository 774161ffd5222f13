// The cookie of a session: one for each parcel, so that two messages may be open beside each other. Its value is a secret.

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** `__Host-` binds it to this host and to HTTPS (RFC 6265bis §4.1.3.2). `maxAge` in seconds. */
export function sessionCookie(parcel: string, value: string, maxAge: number): string {
  return `${nameOf(parcel)}=${value}; ${ATTRIBUTES}; Max-Age=${Math.max(0, Math.floor(maxAge))}`;
}

export function endedCookie(parcel: string): string {
  return `${nameOf(parcel)}=; ${ATTRIBUTES}; Max-Age=0`;
}

/** Value of that parcel's cookie in a Cookie header; null when there is none. */
export function cookieOf(header: string | undefined, parcel: string): string | null {
  const name = nameOf(parcel);
  for (const pair of (header ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return null;
}

/** Ids are lower-case letters and digits: nothing else may come into a header. */
export function isParcelId(text: string): boolean {
  return /^[a-z0-9]{8,40}$/.test(text);
}

function nameOf(parcel: string): string {
  return `__Host-p-${parcel}`;
}
