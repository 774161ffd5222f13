// The addresses of a From or Sender field. They decide whose mail this is, so what two readers could read differently is
// an error and not a guess. Logs nothing; errors never repeat the value.

import type { Address } from '../domain/ids.ts';
import { parsePath } from './address.ts';

export type Mailboxes = { readonly ok: readonly Address[] } | { readonly error: string };

type Token = { readonly kind: 'word' | 'quoted' | 'literal' | 'mark'; readonly text: string; readonly glued: boolean };

const COMMA: Token = { kind: 'mark', text: ',', glued: false };

/**
 * Addresses of a From or Sender value (RFC 5322 §3.4: mailboxes, groups, comments, quoted local parts). Refused, because
 * two readers would see two senders: an obsolete route, spaces inside an address, a display name that is itself another
 * address without quotes. Names are thrown away; errors never repeat the value.
 */
export function addressesOf(value: string): Mailboxes {
  const tokens = tokensOf(value);
  if (typeof tokens === 'string') return { error: tokens };
  const found: Address[] = [];
  let run: Token[] = [];
  let inAngle = false;
  let inGroup = false;
  for (const token of [...tokens, COMMA]) {
    const mark: string = token.kind === 'mark' && (!inAngle || token.text === '>') ? token.text : '';
    if (mark === '<' || mark === '>') inAngle = mark === '<';
    if (mark === ':' && !inGroup && run.every((t) => t.kind === 'word' || t.kind === 'quoted')) {
      inGroup = true;
      run = [];
    } else if (mark === ',' || (mark === ';' && inGroup)) {
      const one = run.length > 0 ? mailboxOf(run) : null;
      if (one !== null && typeof one !== 'string') return one;
      if (one !== null) found.push(one);
      run = [];
      if (mark === ';') inGroup = false;
    } else run.push(token);
  }
  if (run.length > 0 || inGroup) return { error: 'the list does not end properly' };
  return found.length === 0 ? { error: 'no address' } : { ok: found };
}

function tokensOf(value: string): Token[] | string {
  const tokens: Token[] = [];
  const pattern = /"((?:[^"\\]|\\[\s\S])*)"|(\[[^[\]\\]*\])|([^\s"(),:;<>@[\]\\]+)|([,:;<>@])/y;
  let at = 0;
  let glued = false;
  while (at < value.length) {
    const c = value[at] as string;
    if (c === ' ' || c === '\t' || c === '(') {
      const next = c === '(' ? commentEnd(value, at) : at + 1;
      if (next < 0) return 'a comment does not end';
      at = next;
      glued = false;
      continue;
    }
    pattern.lastIndex = at;
    const match = pattern.exec(value);
    if (!match) return 'a character that has no place there';
    const kind = match[4] ? 'mark' : match[3] ? 'word' : match[2] ? 'literal' : 'quoted';
    tokens.push({ kind, text: match[0], glued });
    glued = true;
    at = pattern.lastIndex;
  }
  return tokens;
}

function commentEnd(value: string, from: number): number {
  let depth = 0;
  for (let at = from; at < value.length; at++) {
    const c = value[at];
    if (c === '\\') at++;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return at + 1;
  }
  return -1;
}

function mailboxOf(run: readonly Token[]): Address | { error: string } {
  const opened = run.findIndex((t) => t.kind === 'mark' && t.text === '<');
  if (opened < 0) return addrSpec(run);
  const last = run.at(-1) as Token;
  if (last.kind !== 'mark' || last.text !== '>') return { error: 'text after the address' };
  const address = addrSpec(run.slice(opened + 1, -1));
  const name = run.slice(0, opened);
  if (typeof address === 'string' && name.some((t) => t.kind === 'mark' || t.kind === 'literal')) {
    const inName = addrSpec(name);
    if (inName !== address) return { error: 'the display name is another address' };
  }
  return address;
}

function addrSpec(tokens: readonly Token[]): Address | { error: string } {
  if (tokens.some((t) => t.kind === 'mark' && t.text !== '@')) {
    return { error: 'an obsolete route, or a mark inside an address' };
  }
  const text = tokens.map((t, i) => (i > 0 && !t.glued ? `\n${t.text}` : t.text)).join('');
  // A space or comment may stand around an address, not inside (RFC 5322 §4.4 allows it as obsolete only).
  if (text.includes('\n')) return { error: 'a space inside an address' };
  // RFC 2047 §5 (3): none may stand here; a reader that decodes it all the same sees an address of its own making.
  if (/=\?[^?]*\?[bq]\?/i.test(text)) return { error: 'an encoded word inside an address' };
  const path = parsePath(text, { smtpUtf8: true });
  if ('error' in path) return path;
  if (path.ok === '') return { error: 'an empty address' };
  return path.flag === 'address literal' ? { error: 'an address literal' } : path.ok;
}
