// What must become of a message of the real-input set, by rules that do not come from the gateway's code.

import { isOneReceived } from './compare.ts';
import type { Fault } from './corpus.ts';
import type { Outcome } from './send.ts';

/** Faults for which a message must be refused, with the replies that are right (RFC 5321 §4.2.3, RFC 3463). */
const REFUSED: Partial<Record<Fault, RegExp>> = {
  NUL: /^550 5\.(6\.0|5\.2)/,
  'bare CR': /^550 5\.(5\.2|6\.0)/,
  // No sender, no organization: a message that nobody vouches for.
  'no From': /^55[04] 5\.(7\.\d+|6\.0)/,
  'several From': /^55[04] 5\.(7\.\d+|6\.0)/,
};
/** Faults for which a message may be refused; taken, it must arrive like any other. */
const REFUSABLE: Partial<Record<Fault, RegExp>> = {
  'odd From': /^55[04] 5\.(7\.\d+|6\.0)/,
  'long line': /^55[04] 5\.6\.(0|11)/,
};

/** Null when all is right, else what is wrong in words. */
export function judge({ sample, reply, arrived, copies }: Outcome): string | null {
  const last = reply.text.split('\r\n').at(-1) ?? '';
  const must = sample.faults.flatMap((fault) => REFUSED[fault] ?? []);
  if (must.length > 0) {
    if (arrived !== null) return 'arrived, but must be refused';
    return must.some((right) => right.test(last)) ? null : 'must be refused with another reply';
  }
  if (reply.code !== 250) {
    const may = sample.faults.flatMap((fault) => REFUSABLE[fault] ?? []);
    return may.some((right) => right.test(last)) ? null : 'refused, but nothing is wrong with it';
  }
  if (arrived === null) return 'accepted, but did not arrive';
  if (copies > 1) return `arrived ${copies} times`;
  if (!arrived.same) return 'changed on its way';
  return isOneReceived(arrived.trace) ? null : 'something else than one Received field stands in front';
}
