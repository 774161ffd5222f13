// Content-Type, Content-Disposition and Content-Transfer-Encoding values (RFC 2045 §5, RFC 2183, RFC 2231). Whatever two
// readers could take differently is told as `ambiguous`; the walker carries it on as coverage. Never throws, logs nothing.

import { decodeWords } from './header.ts';

export type Media = {
  /** Before the first `;`, lower case, without comments: `text/plain`, `attachment`. */
  readonly value: string;
  /** Lower-case names; RFC 2231 pieces joined and decoded, else encoded words decoded. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly ambiguous: boolean;
};

const PARAMETERS_MAX = 200;
const PARAMETER = /[\s;]*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\[\s\S])*)("?)|([^\s;"]*))\s*/y;
/** `name`, `name*`, `name*0`, `name*0*` (RFC 2231 §3 and §4). */
const EXTENDED = /^([^*]+)(?:\*(\d{1,3}))?(\*?)$/;

/** A structured value of an unfolded field. */
export function parseMedia(text: string): Media {
  const given = withoutComments(text);
  const semicolon = given.indexOf(';');
  const value = (semicolon < 0 ? given : given.slice(0, semicolon)).trim().toLowerCase();
  if (semicolon < 0) return { value, parameters: new Map(), ambiguous: marksIn(text) > 0 };
  const plain = new Map<string, string>();
  const pieces = new Map<string, { readonly at: number; readonly text: string; readonly encoded: boolean }[]>();
  // A reader that knows no comments takes a parameter from one; one that knows no quoted pairs keeps the backslash.
  let ambiguous = given !== text && marksIn(given) !== marksIn(text);
  PARAMETER.lastIndex = semicolon;
  for (let count = 0; PARAMETER.lastIndex < given.length; count++) {
    const at = PARAMETER.lastIndex;
    const match = count < PARAMETERS_MAX ? PARAMETER.exec(given) : null;
    if (!match) {
      ambiguous ||= /[^\s;]/.test(given.slice(at));
      break;
    }
    if (match[2] !== undefined && match[3] === '') ambiguous = true;
    const content = match[2] !== undefined ? withoutPairs(match[2]) : (match[4] ?? '');
    const name = EXTENDED.exec((match[1] as string).toLowerCase());
    if (!name) ambiguous = true;
    else if (name[2] === undefined && name[3] === '') {
      const key = name[1] as string;
      if (key === 'boundary' && match[2]?.includes('\\')) ambiguous = true;
      if (plain.has(key) && plain.get(key) !== content) ambiguous = true;
      else plain.set(key, content);
    } else {
      const list = pieces.get(name[1] as string) ?? [];
      list.push({ at: Number(name[2] ?? 0), text: content, encoded: name[3] === '*' });
      pieces.set(name[1] as string, list);
    }
  }
  const parameters = new Map<string, string>();
  for (const [name, content] of plain) {
    const decoded = decodeWords(content);
    const structural = name === 'boundary' || name === 'charset';
    // RFC 2047 §5 has no encoded words here, and some readers decode them all the same.
    if (structural && decoded !== content) ambiguous = true;
    parameters.set(name, structural ? content : decoded);
  }
  for (const [name, list] of pieces) {
    // RFC 2231 makes a reader that knows it and one that does not see two values.
    if (name === 'boundary' || name === 'charset' || plain.has(name))
      ambiguous ||= name !== 'filename' && name !== 'name';
    parameters.set(name, joined(list));
  }
  return { value, parameters, ambiguous };
}

function marksIn(text: string): number {
  let marks = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === SEMICOLON || unit === EQUALS) marks++;
  }
  return marks;
}

const SEMICOLON = 59;
const EQUALS = 61;

/** Quoted pairs as what they stand for (RFC 5322 §3.2.1). */
function withoutPairs(text: string): string {
  return text.includes('\\') ? text.replace(/\\([\s\S])/g, '$1') : text;
}

function joined(list: readonly { at: number; text: string; encoded: boolean }[]): string {
  const sorted = [...list].sort((a, b) => a.at - b.at);
  const first = /^([^']*)'[^']*'/.exec(sorted[0]?.encoded ? sorted[0].text : '');
  const octets = sorted.map((piece, i) => {
    const text = i === 0 && first ? piece.text.slice(first[0].length) : piece.text;
    if (!piece.encoded) return Buffer.from(text);
    const raw = Buffer.from(text, 'latin1').toString('latin1');
    return Buffer.from(
      raw.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    );
  });
  try {
    return new TextDecoder(first?.[1] || 'utf-8').decode(Buffer.concat(octets));
  } catch {
    return Buffer.concat(octets).toString('latin1');
  }
}

function withoutComments(text: string): string {
  if (!text.includes('(')) return text;
  let out = '';
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === '\\' && (quoted || depth > 0)) {
      if (quoted) out += c + (text[i + 1] ?? '');
      i++;
    } else if (c === '"' && depth === 0) {
      quoted = !quoted;
      out += c;
    } else if (c === '(' && !quoted) depth++;
    else if (c === ')' && depth > 0) depth--;
    else if (depth === 0) out += c;
  }
  return out;
}
