// One message's mail data while it comes in: bounds on size, time and rate, and the reply that its consumer gives.
// Logs nothing itself; an error of the consumer is handed to the session as a name.

import type { Time } from '../domain/ids.ts';
import type { Reply } from '../domain/types.ts';
import { REPLIES } from './answers.ts';
import { Body, DataRefused, DotReader } from './data.ts';
import type { DataMode } from './reader.ts';

export type TransferLimits = {
  /** Octets of mail data, un-stuffed. */
  readonly maxSize: number;
  /** Milliseconds from the 354 to the final dot, not counting the time in which the client waits for us. */
  readonly data: number;
  /** Octets a second, on the average, once the first ten seconds are over. */
  readonly minRate: number;
};

/** Before this a rate says nothing. */
const RATE_AFTER = 10_000;
/** How much more than the largest message is read, to give the refusal at its end. */
const OVERRUN = 8 * 1024 * 1024;

export class Transfer implements DataMode {
  readonly body = new Body();
  readonly #dots = new DotReader();
  readonly #limits: TransferLimits;
  readonly #now: () => Time;
  readonly #since: Time;
  readonly #onEnd: () => Promise<void>;
  #octets = 0;
  #blocked = 0;
  #blockedSince: Time | null = null;
  #ended = false;
  /** Why the mail data is refused, whatever the consumer says. */
  refusal: Reply | null = null;

  constructor(limits: TransferLimits, now: () => Time, onEnd: () => Promise<void>) {
    this.#limits = limits;
    this.#now = now;
    this.#since = now();
    this.#onEnd = onEnd;
  }

  readonly ended = (): boolean => this.#ended;

  readonly feed = (chunk: Uint8Array): number | Promise<number> => {
    const { used, content, ended } = this.#dots.push(chunk);
    // After a fault the content is dropped, but what is sent still counts.
    this.#octets += this.#dots.fault ? used : content.length;
    if (this.#dots.fault) this.#refuse(this.#dots.fault);
    else if (this.#octets > this.#limits.maxSize) this.#refuse(REPLIES.tooLarge);
    const room = this.refusal ? undefined : this.body.put(content);
    if (ended) return this.#finish(used);
    return room ? this.#wait(room, used) : used;
  };

  /** The client sends more than anybody should read: it is refused now rather than at the end. */
  get endless(): boolean {
    return !this.#ended && this.refusal !== null && this.#octets > this.#limits.maxSize + OVERRUN;
  }

  /** Null while the client keeps within its time. */
  overdue(now: Time): Reply | null {
    const waited = this.#blocked + (this.#blockedSince === null ? 0 : now - this.#blockedSince);
    const elapsed = now - this.#since - waited;
    if (elapsed > this.#limits.data) return REPLIES.timeout;
    const slow = elapsed > RATE_AFTER && this.#octets < (this.#limits.minRate * elapsed) / 1000;
    return slow ? REPLIES.tooSlow : null;
  }

  /** Ends it for the consumer; the session closes the connection. */
  cut(reply: Reply): void {
    this.#refuse(reply);
  }

  #refuse(reply: Reply): void {
    if (this.refusal) return;
    this.refusal = reply;
    this.body.fail(new DataRefused(reply));
  }

  async #finish(used: number): Promise<number> {
    this.#ended = true;
    this.body.end();
    await this.#onEnd();
    return used;
  }

  // The client must not be blamed for the time in which nobody takes what it sent.
  async #wait(room: Promise<void>, used: number): Promise<number> {
    this.#blockedSince = this.#now();
    await room;
    this.#blocked += this.#now() - this.#blockedSince;
    this.#blockedSince = null;
    return used;
  }
}
