// A large body in a file of its own: sealed pieces are written as they come, a few at a time, so that memory does not grow
// with the message. Logs nothing. The file's name is durable only after `finish`.

import { type BodyFile, type BodyIo, codeOf, isFull, writeAll } from './io.ts';
import { BodyError } from './port.ts';

/** Octets that may wait for the disk before the writer has to wait. */
const MOST_WAITING = 1 << 20;

export type OwnFileDeps = {
  readonly io: BodyIo;
  readonly dir: string;
  readonly path: string;
  /** Octets went to disk. */
  readonly wrote: (octets: number) => void;
  /** Ends the store and gives the error to throw. */
  readonly fail: (why: string) => BodyError;
};

export class OwnFile {
  readonly #deps: OwnFileDeps;
  #file: BodyFile | undefined;
  #waiting: Uint8Array[] = [];
  #waitingOctets = 0;
  #position = 0;
  #pump: Promise<void> | undefined;
  #error: BodyError | undefined;

  constructor(deps: OwnFileDeps) {
    this.#deps = deps;
  }

  /** Undefined when more may come at once; else resolves when it may. Throws BodyError of an earlier write. */
  push(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    if (this.#error) throw this.#error;
    for (const piece of pieces) {
      this.#waiting.push(piece);
      this.#waitingOctets += piece.length;
    }
    if (this.#waitingOctets === 0) return undefined;
    this.#pump ??= this.#write().finally(() => {
      this.#pump = undefined;
    });
    return this.#waitingOctets > MOST_WAITING ? this.#settled() : undefined;
  }

  /** All is on stable storage, its name too. */
  async finish(): Promise<void> {
    await this.#settled();
    try {
      await this.#file!.datasync();
      await this.#deps.io.syncFolder(this.#deps.dir);
    } catch (error) {
      throw this.#deps.fail(`${codeOf(error)} when syncing`);
    } finally {
      await this.#close();
    }
  }

  async discard(): Promise<void> {
    await this.#pump;
    await this.#close();
    await this.#deps.io.unlink(this.#deps.path).catch(() => {});
  }

  async #settled(): Promise<void> {
    while (this.#pump) await this.#pump;
    if (this.#error) throw this.#error;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  /** Never throws; the error is kept for who pushes or finishes. */
  async #write(): Promise<void> {
    try {
      this.#file ??= await this.#deps.io.open(this.#deps.path, 'wx');
      while (this.#waiting.length > 0) {
        const pieces = this.#waiting;
        const octets = this.#waitingOctets;
        this.#waiting = [];
        await writeAll(this.#file, pieces, this.#position);
        this.#position += octets;
        this.#waitingOctets -= octets;
        this.#deps.wrote(octets);
      }
    } catch (error) {
      this.#error = isFull(error)
        ? new BodyError('full', 'the disk is full')
        : this.#deps.fail(`${codeOf(error)} when writing`);
      this.#waiting = [];
    }
  }
}
