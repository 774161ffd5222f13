// Headers of every answer, and names of files in one.

export const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/** Of the document in the frame: it may show `data:` pictures and its own styles, and a link may open a page of its own. */
export const FRAME_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'; " +
  "base-uri 'none'; sandbox allow-popups allow-popups-to-escape-sandbox";

const ALWAYS: Readonly<Record<string, string>> = {
  'Strict-Transport-Security': 'max-age=31536000',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'X-Robots-Tag': 'noindex, nofollow',
};

/** Puts them on; a policy or a cache rule that the route has set stays. */
export function secure(headers: Headers): void {
  for (const [name, value] of Object.entries(ALWAYS)) headers.set(name, value);
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store');
  if (!headers.has('Content-Security-Policy')) headers.set('Content-Security-Policy', PAGE_POLICY);
}

/** `attachment` with the name for old readers and for those that know RFC 8187 (RFC 6266 §4.3). */
export function contentDisposition(name: string): string {
  const safe = name.toWellFormed().replace(/[\p{Cc}\p{Cf}/\\]+/gu, '_');
  const ascii = safe.replace(/[^\x20-\x7e]/g, '_').replace(/["%\\]/g, '_');
  const encoded = encodeURIComponent(safe).replace(/['()*!]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
