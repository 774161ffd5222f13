// Bodies that can be made again: variants for a recipient, decoded attachments. A worker writes one, sealed under a key that
// only this process's memory holds, into a folder that is emptied at every start: nothing of it outlives the process, and a
// file that is missing is made again. Bounded by octets: what is not in use goes first, then no more is begun. Not synced. Logs nothing.

import { join } from 'node:path';
import { KIND } from '../../crypto/sealed.ts';
import type { OrganizationName } from '../../domain/ids.ts';
import type { Random } from '../../domain/types.ts';
import { WorkError } from '../../work/pool.ts';
import { realIo } from './io.ts';
import type { BodyHandle } from './port.ts';
import { streamSealed } from './read.ts';
import { Readers } from './readers.ts';

/** Where a worker writes, and under which key. */
export type MadeHandle = {
  readonly path: string;
  /** 32 hex. */
  readonly object: string;
  readonly organization: OrganizationName;
  /** 32 octets; never logged, never kept after the job. */
  readonly dataKey: Uint8Array;
};

/** What the worker wrote: plain and sealed octets. */
export type MadeSize = { readonly size: number; readonly length: number };

export type MadeBody = {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
  /** Not in use any more; `over`: nobody will want it again. */
  release(over: boolean): Promise<void>;
};

/** Whom it is made for. */
export type MadeUse = 'delivery' | 'download';

export type MadeWish = {
  readonly use: MadeUse;
  readonly name: string;
  readonly organization: OrganizationName;
  /** Octets, roughly. */
  readonly expected: number;
  /** Who reads it, of a download. */
  readonly reader?: string;
};

export type Made = {
  /** The folder, in which workers write. */
  readonly dir: string;
  /** The body of that name, made by `make` when it is not there. Held until it is released. Rejects with WorkError `busy` while all
   *  that may be here for that use is in use. */
  take(wish: MadeWish, make: (handle: MadeHandle) => Promise<MadeSize>): Promise<MadeBody>;
  close(): Promise<void>;
};

type Entry = {
  readonly use: MadeUse;
  readonly reader: string;
  readonly handle: MadeHandle;
  readonly written: Promise<MadeSize>;
  uses: number;
  /** What is expected, until it is written. */
  length: number;
  over: boolean;
};

/** Of a bound this part is for one reader: one download at least, others beside it while they fit. */
const OWN = 1 / 8;

/** Empties the folder, or makes it. `bound`: octets in use above which nothing is begun; downloads have half of it at most, one
 *  reader an eighth, and deliveries always half. One that is begun below may go beyond: of a reader's no more than their part counts. */
export async function openMade(deps: { dir: string; random: Random; bound: number }): Promise<Made> {
  const { dir, random, bound } = deps;
  await realIo.makeFolder(dir);
  for (const name of await realIo.list(dir)) await realIo.unlink(join(dir, name));
  const files = new Readers(realIo);
  /** Least recently used first. */
  const entries = new Map<string, Entry>();

  async function forget(name: string, entry: Entry): Promise<void> {
    if (entries.get(name) === entry) entries.delete(name);
    await files.forget(entry.handle.path);
    entry.handle.dataKey.fill(0);
    await realIo.unlink(entry.handle.path).catch(() => {});
  }

  /** Forgets what is not in use, as far as all would be more than `most`. */
  async function trim(most = bound): Promise<void> {
    let all = 0;
    for (const entry of entries.values()) all += entry.length;
    const gone: Promise<void>[] = [];
    for (const [name, entry] of [...entries]) {
      if (all <= most) break;
      if (entry.uses > 0) continue;
      all -= entry.length;
      gone.push(forget(name, entry));
    }
    await Promise.all(gone);
  }

  function inUse(use: MadeUse | null): number {
    let octets = 0;
    for (const one of entries.values()) if (one.uses > 0 && (use === null || one.use === use)) octets += one.length;
    return octets;
  }

  /** Octets of downloads in use, by reader. */
  function readers(): Map<string, number> {
    const octets = new Map<string, number>();
    for (const { use, uses, reader, length } of entries.values())
      if (uses > 0 && use === 'download') octets.set(reader, (octets.get(reader) ?? 0) + length);
    return octets;
  }

  /** Strangers read downloads, as slowly as they like: one half is always there for deliveries, and of the other some for each. */
  function mayDownload({ reader = '', expected }: MadeWish): boolean {
    if (inUse(null) >= bound) return false;
    const octets = readers();
    const own = octets.get(reader) ?? 0;
    if (own > 0 && own + expected > bound * OWN) return false;
    let all = 0;
    for (const one of octets.values()) all += Math.min(one, bound * OWN);
    return all < bound / 2;
  }

  function begin(
    { use, organization, expected: length, reader = '' }: MadeWish,
    make: (handle: MadeHandle) => Promise<MadeSize>,
  ): Entry {
    if (use === 'delivery' && inUse(null) >= bound && inUse(use) >= bound / 2) throw new WorkError('busy');
    void trim(bound - length).catch(() => {});
    const object = Buffer.from(random.bytes(16)).toString('hex');
    const handle = { path: join(dir, object), object, organization, dataKey: Buffer.from(random.bytes(32)) };
    return { use, reader, handle, written: make(handle), uses: 0, length, over: false };
  }

  async function* read(name: string, entry: Entry, length: number): AsyncGenerator<Uint8Array, void, void> {
    const { handle } = entry;
    const sealed: BodyHandle = { ...handle, kind: KIND.body, offset: 0, length };
    try {
      yield* streamSealed(sealed, files);
    } catch (error) {
      // Gone or damaged: made again by the next who takes it.
      if (entries.get(name) === entry) entries.delete(name);
      throw error;
    }
  }

  return {
    dir,
    async take(wish, make) {
      const { use, name } = wish;
      const known = entries.get(name);
      if (use === 'download' && (known?.uses ?? 0) === 0 && !mayDownload(wish)) throw new WorkError('busy');
      const entry = known ?? begin(wish, make);
      entries.delete(name);
      entries.set(name, entry);
      entry.uses += 1;
      let written: MadeSize;
      try {
        written = await entry.written;
      } catch (error) {
        entry.uses -= 1;
        await forget(name, entry);
        throw error;
      }
      entry.length = written.length;
      return {
        size: written.size,
        open: () => read(name, entry, written.length),
        release: async (over) => {
          entry.uses -= 1;
          entry.over ||= over;
          if (entry.uses > 0) return;
          const unwanted = entry.over || entries.get(name) !== entry;
          await (unwanted ? forget(name, entry) : trim());
        },
      };
    },
    async close() {
      for (const [name, entry] of [...entries]) {
        await entry.written.catch(() => {});
        await forget(name, entry);
      }
      await files.close();
    },
  };
}
