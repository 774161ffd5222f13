// The body store: sealed bodies in append-only segments with one sync for many, large ones in files of their own. Here it
// is put together: which segment is written, what a reference means, what is removed, swept and reserved. How it lies on
// disk: layout.ts; the order of writes and syncs: append.ts, removal.ts. One process only may have a folder open.
//
// Logs nothing; `onFailed` is told once, with a system error code, when the disk failed: the process must stop, because a
// repeated sync can lie. It cannot shrink a segment: one held message keeps up to a segment's size.

import { nonces } from '../../crypto/nonces.ts';
import { KIND } from '../../crypto/sealed.ts';
import { type Vault, VaultError } from '../../crypto/vault.ts';
import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { BodyRef, Clock, Random } from '../../domain/types.ts';
import { Appender } from './append.ts';
import { Fresh } from './fresh.ts';
import { type BodyIo, codeOf, realIo } from './io.ts';
import { classify, ownFile, type Place, placeOf, segmentFile } from './layout.ts';
import { OwnFile } from './own-file.ts';
import { type Bodies, BodyError, type BodyHandle, type BodyWriter, type Seal } from './port.ts';
import { openSealedPieces, streamSealed } from './read.ts';
import { Readers } from './readers.ts';
import { Removal } from './removal.ts';
import { type Rewrap, renewSlots } from './renew.ts';
import { Segment, type SegmentDeps } from './segment.ts';
import { Space } from './space.ts';
import { Writer, type WriterDeps } from './writer.ts';

export type BodyLimits = {
  /** Octets after which a new segment is begun. */
  readonly segment: number;
  /** Sealed octets up to which a body goes into a segment. */
  readonly small: number;
  /** Octets of the file system that bodies never take. */
  readonly reserve: number;
  /** Batches that may be in writing at once. */
  readonly lanes: number;
};
export const BODY_LIMITS: BodyLimits = { segment: 64 << 20, small: 1 << 20, reserve: 256 << 20, lanes: 2 };

export type BodiesDeps = {
  readonly dir: string;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<BodyLimits>;
  readonly io?: BodyIo;
  /** True while nothing may grow, whatever is free. */
  readonly isFull?: () => boolean;
  /** The disk failed, nothing more is taken; `why` is safe to log. */
  readonly onFailed?: (why: string) => void;
};

/** Objects asked about at once by `sweep`. */
const SWEEP_PAGE = 256;

/** Makes the folder when it is missing, reads what exists, and removes what a crash left half-written. */
export async function openBodies(deps: BodiesDeps): Promise<SegmentBodies> {
  const bodies = new SegmentBodies(deps);
  await bodies.start();
  return bodies;
}

export class SegmentBodies implements Bodies {
  readonly #dir: string;
  readonly #io: BodyIo;
  readonly #deps: BodiesDeps;
  readonly #limits: BodyLimits;
  readonly #readers: Readers;
  readonly #fresh = new Fresh();
  readonly #segments = new Map<string, Segment>();
  /** Bodies between `create` and durable, by object. */
  readonly #writers = new Map<string, Writer>();
  readonly #space: Space;
  readonly #appender: Appender;
  readonly #removal: Removal;
  readonly #writerDeps: WriterDeps;
  readonly #segmentDeps: SegmentDeps;
  readonly #objectId: () => Uint8Array;
  #current: Segment | undefined;
  #closed = false;

