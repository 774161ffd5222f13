// How much of the disk bodies may still take. Space is claimed before it is written, so that many senders at once find
// out before the disk does (P11); what writers have claimed and not yet written counts as gone. The file system is asked
// at most once a second, and what was written since is subtracted. It cannot see what other programs will write: the
// configured reserve is for them.

import type { Clock } from '../../domain/types.ts';
import type { BodyIo } from './io.ts';
import { BodyError } from './port.ts';

const STALE = 1000;

export type SpaceDeps = {
  readonly io: BodyIo;
  readonly dir: string;
  readonly clock: Clock;
  /** Octets that bodies never take, now. */
  readonly reserve: () => number;
};

export class Space {
  readonly #deps: SpaceDeps;
  #free = 0;
  #reserved = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #measuring: Promise<void> | undefined;

  constructor(deps: SpaceDeps) {
    this.#deps = deps;
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** Asks the file system. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  /** Asks the file system when it was not asked within the last second. */
  async refresh(): Promise<void> {
    if (this.#deps.clock.now() - this.#measuredAt > STALE) await this.measure();
  }

  async #measure(): Promise<void> {
    const free = await this.#deps.io.free(this.#deps.dir);
    this.#free = free;
    this.#measuredAt = this.#deps.clock.now();
  }

  get free(): number {
    return this.#free;
  }

  #fits(octets: number): boolean {
    return this.#free - this.#deps.reserve() - this.#reserved >= octets;
  }

  /** Takes `octets` out of what is free; throws BodyError `full` when they are not there. */
  claim(octets: number): void {
    if (this.#deps.clock.now() - this.#measuredAt > STALE) this.measure().catch(() => {});
    if (!this.#fits(octets)) throw new BodyError('full', 'no space for the body');
    this.#reserved += octets;
  }

  /** As `claim`, but asks the file system before it refuses. */
  async claimAfterMeasuring(octets: number): Promise<void> {
    if (!this.#fits(octets)) await this.measure();
    this.claim(octets);
  }

  release(octets: number): void {
    this.#reserved -= octets;
  }

  /** Octets that went to disk since the last measurement. */
  wrote(octets: number): void {
    this.#free -= octets;
  }
}
