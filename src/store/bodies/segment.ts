// One segment and its key file: where the next record goes, which slots hold a body, and the descriptors that write it.
// The state here is a picture of the key file, read at start. Logs nothing.

import { type BodyFile, type BodyIo, isMissing, readUpTo } from './io.ts';
import { decodeSlot, type KeySlot, keysFile, SLOT, segmentFile } from './layout.ts';

/** Descriptors of one lane. Each lane has its own: the kernel tells a failed write-back to every descriptor once, so two
 *  syncs at a time over one descriptor could both miss what the other was told. */
export type Pair = { readonly data: BodyFile; readonly keys: BodyFile };

export type SegmentDeps = {
  readonly io: BodyIo;
  readonly dir: string;
  /** Nothing is placed or written in it any more. */
  readonly idle: (segment: Segment) => void;
};

/** Slots read at once from a key file: 512 KiB. */
const PAGE = 4096;

export class Segment {
  readonly name: string;
  readonly #dir: string;
  readonly #io: BodyIo;
  readonly #lanes: (Promise<Pair> | undefined)[] = [];
  #made: Promise<Pair> | undefined;
  /** One octet a slot: 1 holds a body. Null: the key file is lost, every slot may hold one. */
  #live: Uint8Array | null = new Uint8Array(64);
  #slots = 0;
  #liveCount = 0;
  readonly #idle: (segment: Segment) => void;
  /** Records placed whose write has not ended. */
  #pending = 0;
  /** Offset of the next record. */
  size = 0;
  /** New records go here. */
  current: boolean;
  /** Its files could not be made. */
  broken = false;

  constructor(deps: SegmentDeps, name: string, current: boolean) {
    this.#io = deps.io;
    this.#dir = deps.dir;
    this.#idle = deps.idle;
    this.name = name;
    this.current = current;
  }

  /** Takes the next slot and `octets` behind the last record. */
  place(octets: number): { slot: number; position: number } {
    const slot = this.#slots;
    const position = this.size;
    this.size += octets;
    this.#pending += 1;
    this.#set(slot, 1);
    return { slot, position };
  }

  /** A placed record was written, or will not be. */
  settled(): void {
    this.#pending -= 1;
    if (this.resting) this.#idle(this);
  }

  /** No new records go here. */
  leave(): void {
    this.current = false;
    if (this.resting) this.#idle(this);
  }

  get resting(): boolean {
    return !this.current && this.#pending === 0;
  }

  get keysLost(): boolean {
    return this.#live === null;
  }

  isLive(slot: number): boolean {
    return this.#live === null || this.#live[slot] === 1;
  }

  /** The slot holds no body any more. */
  clear(slot: number): void {
    if (this.#live !== null && this.#live[slot] === 1) this.#set(slot, 0);
  }

  /** Nothing is in it and nothing will come. */
  get spent(): boolean {
    return this.resting && this.#live !== null && this.#liveCount === 0;
  }

  #set(slot: number, value: 0 | 1): void {
    const live = this.#live;
    if (live === null) return;
    if (slot >= live.length) {
      this.#live = new Uint8Array(Math.max(slot + 1, live.length * 2));
      this.#live.set(live);
    }
    this.#live![slot] = value;
    this.#slots = Math.max(this.#slots, slot + 1);
    this.#liveCount += value === 1 ? 1 : -1;
  }

  // ── files ──

  /** Makes the two files when this is the first call; their names are durable when it resolves. */
  pair(lane: number): Promise<Pair> {
    if (!this.#made) {
      this.#made = this.#make();
      this.#lanes[lane] = this.#made;
    }
    const made = this.#made;
    this.#lanes[lane] ??= made
      .then(() => this.#open('r+'))
      .catch((error) => {
        // Descriptors may be out for now only: the next batch of this lane asks again.
        this.#lanes[lane] = undefined;
        throw error;
      });
    return this.#lanes[lane];
  }

  async #make(): Promise<Pair> {
    try {
      const pair = await this.#open('wx');
      await this.#io.syncFolder(this.#dir);
      return pair;
    } catch (error) {
      this.broken = true;
      throw error;
    }
  }

  async #open(flags: 'wx' | 'r+'): Promise<Pair> {
    const keys = await this.#io.open(keysFile(this.#dir, this.name), flags);
    try {
      return { data: await this.#io.open(segmentFile(this.#dir, this.name), flags), keys };
    } catch (error) {
      await keys.close().catch(() => {});
      throw error;
    }
  }

  /** Closes what is open for writing; for a segment that takes no more. */
  async close(): Promise<void> {
    const lanes = this.#lanes.splice(0);
    for (const lane of lanes) {
      const pair = await lane?.catch(() => undefined);
      await pair?.data.close().catch(() => {});
      await pair?.keys.close().catch(() => {});
    }
  }

  async unlink(): Promise<void> {
    await this.close();
    for (const path of [segmentFile(this.#dir, this.name), keysFile(this.#dir, this.name)]) {
      await this.#io.unlink(path).catch((error) => {
        if (!isMissing(error)) throw error;
      });
    }
  }

  /** Slots that are not empty, in order, from the key file. `damaged` ones have no content. */
  async *slots(): AsyncGenerator<{ slot: number; content: KeySlot | 'damaged' }, void, void> {
    let file: BodyFile;
    try {
      file = await this.#io.open(keysFile(this.#dir, this.name), 'r');
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    try {
      const page = Buffer.alloc(PAGE * SLOT);
      for (let first = 0; ; first += PAGE) {
        const read = await readUpTo(file, page, first * SLOT);
        for (let at = 0; at + SLOT <= read.length; at += SLOT) {
          const content = decodeSlot(read.subarray(at, at + SLOT));
          if (content !== 'empty') yield { slot: first + at / SLOT, content };
        }
        if (read.length < page.length) return;
      }
    } finally {
      await file.close();
    }
  }

  /** Reads the key file of a segment of an earlier run. Gives the bodies that lie in files of their own. */
  async load(hasKeys: boolean): Promise<string[]> {
    const own: string[] = [];
    if (!hasKeys && (await this.#dataSize()) > 0) this.#live = null;
    for await (const { slot, content } of this.slots()) {
      this.#set(slot, 1);
      if (content !== 'damaged' && content.own) own.push(content.object);
    }
    return own;
  }

  async #dataSize(): Promise<number> {
    const file = await this.#io.open(segmentFile(this.#dir, this.name), 'r');
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }
}
