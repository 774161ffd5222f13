// The SASL exchanges PLAIN (RFC 4616) and LOGIN as steps; pure. The session carries the lines; nothing is kept here.

import type { Reply } from '../domain/types.ts';
import { REPLIES } from './answers.ts';

/** `ask` is the text of a 334, base64; `next` takes the client's line. */
export type AuthStep =
  | { readonly ask: string; readonly next: (line: string) => AuthStep }
  | { readonly login: string; readonly password: string }
  | { readonly refused: Reply };

export const MECHANISMS = ['PLAIN', 'LOGIN'] as const;

const USERNAME = Buffer.from('Username:').toString('base64');
const PASSWORD = Buffer.from('Password:').toString('base64');

/** `text` is the command without `AUTH`. */
export function beginAuth(text: string): AuthStep {
  const match = /^ +([A-Za-z0-9_-]+)(?: +(\S+))?$/.exec(text);
  if (!match) return { refused: REPLIES.badSyntax };
  const mechanism = match[1]?.toUpperCase();
  // RFC 4954 §4: `=` is an empty initial response.
  const initial = match[2] === '=' ? '' : match[2];
  if (mechanism === 'PLAIN') {
    return initial === undefined ? { ask: '', next: (line) => decoded(line, plain) } : decoded(initial, plain);
  }
  if (mechanism === 'LOGIN') {
    return initial === undefined ? { ask: USERNAME, next: (line) => decoded(line, user) } : decoded(initial, user);
  }
  return { refused: REPLIES.unknownMechanism };
}

function plain(message: string): AuthStep {
  const parts = message.split('\0');
  const [authorize, login, password] = parts;
  if (parts.length !== 3 || !login || password === undefined) return { refused: REPLIES.badBase64 };
  // Nobody may act for another login.
  if (authorize !== '' && authorize !== login) return { refused: REPLIES.badLogin };
  return { login, password };
}

function user(login: string): AuthStep {
  return { ask: PASSWORD, next: (line) => decoded(line, (password) => ({ login, password })) };
}

function decoded(line: string, then: (text: string) => AuthStep): AuthStep {
  if (line === '*') return { refused: REPLIES.authCancelled };
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(line)) {
    return { refused: REPLIES.badBase64 };
  }
  try {
    return then(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(line, 'base64')));
  } catch {
    return { refused: REPLIES.badBase64 };
  }
}
