// What stands after `MAIL FROM:`, `RCPT TO:` and `BDAT`, read strictly (RFC 5321 §4.1.2, RFC 1870, 3030, 3461, 6152, 6531).
// Pure; an error is the reply to give, and never repeats what the client said.

import type { Address } from '../domain/ids.ts';
import type { DsnEnvelope, DsnRecipient, Reply } from '../domain/types.ts';
import { parsePath } from '../mail/address.ts';
import { REPLIES } from './answers.ts';

export type MailCommand = {
  /** Empty for `<>`. */
  readonly reversePath: string;
  /** Octets, as declared. */
  readonly size?: number;
  readonly dsn: DsnEnvelope;
  readonly smtpUtf8: boolean;
  readonly body: '7BIT' | '8BITMIME';
};
export type RcptCommand = { readonly address: Address; readonly dsn: DsnRecipient };
/** What BDAT says of the octets behind it. */
export type Chunk = { readonly size: number; readonly last: boolean };
export type Refusal = { readonly refused: Reply };

type Parameters = ReadonlyMap<string, string | null>;
type Split = { readonly path: string; readonly parameters: Parameters };

const MAIL_KEYS = new Set(['SIZE', 'BODY', 'SMTPUTF8', 'RET', 'ENVID']);
const RCPT_KEYS = new Set(['NOTIFY', 'ORCPT']);
const NOTIFY = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'] as const;

/** `text` is the command without `MAIL`; `extended` is false after HELO, `auth` where AUTH was offered. */
export function parseMail(text: string, session: { extended: boolean; auth: boolean }): MailCommand | Refusal {
  const split = splitCommand(text, 'FROM:', REPLIES.badSender);
  if ('refused' in split) return split;
  const { path, parameters } = split;
  if (parameters.size > 0 && !session.extended) return { refused: REPLIES.unknownParameter };
  for (const key of parameters.keys()) {
    // RFC 4954 §5: AUTH= may be given where AUTH was offered; what it says is not used.
    if (!MAIL_KEYS.has(key) && !(key === 'AUTH' && session.auth)) return { refused: REPLIES.unknownParameter };
  }
  const smtpUtf8 = parameters.has('SMTPUTF8');
  const parsed = parsePath(path, { smtpUtf8 });
  if ('error' in parsed) return { refused: needsUtf8(path, smtpUtf8) ?? REPLIES.badSender };
  const options = mailOptions(parameters);
  return options ? { reversePath: parsed.ok, smtpUtf8, ...options } : { refused: REPLIES.badParameter };
}

function mailOptions(parameters: Parameters): Omit<MailCommand, 'reversePath' | 'smtpUtf8'> | null {
  if ((parameters.get('SMTPUTF8') ?? null) !== null) return null;
  const size = parameters.get('SIZE');
  // RFC 1870 §3: 1*20DIGIT.
  if (parameters.has('SIZE') && !/^\d{1,20}$/.test(size ?? '')) return null;
  const body = parameters.has('BODY') ? (parameters.get('BODY') ?? '').toUpperCase() : '7BIT';
  if (body !== '7BIT' && body !== '8BITMIME') return null;
  const ret = parameters.has('RET') ? (parameters.get('RET') ?? '').toUpperCase() : undefined;
  if (ret !== undefined && ret !== 'FULL' && ret !== 'HDRS') return null;
  const envid = parameters.has('ENVID') ? decodeXtext(parameters.get('ENVID') ?? '', 100) : undefined;
  if (envid === null || envid === '') return null;
  const dsn: DsnEnvelope = { ...(ret === undefined ? {} : { ret }), ...(envid === undefined ? {} : { envid }) };
  return { body, dsn, ...(size ? { size: Number(size) } : {}) };
}

/** `text` is the command without `RCPT`; `hostname` completes `<postmaster>` (RFC 5321 §4.1.1.3). */
export function parseRcpt(
  text: string,
  session: { extended: boolean; smtpUtf8: boolean; hostname: string },
): RcptCommand | Refusal {
  const split = splitCommand(text, 'TO:', REPLIES.badRecipient);
  if ('refused' in split) return split;
  const { parameters } = split;
  if (parameters.size > 0 && !session.extended) return { refused: REPLIES.unknownParameter };
  for (const key of parameters.keys()) if (!RCPT_KEYS.has(key)) return { refused: REPLIES.unknownParameter };
  const path = /^<postmaster>$/i.test(split.path) ? `<${split.path.slice(1, -1)}@${session.hostname}>` : split.path;
  const parsed = parsePath(path, session);
  if ('error' in parsed) return { refused: needsUtf8(path, session.smtpUtf8) ?? REPLIES.badRecipient };
  if (parsed.ok === '') return { refused: REPLIES.badRecipient };
  if (parsed.flag && path === split.path) return { refused: REPLIES.badDestination };
  const dsn = rcptOptions(parameters, session.smtpUtf8);
  return dsn ? { address: parsed.ok, dsn } : { refused: REPLIES.badParameter };
}

