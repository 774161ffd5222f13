// Removes bodies: the key slot is overwritten with zeros and synced, then the space is given back. Removals that come while
// others are being synced go together. After the sync the body cannot be opened by anyone who has the disk; before it, a
// crash leaves it as it was, and the removal is repeated. Logs nothing.

import { type BodyFile, type BodyIo, codeOf, isMissing, readUpTo, writeAll } from './io.ts';
import { decodeSlot, keysFile, ownFile, SLOT } from './layout.ts';
import type { BodyError } from './port.ts';
import type { Segment } from './segment.ts';

export type RemovalDeps = {
  readonly io: BodyIo;
  readonly dir: string;
  readonly fail: (why: string) => BodyError;
  /** The segment may have become empty. */
  readonly emptied: (segment: Segment) => Promise<void>;
};
export type Gone = { readonly segment: Segment; readonly slot: number; readonly object: string; readonly own: boolean };
type Waiting = Gone & { readonly resolve: () => void; readonly reject: (error: unknown) => void };

/** Slots that lie further apart are not read together. */
const NEAR = 512;

export class Removal {
  readonly #deps: RemovalDeps;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** What is being removed just now. */
  #batch: Promise<void> | undefined;
  #pause: Promise<void> | undefined;

  constructor(deps: RemovalDeps) {
    this.#deps = deps;
  }

  add(gone: Gone): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...gone, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async drained(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Nothing is removed while `work` runs; who asks for it waits. */
  async paused<T>(work: () => Promise<T>): Promise<T> {
    while (this.#pause) await this.#pause;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pause = promise;
    try {
      await this.#batch;
      return await work();
    } finally {
      this.#pause = undefined;
      resolve();
    }
  }

  async #run(): Promise<void> {
    // Those that are asked for in the same turn of the event loop go together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      while (this.#pause) await this.#pause;
      const batch = this.#waiting;
      this.#waiting = [];
      this.#batch = this.#removeAll(batch);
      await this.#batch;
    }
    // In the turn that saw nothing waiting: what is asked for from now on begins anew.
    this.#running = undefined;
  }

  async #removeAll(batch: readonly Waiting[]): Promise<void> {
    const groups = Map.groupBy(batch, (gone) => gone.segment);
    for (const [segment, group] of groups) await this.#remove(segment, group);
  }

  /** Settles every one of the group; never throws. */
  async #remove(segment: Segment, group: Waiting[]): Promise<void> {
    try {
      await this.#zero(segment, group);
      for (const gone of group) {
        segment.clear(gone.slot);
        if (gone.own) await this.#unlink(ownFile(this.#deps.dir, gone.object));
      }
      await this.#deps.emptied(segment);
    } catch (error) {
      for (const gone of group) gone.reject(error);
      return;
    }
    for (const gone of group) gone.resolve();
  }

  async #unlink(path: string): Promise<void> {
    await this.#deps.io.unlink(path).catch((error) => {
      if (!isMissing(error)) throw error;
    });
  }

  async #zero(segment: Segment, group: Waiting[]): Promise<void> {
    let file: BodyFile;
    try {
      file = await this.#deps.io.open(keysFile(this.#deps.dir, segment.name), 'r+');
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    try {
      group.sort((a, b) => a.slot - b.slot);
      for (let first = 0; first < group.length; ) {
        let end = first + 1;
        while (end < group.length && group[end]!.slot - group[first]!.slot < NEAR) end += 1;
        await zeroNear(file, group.slice(first, end));
        first = end;
      }
      await file.datasync();
    } catch (error) {
      // A sync that failed may not be repeated: it would say that all is well.
      throw this.#deps.fail(`${codeOf(error)} when removing`);
    } finally {
      await file.close().catch(() => {});
    }
  }
}

/** Reads the slots' span once, then overwrites runs of those that hold the objects meant; others may be in writing. */
async function zeroNear(file: BodyFile, near: readonly Gone[]): Promise<void> {
  const from = near[0]!.slot;
  const span = Buffer.alloc((near.at(-1)!.slot - from + 1) * SLOT);
  const read = await readUpTo(file, span, from * SLOT);
  const slots = near.filter(({ slot, object }) => {
    const at = (slot - from) * SLOT;
    if (at + SLOT > read.length) return false;
    const content = decodeSlot(read.subarray(at, at + SLOT));
    return content === 'damaged' || (content !== 'empty' && content.object === object);
  });
  for (let first = 0; first < slots.length; ) {
    let end = first + 1;
    while (end < slots.length && slots[end]!.slot <= slots[end - 1]!.slot + 1) end += 1;
    const run = slots[end - 1]!.slot - slots[first]!.slot + 1;
    await writeAll(file, [Buffer.alloc(run * SLOT)], slots[first]!.slot * SLOT);
    first = end;
  }
}