  constructor(deps: BodiesDeps) {
    this.#deps = deps;
    this.#dir = deps.dir;
    const io = deps.io ?? realIo;
    this.#io = io;
    this.#readers = new Readers(io);
    this.#objectId = nonces(deps.random, 16);
    this.#limits = { ...BODY_LIMITS, ...deps.limits };
    const { dir, clock } = deps;
    const reserve = () => (deps.isFull?.() ? Number.POSITIVE_INFINITY : this.#limits.reserve);
    this.#space = new Space({ io, dir, clock, reserve });
    this.#appender = new Appender({
      lanes: this.#limits.lanes,
      wrote: (octets) => this.#space.wrote(octets),
      failed: (why) => deps.onFailed?.(why),
    });
    this.#segmentDeps = { io, dir, idle: (segment) => void this.#retire(segment).catch(() => {}) };
    const fail = (why: string) => this.#appender.fail(why);
    this.#removal = new Removal({ io, dir, fail, emptied: (segment) => this.#retire(segment) });
    this.#writerDeps = {
      vault: deps.vault,
      space: this.#space,
      appender: this.#appender,
      small: this.#limits.small,
      ownFile: (object, wrote) => new OwnFile({ io, dir, path: ownFile(dir, object), wrote, fail }),
      segment: () => this.#segmentToFill(),
      nonce: nonces(deps.random, 12),
      sealed: (body) => this.#fresh.put(body),
      gone: (object) => this.#writers.delete(object),
    };
  }

  // ── start and stop ──

  async start(): Promise<void> {
    await this.#io.makeFolder(this.#dir);
    const files = (await this.#io.list(this.#dir)).flatMap((file) => classify(file) ?? []);
    const keys = new Set(files.filter((file) => file.kind === 'keys').map((file) => file.name));
    const own = new Set<string>();
    for (const { kind, name } of files) {
      if (kind === 'own' || (kind === 'segment' && keys.has(name))) continue;
      const segment = new Segment(this.#segmentDeps, name, false);
      for (const object of await segment.load(kind === 'keys')) own.add(object);
      this.#segments.set(name, segment);
    }
    await this.#removeUnfinished(files.filter((file) => file.kind === 'own' && !own.has(file.name)));
    for (const segment of [...this.#segments.values()]) await this.#retire(segment);
    await this.#space.measure();
  }

  /** Files of their own whose record was never written. Kept while a key file is lost: it might have named them. */
  async #removeUnfinished(files: readonly { name: string }[]): Promise<void> {
    if ([...this.#segments.values()].some((segment) => segment.keysLost)) return;
    for (const { name } of files) await this.#io.unlink(ownFile(this.#dir, name));
  }

  /** Waits for what was ended, drops what was not. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const writer of [...this.#writers.values()]) await writer.abort();
    for (const writer of [...this.#writers.values()]) await writer.settled;
    await this.#appender.drained();
    await this.#removal.drained();
    for (const segment of this.#segments.values()) await segment.close();
    await this.#readers.close();
  }

  #segmentToFill(): Segment {
    const current = this.#current;
    if (current && !current.broken && current.size < this.#limits.segment) return current;
    const name = Buffer.from(this.#deps.random.bytes(8)).toString('hex');
    const next = new Segment(this.#segmentDeps, name, true);
    this.#segments.set(name, next);
    this.#current = next;
    current?.leave();
    return next;
  }

  /** Closes a segment that is not written any more, and unlinks it when nothing is left in it. */
  async #retire(segment: Segment): Promise<void> {
    if (!segment.resting) return;
    if (!segment.spent) return segment.close();
    this.#segments.delete(segment.name);
    await this.#readers.forget(segmentFile(this.#dir, segment.name));
    await segment.unlink();
  }

  // ── writing ──

  newObject(): string {
    return Buffer.from(this.#objectId()).toString('hex');
  }

  create(organization: OrganizationName, expected = 0, seal?: Seal): BodyWriter {
    const failure = this.#closed ? new BodyError('failed', 'the body store is closed') : this.#appender.failure;
    if (failure) throw failure;
    const object = seal?.object ?? this.newObject();
    const createdAt: Time = this.#deps.clock.now();
    const writer = new Writer(this.#writerDeps, { organization, object, createdAt, expected, ...(seal && { seal }) });
    this.#writers.set(object, writer);
    return writer;
  }

  // ── reading ──

  /** Throws BodyError `missing` when the reference names nothing that is here. */
  #locate(ref: BodyRef): Place {
    const place = placeOf(ref);
    if (place && this.#segments.get(place.segment)?.isLive(place.slot)) return place;
    throw new BodyError('missing', 'the body is not in the store');
  }

  handle(organization: OrganizationName, ref: BodyRef): BodyHandle {
    this.#locate(ref);
    let dataKey: Uint8Array;
    try {
      dataKey = this.#deps.vault.openDataKey(organization, ref.object, Buffer.from(ref.key, 'base64url'));
    } catch (error) {
      if (error instanceof VaultError) throw new BodyError('corrupt', `the body's key does not open: ${error.message}`);
      throw error;
    }
    return this.handleWith(organization, ref, dataKey, KIND.body);
  }

  handleWith(organization: OrganizationName, ref: BodyRef, dataKey: Uint8Array, kind: number): BodyHandle {
    const place = this.#locate(ref);
    const { object, offset, length } = ref;
    const path = place.own ? ownFile(this.#dir, object) : segmentFile(this.#dir, place.segment);
    return { path, offset, length, object, organization, kind, dataKey };
  }

  async *open(organization: OrganizationName, ref: BodyRef): AsyncGenerator<Buffer, void, void> {
    this.#locate(ref);
    const fresh = this.#fresh.openable(organization, ref);
    if (fresh) yield* openSealedPieces(fresh.opener, fresh.pieces);
    else yield* this.#read(this.handle(organization, ref), ref);
  }

  async *openWith(
    organization: OrganizationName,
    ref: BodyRef,
    dataKey: Uint8Array,
    kind: number,
  ): AsyncGenerator<Buffer, void, void> {
    yield* this.#read(this.handleWith(organization, ref, dataKey, kind), ref);
  }

  async *#read(handle: BodyHandle, ref: BodyRef): AsyncGenerator<Buffer, void, void> {
    const fresh = this.#fresh.get(ref);
    if (fresh !== undefined) return yield* openSealedPieces(handle, fresh.pieces);
    try {
      yield* streamSealed(handle, this.#readers);
    } finally {
      // What is kept open keeps its space on the disk when it is removed.
      if (placeOf(ref)?.own) await this.#readers.forget(handle.path);
    }
  }

  // ── removing ──

  async remove(ref: BodyRef): Promise<void> {
    const place = placeOf(ref);
    if (!place) return;
    this.#fresh.delete(ref);
    await this.#writers.get(ref.object)?.settled;
    const segment = this.#segments.get(place.segment);
    if (!segment?.isLive(place.slot)) return;
    if (this.#appender.failure) throw this.#appender.failure;
    await this.#removal.add({ segment, slot: place.slot, object: ref.object, own: place.own });
  }

  /** Boxes anew what stands in key slots; durable when it resolves. Gives how many slots that were. A disk that fails
   *  ends the store. */
  async renewKeys(rewrap: Rewrap): Promise<number> {
    // What was ended before may carry a box of before.
    await Promise.all([...this.#writers.values()].map((writer) => writer.settled));
    const { dir } = this.#deps;
    const alone = <T>(work: () => Promise<T>) => this.#removal.paused(work);
    const deps = { io: this.#io, dir, alone, isWriting: (object: string) => this.#writers.has(object) };
    let renewed = 0;
    try {
      for (const { name } of [...this.#segments.values()]) renewed += await renewSlots(deps, name, rewrap);
    } catch (error) {
      throw this.#appender.fail(`${codeOf(error)} when boxing keys anew`);
    }
    return renewed;
  }

  async sweep(
    known: (objects: readonly string[]) => Promise<ReadonlySet<string>>,
    before: Time,
  ): Promise<{ removed: number }> {
    let removed = 0;
    for (const segment of [...this.#segments.values()]) {
      let page: { slot: number; object: string; own: boolean }[] = [];
      const judge = async () => {
        const rows = await known(page.map((body) => body.object));
        const orphans = page.filter((body) => !rows.has(body.object));
        await Promise.all(orphans.map((body) => this.#removal.add({ segment, ...body })));
        removed += orphans.length;
        page = [];
      };
      for await (const { slot, content } of segment.slots()) {
        if (content === 'damaged' || content.createdAt >= before || !segment.isLive(slot)) continue;
        if (this.#writers.has(content.object)) continue;
        page.push({ slot, object: content.object, own: content.own });
        if (page.length === SWEEP_PAGE) await judge();
      }
      if (page.length > 0) await judge();
    }
    return { removed };
  }

  /** While `work` runs no body is removed; `written` resolves when what was ended before the call is durable. */
  still<T>(work: (written: () => Promise<void>) => Promise<T>): Promise<T> {
    const written = async () => {
      await Promise.all([...this.#writers.values()].map((writer) => writer.settled));
    };
    return this.#removal.paused(() => work(written));
  }

  async space(): Promise<{ free: number; reserved: number }> {
    await this.#space.refresh();
    return { free: this.#space.free, reserved: this.#space.reserved };
  }
}