function rcptOptions(parameters: Parameters, smtpUtf8: boolean): DsnRecipient | null {
  const notify = parameters.has('NOTIFY') ? parseNotify(parameters.get('NOTIFY') ?? '') : undefined;
  const orcpt = parameters.has('ORCPT') ? parseOrcpt(parameters.get('ORCPT') ?? '', smtpUtf8) : undefined;
  if (notify === null || orcpt === null) return null;
  return { ...(notify === undefined ? {} : { notify }), ...(orcpt === undefined ? {} : { orcpt }) };
}

// RFC 3461 §4.1: NEVER stands alone; no value twice.
function parseNotify(text: string): DsnRecipient['notify'] | null {
  const values = text.toUpperCase().split(',');
  const known = values.filter((value) => (NOTIFY as readonly string[]).includes(value)) as (typeof NOTIFY)[number][];
  if (known.length !== values.length || new Set(known).size !== known.length) return null;
  return known.includes('NEVER') && known.length > 1 ? null : known;
}

// RFC 3461 §4.2: addr-type ";" xtext, 500 characters in all; RFC 6533 §3 adds the type utf-8, kept in its own encoding.
function parseOrcpt(text: string, smtpUtf8: boolean): string | null {
  const parts = /^([A-Za-z0-9-]{1,40});(.+)$/u.exec(text);
  if (!parts || text.length > 500) return null;
  const [, type, value] = parts as unknown as [string, string, string];
  if (type.toLowerCase() === 'utf-8') {
    return (smtpUtf8 || !/[^\x21-\x7e]/.test(value)) && !/\p{Cc}/u.test(value) ? `${type};${value}` : null;
  }
  const decoded = decodeXtext(value, 500);
  return decoded === null || decoded === '' ? null : `${type};${decoded}`;
}

/** RFC 3461 §4: `+` and two upper-case hex digits stand for an octet. Null when malformed, too long or not printable. */
export function decodeXtext(text: string, max: number): string | null {
  if (text.length > max || !/^(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*$/.test(text)) return null;
  const decoded = text.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return /^[\x20-\x7e]*$/.test(decoded) ? decoded : null;
}

/** RFC 3030 §2, digits bounded as in RFC 1870 §3; `text` is the command without `BDAT`. Null when it is anything else. */
export function parseChunk(text: string): Chunk | null {
  const match = /^ +(\d{1,20})( +LAST)?$/i.exec(text);
  return match ? { size: Number(match[1]), last: match[2] !== undefined } : null;
}

function needsUtf8(path: string, smtpUtf8: boolean): Reply | null {
  return !smtpUtf8 && /[\u{80}-\u{10ffff}]/u.test(path) ? REPLIES.needsUtf8 : null;
}

function splitCommand(text: string, keyword: string, badPath: Reply): Split | Refusal {
  const match = /^ +(FROM:|TO:) *(?=<)/i.exec(text);
  if (match?.[1]?.toUpperCase() !== keyword) return { refused: REPLIES.badSyntax };
  const rest = text.slice(match[0].length);
  const end = pathEnd(rest);
  if (end < 0) return { refused: badPath };
  const parameters = parseParameters(rest.slice(end));
  return parameters ? { path: rest.slice(0, end), parameters } : { refused: REPLIES.badParameter };
}

// A quoted local part may hold `>` and spaces, so the path ends at the first `>` outside quotes.
function pathEnd(text: string): number {
  let quoted = false;
  for (let i = 1; i < text.length; i++) {
    const char = text[i];
    if (quoted && char === '\\') i++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === '>') return i + 1;
  }
  return -1;
}

function parseParameters(text: string): Parameters | null {
  const parameters = new Map<string, string | null>();
  if (text.trim() === '') return parameters;
  if (!text.startsWith(' ')) return null;
  for (const word of text.trim().split(/ +/)) {
    // RFC 5321 §4.1.2 esmtp-param, values widened by RFC 6531 §3.3.
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\u{80}-\u{10ffff}]+))?$/u.exec(word);
    const key = match?.[1]?.toUpperCase();
    if (!match || key === undefined || parameters.has(key)) return null;
    parameters.set(key, match[2] ?? null);
  }
  return parameters;
}
