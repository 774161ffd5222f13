// Bounds per client address: sessions at a time, connections a minute, failed authentications. In memory only; a restart
// forgets them. Logs nothing.

import type { Duration, Time } from '../domain/ids.ts';
import type { Reply } from '../domain/types.ts';
import { addressKey } from '../trust/networks.ts';
import { REPLIES } from './answers.ts';

export type AdmissionLimits = {
  /** Sessions at a time, all addresses. */
  readonly sessions: number;
  /** Sessions at a time from one address (an IPv6 /64 counts as one). */
  readonly perAddress: number;
  /** Connections a minute from one address; 0: no bound. */
  readonly connectionsPerMinute: number;
  /** Failed authentications in a session before 421, and from an address before it must wait. */
  readonly authFailures: number;
};

const MINUTE: Duration = 60_000;
const FIRST_WAIT: Duration = 10_000;
const LONGEST_WAIT: Duration = 15 * MINUTE;

type Entry = { open: number; since: Time; count: number; failures: number; barredUntil: Time };

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #entries = new Map<string, Entry>();
  #open = 0;
  #pruned: Time = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Null counts the session in, to be given back by `leave`; a reply refuses the connection. */
  enter(ip: string, now: Time): Reply | null {
    this.#prune(now);
    if (this.#open >= this.#limits.sessions) return REPLIES.tooManySessions;
    const entry = this.#entry(ip, now);
    if (now - entry.since >= MINUTE) Object.assign(entry, { since: now, count: 0 });
    entry.count++;
    const { perAddress, connectionsPerMinute } = this.#limits;
    if (entry.open >= perAddress) return REPLIES.tooManyFromAddress;
    if (connectionsPerMinute > 0 && entry.count > connectionsPerMinute) return REPLIES.tooManyFromAddress;
    entry.open++;
    this.#open++;
    return null;
  }

  leave(ip: string): void {
    this.#open--;
    const entry = this.#entries.get(addressKey(ip));
    if (entry) entry.open--;
  }

  /** True while the address has to wait after failed authentications; no password is checked meanwhile. */
  barred(ip: string, now: Time): boolean {
    return now < (this.#entries.get(addressKey(ip))?.barredUntil ?? 0);
  }

  /** A failure past the bound doubles the wait: 10 s, 20 s … 15 min. */
  failed(ip: string, now: Time): void {
    const entry = this.#entry(ip, now);
    const beyond = ++entry.failures - this.#limits.authFailures;
    if (beyond >= 0) entry.barredUntil = now + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(beyond, 10));
  }

  succeeded(ip: string): void {
    const entry = this.#entries.get(addressKey(ip));
    if (entry) entry.failures = 0;
  }

  #entry(ip: string, now: Time): Entry {
    const key = addressKey(ip);
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { open: 0, since: now, count: 0, failures: 0, barredUntil: 0 };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #prune(now: Time): void {
    if (now - this.#pruned < MINUTE) return;
    this.#pruned = now;
    for (const [key, entry] of this.#entries) {
      const quiet = now - entry.since >= MINUTE && now - entry.barredUntil >= LONGEST_WAIT;
      if (entry.open <= 0 && quiet) this.#entries.delete(key);
    }
  }
}
