// Tag lists, which DKIM signatures and key records are written in (RFC 6376 §3.2). Pure.

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
const VALUE = /^[\x21-\x3a\x3c-\x7e \t]*$/;

/** `v=1; a=rsa-sha256;` by name; blanks around a value are gone. Null when it is no tag list, or has a tag twice. */
export function parseTags(text: string): ReadonlyMap<string, string> | null {
  const tags = new Map<string, string>();
  const specs = text.split(';');
  if (blankless(specs.at(-1) ?? '') === '') specs.pop();
  for (const spec of specs) {
    const equals = spec.indexOf('=');
    const name = spec.slice(0, Math.max(0, equals)).trim();
    const value = spec.slice(equals + 1).trim();
    if (!NAME.test(name) || !VALUE.test(value) || tags.has(name)) return null;
    tags.set(name, value);
  }
  return tags;
}

/** Parts of a list `a : b`, in lower case. */
export function listOf(value: string): string[] {
  return value.split(':').map((one) => one.trim().toLowerCase());
}

/** Octets of base64 that may be folded; null when it is none. */
export function base64Of(value: string): Buffer | null {
  const text = blankless(value);
  if (text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  return Buffer.from(text, 'base64');
}

function blankless(text: string): string {
  return text.replace(/[ \t\r\n]/g, '');
}
