// One message's mail data while it comes in, by DATA or in the chunks of BDAT: bounds on size, time and rate. Logs nothing.

import type { Time } from '../domain/ids.ts';
import type { Reply } from '../domain/types.ts';
import { REPLIES } from './answers.ts';
import { Body, DataRefused, type Step } from './data.ts';
import type { Busy, DataMode } from './reader.ts';

export type TransferLimits = {
  /** Octets of mail data, un-stuffed. */
  readonly maxSize: number;
  /** Milliseconds from the 354 to the final dot, or from the first BDAT to the end of the last chunk, not counting the time
   *  in which the client waits for us. */
  readonly data: number;
  /** Octets a second, on the average, once the first ten seconds are over. */
  readonly minRate: number;
};

/** Before this a rate says nothing. */
const RATE_AFTER = 10_000;
/** How much more than the largest message is read, to give the refusal at its end. */
const OVERRUN = 8 * 1024 * 1024;

/** Finds the end of what one command brings: the final dot, or the last octet of a chunk. */
export type Source = { readonly fault: Reply | null; readonly push: (octets: Uint8Array) => Step };

export class Transfer {
  readonly body = new Body();
  readonly #limits: TransferLimits;
  readonly #now: () => Time;
  readonly #since: Time;
  #octets = 0;
  #blocked = 0;
  #blockedSince: Time | null = null;
  #ended = false;
  /** Why the mail data is refused, whatever the consumer says. */
  refusal: Reply | null = null;

  constructor(limits: TransferLimits, now: () => Time) {
    this.#limits = limits;
    this.#now = now;
    this.#since = now();
  }

  /** Hands content on. A promise when there is no room for more, which resolves when there is. */
  take({ used, content }: Step, fault: Reply | null): Busy {
    // After a fault the content is dropped, but what is sent still counts.
    this.#octets += fault ? used : content.length;
    if (fault) this.refuse(fault);
    else if (this.#octets > this.#limits.maxSize) this.refuse(REPLIES.tooLarge);
    const room = this.refusal ? undefined : this.body.put(content);
    if (room) return this.#wait(room);
  }

  /** So many octets are announced. Line ends that are completed can make them more, never fewer. */
  expect(octets: number): void {
    if (this.#octets + octets > this.#limits.maxSize) this.refuse(REPLIES.tooLarge);
  }

  /** All of it came. */
  end(): void {
    this.#ended = true;
    this.body.end();
  }

  /** The client sends more than anybody should read: it is refused now rather than at the end. */
  get endless(): boolean {
    return this.refusal !== null && this.#octets > this.#limits.maxSize + OVERRUN;
  }

  /** Null while the client keeps within its time. */
  overdue(now: Time): Reply | null {
    if (this.#ended) return null;
    const waited = this.#blocked + (this.#blockedSince === null ? 0 : now - this.#blockedSince);
    const elapsed = now - this.#since - waited;
    if (elapsed > this.#limits.data) return REPLIES.timeout;
    const slow = elapsed > RATE_AFTER && this.#octets < (this.#limits.minRate * elapsed) / 1000;
    return slow ? REPLIES.tooSlow : null;
  }

  /** Ends it for the consumer; what still comes is dropped. The first refusal stands. */
  refuse(reply: Reply): void {
    if (this.refusal) return;
    this.refusal = reply;
    this.body.fail(new DataRefused(reply));
  }

  // The client must not be blamed for the time in which nobody takes what it sent.
  async #wait(room: Promise<void>): Promise<void> {
    this.#blockedSince = this.#now();
    await room;
    this.#blocked += this.#now() - this.#blockedSince;
    this.#blockedSince = null;
  }
}

export type ReadingOwner = {
  /** All of it came; awaited before anything else is read. `room` is a promise where there is none for more. */
  readonly ended: (room: Busy) => Busy;
  /** The client sends more than anybody should read. */
  readonly endless: () => void;
};

/** What one command brings, from the reader of the session into its transfer. */
export class Reading implements DataMode {
  readonly transfer: Transfer;
  readonly #source: Source;
  readonly #on: ReadingOwner;
  #ended = false;

  constructor(source: Source, transfer: Transfer, on: ReadingOwner) {
    this.transfer = transfer;
    this.#source = source;
    this.#on = on;
  }

  readonly ended = (): boolean => this.#ended;

  readonly feed = (octets: Uint8Array): number | Promise<number> => {
    const step = this.#source.push(octets);
    let busy = this.transfer.take(step, this.#source.fault);
    if (step.ended) {
      this.#ended = true;
      busy = this.#on.ended(busy);
    } else if (this.transfer.endless) this.#on.endless();
    return busy ? busy.then(() => step.used) : step.used;
  };
}
