// Segments that are read from stay open a while: opening and closing cost two thirds of reading a small body. Logs nothing.

import type { BodyFile, BodyIo } from './io.ts';

/** Segments kept open that nobody reads from just now. */
const IDLE = 8;

type Entry = { readonly file: Promise<BodyFile>; uses: number; forgotten: boolean };

/** Where a reader gets its file, and gives it back. */
export type Files = {
  take(path: string): Promise<BodyFile>;
  give(path: string): Promise<void>;
};

export class Readers implements Files {
  readonly #io: BodyIo;
  /** Least recently used first. */
  readonly #open = new Map<string, Entry>();

  constructor(io: BodyIo) {
    this.#io = io;
  }

  /** Opens it for reading, or shares what is open; each `take` that succeeds is followed by one `give`. */
  async take(path: string): Promise<BodyFile> {
    const entry = this.#open.get(path) ?? { file: this.#io.open(path, 'r'), uses: 0, forgotten: false };
    this.#open.delete(path);
    this.#open.set(path, entry);
    entry.uses += 1;
    try {
      return await entry.file;
    } catch (error) {
      if (this.#open.get(path) === entry) this.#open.delete(path);
      throw error;
    }
  }

  async give(path: string): Promise<void> {
    const entry = this.#open.get(path);
    if (entry === undefined) return;
    entry.uses -= 1;
    if (entry.forgotten) return this.#closeIdle(0, (one) => one === entry);
    return this.#closeIdle(IDLE);
  }

  /** Closes it as soon as nobody reads from it: its file goes away. */
  async forget(path: string): Promise<void> {
    const entry = this.#open.get(path);
    if (entry === undefined) return;
    entry.forgotten = true;
    return this.#closeIdle(0, (one) => one === entry);
  }

  async close(): Promise<void> {
    return this.#closeIdle(0);
  }

  async #closeIdle(keep: number, which: (entry: Entry) => boolean = () => true): Promise<void> {
    const idle = [...this.#open].filter(([, entry]) => entry.uses === 0 && which(entry));
    for (const [path, entry] of idle.slice(0, Math.max(0, idle.length - keep))) {
      this.#open.delete(path);
      await (await entry.file).close().catch(() => {});
    }
  }
}
