// The mail that says that the gateway needs a person, or no longer does. Counts and types; nothing in it is of a person.

import type { Address, Time } from '../domain/ids.ts';
import { compose, isAscii } from './dsn.ts';

export type AlertMail = {
  readonly hostname: string;
  readonly to: readonly Address[];
  readonly date: Time;
  /** With angle brackets. */
  readonly messageId: string;
  readonly raised: readonly {
    readonly name: string;
    /** What is so now: `3 deliveries, the oldest for 2 days`. */
    readonly value: string;
    readonly means: string;
    readonly next: string;
  }[];
  /** What is over. */
  readonly over: readonly string[];
};

const NAMED = 3;

export function composeAlert({ raised, over, ...mail }: AlertMail): Promise<Buffer> {
  const lines: string[] = [];
  if (raised.length > 0) lines.push(`The mail gateway ${mail.hostname} needs a person.`, '');
  for (const { name, value, means, next } of raised) {
    lines.push(`! ${name}: ${value}`, `  ${means}`, `  Next: ${next}`, '');
  }
  if (over.length > 0) lines.push('No longer so:', ...over.map((name) => `  ${name}`), '');
  lines.push('Each of these is told once an hour at most, and once a day while it lasts.');
  lines.push('To see all of it: sealrelay doctor.');
  const names = raised.map(({ name }) => name);
  const what = names.length > 0 ? shortList(names) : `over: ${shortList(over)}`;
  return compose(mail, asciiOf(`Mail gateway ${mail.hostname}: ${what}`), [
    { type: 'text/plain; charset=utf-8', text: `${lines.join('\r\n')}\r\n` },
  ]);
}

function shortList(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** An organization's name may be in any script. */
function asciiOf(text: string): string {
  return isAscii(text) ? text : text.replace(/[^\x20-\x7e]/g, '?');
}
