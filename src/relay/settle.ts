// What becomes of a delivery after an attempt: pure. Only a proven lack runs a step's clock; what could not be reached
// runs the message's lifetime (src/README.md). An unrecognised failure is temporary.

import type { Duration, Time } from '../domain/ids.ts';
import { evidenceText, protectionText } from '../domain/protection.ts';
import type { Delivery, Next, Outcome, Protection, ProtectionName, Settlement } from '../domain/types.ts';

export type Clocks = {
  /** How long, and how many attempts, a lack is endured before the next protection is taken: both must have passed. */
  readonly lacking: Duration;
  readonly attempts: number;
};

export type SettleOptions = {
  readonly now: Time;
  readonly clocks: Clocks;
  /** Protections that this gateway can make. */
  readonly built: readonly ProtectionName[];
  /** What an outage of our own means for clocks (outage.ts). */
  readonly outage?: Standstill;
  /** 0 ≤ x < 1, for the jitter of the wait. */
  readonly fraction: number;
  /** Tried again no sooner; a little later than it, each at a time of its own. */
  readonly notBefore?: Time;
  /** Items of the list that could not be tried, each with why. */
  readonly passed?: readonly string[];
  /** What the item was tried with: `key 9C1F22AB`. */
  readonly using?: string;
};

export type Standstill = {
  /** How long a delivery is tried from when it was accepted. */
  readonly lifetime: Duration;
  /** Since `from`: how long clocks stood still. */
  readonly stood: (from: Time) => Duration;
  /** Nothing goes out now. */
  readonly away: boolean;
};

const MINUTE = 60_000;
/** In an outage no wait is longer than the one after so many attempts: the return must be seen. */
const AWAY = 3;
/** Waits after the first, second … attempt; the last one repeats. RFC 5321 §4.5.4.1 asks for at least 30 minutes once
 *  the first tries have failed. */
const WAITS: readonly Duration[] = [1, 2, 5, 10, 20, 30, 45, 60].map((minutes) => minutes * MINUTE);

/** When a delivery is given up: later by as long as its clock stood still. */
export function expiryOf(
  { expiresAt }: Pick<Delivery, 'expiresAt'>,
  outage: Pick<Standstill, 'lifetime' | 'stood'>,
): Time {
  return expiresAt + outage.stood(expiresAt - outage.lifetime);
}

/** Time of the next attempt, ± 20 % so that what failed together does not return together. */
export function nextAttempt(attempts: number, now: Time, fraction: number): Time {
  const wait = WAITS[Math.min(Math.max(attempts, 1), WAITS.length) - 1] ?? MINUTE;
  return now + Math.round(wait * (0.8 + 0.4 * fraction));
}

export function settle(delivery: Delivery, outcome: Outcome, options: SettleOptions): Settlement {
  const { next, because, status } = judge(delivery, outcome, options);
  const { step } = delivery;
  const tried = protectionsOf(delivery)[step];
  const protection = tried === undefined ? null : protectionText(tried);
  return {
    delivery: delivery.id,
    outcome,
    step,
    protection,
    next,
    because: whole(because, protection, options),
    status,
  };
}

/** The steps before and what was used, in front of what came of it: `pgp: no key known → tls: TLS 1.3, …`. */
function whole(because: string, protection: string | null, { passed = [], using }: SettleOptions): string {
  if (passed.length === 0 && using === undefined) return because;
  const named = because.startsWith(`${protection}: `) ? because : `${protection ?? 'protection'}: ${because}`;
  const last = using === undefined ? named : named.replace(': ', ` with ${using}: `);
  return [...passed, last].join(' → ');
}

type Judgement = Pick<Settlement, 'next' | 'because' | 'status'>;

function judge(delivery: Delivery, outcome: Outcome, options: SettleOptions): Judgement {
  switch (outcome.kind) {
    case 'delivered': {
      const { reply, evidence } = outcome;
      const because = `${evidenceText(evidence)}; ${replyText(reply)}`;
      return { next: { state: 'delivered' }, because, status: reply.enhanced };
    }
    case 'refused': {
      const { reply } = outcome;
      if (reply.code >= 500 && reply.code < 600) {
        return { next: { state: 'bounced' }, because: replyText(reply), status: reply.enhanced };
      }
      return later(delivery, options, replyText(reply), reply.enhanced);
    }
    case 'lacking':
      return lacking(delivery, outcome, options);
    case 'unreached':
    case 'in doubt':
      return later(delivery, options, outcome.reason, outcome.status);
  }
}

function replyText(reply: { code: number; enhanced: string; text: string }): string {
  return `${reply.code} ${reply.enhanced} ${reply.text}`.trim();
}

/** Tried again on the same step, or given up when the message's lifetime is over. */
function later(delivery: Delivery, options: SettleOptions, because: string, status: string): Judgement {
  const { outage } = options;
  const expiresAt = outage === undefined ? delivery.expiresAt : expiryOf(delivery, outage);
  const attempts = outage?.away ? Math.min(delivery.attempts, AWAY) : delivery.attempts;
  if (options.now >= expiresAt) {
    return {
      next: { state: 'bounced' },
      because: `not delivered within its lifetime; last: ${because}`,
      status: '5.4.7',
    };
  }
  const next: Next = {
    state: 'ready',
    notBefore: Math.min(nextTime(attempts, options), expiresAt),
    step: delivery.step,
    stepSince: delivery.stepSince,
    stepAttempts: delivery.stepAttempts,
  };
  return { next, because, status };
}

function nextTime(attempts: number, { now, fraction, notBefore = 0 }: SettleOptions): Time {
  return Math.max(nextAttempt(attempts, now, fraction), notBefore + Math.round(MINUTE * fraction));
}

function lacking(delivery: Delivery, outcome: Outcome & { kind: 'lacking' }, options: SettleOptions): Judgement {
  const since = delivery.stepSince ?? options.now;
  const attempts = delivery.stepAttempts + 1;
  const over =
    attempts >= options.clocks.attempts &&
    options.now - since - (options.outage?.stood(since) ?? 0) >= options.clocks.lacking;
  if (!outcome.atOnce && !over) {
    const again = later(delivery, options, outcome.reason, outcome.status);
    if (again.next.state !== 'ready') return again;
    return { ...again, next: { ...again.next, stepSince: since, stepAttempts: attempts } };
  }
  const list = protectionsOf(delivery);
  const tried = list[delivery.step];
  const step = possibleStep(list, delivery.step + 1, options.built);
  const words = `${tried === undefined ? 'protection' : protectionText(tried)}: ${outcome.reason}`;
  if (step === null)
    return { next: { state: 'held' }, because: `${words}; no other protection is left`, status: outcome.status };
  const next: Next = { state: 'ready', notBefore: options.now, step, stepSince: null, stepAttempts: 0 };
  return { next, because: `${words} → ${protectionText(list[step] as Protection)}`, status: outcome.status };
}

export function protectionsOf(delivery: Delivery): readonly Protection[] {
  const action = delivery.decision?.action;
  return action?.kind === 'deliver' ? action.protections : [];
}

/** First index from `from` on whose protection can be made; null when none is left. */
export function possibleStep(
  list: readonly Protection[],
  from: number,
  built: readonly ProtectionName[],
): number | null {
  for (let i = from; i < list.length; i++) if (built.includes((list[i] as Protection).name)) return i;
  return null;
}
