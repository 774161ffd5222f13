// Appends records so that one sync serves many: a batch is what came while the last one was being written and synced. A
// record is durable when segment and key file are both synced; the two syncs run side by side, and so do up to `lanes`
// batches. A full disk rejects its batch; any other failure, above all of a sync, ends the store: the kernel drops pages
// that it could not write, and a second fsync says that all is well. Logs nothing.

import { codeOf, isFull, writeAll } from './io.ts';
import { SLOT } from './layout.ts';
import { BodyError } from './port.ts';
import type { Pair, Segment } from './segment.ts';

export type Item = {
  readonly segment: Segment;
  readonly slot: number;
  readonly slotBytes: Buffer;
  readonly position: number;
  readonly buffers: readonly Uint8Array[];
  readonly length: number;
};
type Waiting = Item & { readonly done: (error?: BodyError) => void };

export type AppenderDeps = {
  readonly lanes: number;
  /** Octets went to disk. */
  readonly wrote: (octets: number) => void;
  /** Nothing can be written any more; called once. */
  readonly failed: (why: string) => void;
};

/** Milliseconds. */
const GATHER_MS = 1;

export class Appender {
  readonly #deps: AppenderDeps;
  readonly #idle: number[];
  #waiting: Waiting[] = [];
  #failure: BodyError | undefined;
  /** When the last batch began, on the clock of `performance`. */
  #begun = 0;
  #drained: (() => void)[] = [];

  constructor(deps: AppenderDeps) {
    this.#deps = deps;
    this.#idle = Array.from({ length: deps.lanes }, (_, lane) => lane).reverse();
  }

  /** Set once the store may not write any more. */
  get failure(): BodyError | undefined {
    return this.#failure;
  }

  /** Resolves when the record is durable. */
  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: BodyError) => {
        if (error) reject(error);
        else resolve();
        item.segment.settled();
      };
      if (this.#failure) return done(this.#failure);
      this.#waiting.push({ ...item, done });
      // Those that end in the same turn of the event loop go together.
      if (this.#waiting.length === 1) setImmediate(() => this.#gather());
    });
  }

  /** Resolves when nothing is being written. */
  async drained(): Promise<void> {
    while (this.#waiting.length > 0 || this.#idle.length < this.#deps.lanes) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  /** Ends all writing: `why` is a system error code or a word. */
  fail(why: string): BodyError {
    if (!this.#failure) {
      this.#failure = new BodyError('failed', `the body store failed (${why}) and takes nothing more`);
      for (const item of this.#waiting.splice(0)) item.done(this.#failure);
      this.#deps.failed(why);
    }
    return this.#failure;
  }

  /** Beside a batch that began just now it waits a moment for company, or until that one is done: where syncs are quick a second
   *  lane gains nothing and costs two writes and two syncs more. */
  #gather(): void {
    const isBusy = this.#idle.length < this.#deps.lanes;
    if (isBusy && performance.now() - this.#begun < GATHER_MS) setTimeout(() => this.#start(), GATHER_MS);
    else this.#start();
  }

  #start(): void {
    const lane = this.#idle.pop();
    if (lane === undefined) return;
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) this.#end(lane);
    else {
      this.#begun = performance.now();
      this.#write(lane, batch).finally(() => this.#end(lane));
    }
  }

  #end(lane: number): void {
    this.#idle.push(lane);
    if (this.#waiting.length > 0) this.#start();
    else if (this.#idle.length === this.#deps.lanes) for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Settles every item of the batch; never throws. */
  async #write(lane: number, batch: readonly Waiting[]): Promise<void> {
    let error: BodyError | undefined;
    const pairs = new Map<Segment, Pair>();
    try {
      for (const group of bySegment(batch)) {
        const pair = await group[0]!.segment.pair(lane);
        pairs.set(group[0]!.segment, pair);
        await writeGroup(pair, group);
      }
    } catch (caught) {
      error = isFull(caught) ? new BodyError('full', 'the disk is full') : this.fail(`${codeOf(caught)} when writing`);
    }
    if (!error) {
      this.#deps.wrote(batch.reduce((octets, item) => octets + item.length, 0));
      const syncs = [...pairs.values()].flatMap((pair) => [pair.data.datasync(), pair.keys.datasync()]);
      const bad = (await Promise.allSettled(syncs)).find((sync) => sync.status === 'rejected');
      if (bad) error = this.fail(`${codeOf(bad.reason)} when syncing`);
    }
    // Another lane failed meanwhile: this one's sync was honest, but nobody need rely on it.
    error ??= this.#failure;
    if (error?.code === 'full') await withdraw(pairs, batch);
    for (const item of batch) item.done(error);
  }
}

/** Runs of the same segment, in order: records of a run lie one behind the other unless one between was dropped. */
function bySegment(batch: readonly Waiting[]): Waiting[][] {
  const groups: Waiting[][] = [];
  for (const item of batch) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    if (before?.segment === item.segment && before.slot + 1 === item.slot) group!.push(item);
    else groups.push([item]);
  }
  return groups;
}

async function writeGroup(pair: Pair, group: readonly Waiting[]): Promise<void> {
  const first = group[0]!;
  const written = await Promise.allSettled([
    writeAll(
      pair.data,
      group.flatMap((item) => item.buffers),
      first.position,
    ),
    writeAll(
      pair.keys,
      group.map((item) => item.slotBytes),
      first.slot * SLOT,
    ),
  ]);
  for (const result of written) if (result.status === 'rejected') throw result.reason;
}

/** Takes back the key slots of a batch that did not fit, so that nothing of it is found again. Best effort: what stays
 *  has no row, and the sweep takes it. */
async function withdraw(pairs: ReadonlyMap<Segment, Pair>, batch: readonly Waiting[]): Promise<void> {
  const zeros = Buffer.alloc(SLOT);
  for (const item of batch) {
    item.segment.clear(item.slot);
    const pair = pairs.get(item.segment);
    if (pair) await writeAll(pair.keys, [zeros], item.slot * SLOT).catch(() => {});
  }
}
