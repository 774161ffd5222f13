// A disk for the body store that fails when told to: errors by operation, writes in bits, syncs that wait for a gate.

import { type BodyFile, type BodyIo, realIo } from '../../src/store/bodies/io.ts';

type Operation = 'open' | 'writev' | 'read' | 'datasync' | 'syncFolder' | 'unlink';

export class FaultyDisk implements BodyIo {
  /** Asked before each operation; a code makes it fail. `path` is the file's. */
  fault: (operation: Operation, path: string) => string | undefined = () => undefined;
  /** At most so many octets go into one write. */
  mostOctets = Number.POSITIVE_INFINITY;
  /** Awaited before each sync of a file. */
  gate: Promise<void> = Promise.resolve();
  /** What `free` says; the real figure when undefined. */
  freeOctets: number | undefined;
  /** Operations in the order in which they ended: `datasync x.keys`. */
  readonly log: string[] = [];

  async #run<T>(operation: Operation, path: string, run: () => Promise<T>): Promise<T> {
    const code = this.fault(operation, path);
    if (code) throw Object.assign(new Error(code), { code });
    const result = await run();
    this.log.push(`${operation} ${path.slice(path.lastIndexOf('/') + 1)}`);
    return result;
  }

  count(operation: Operation, suffix = ''): number {
    return this.log.filter((line) => line.startsWith(operation) && line.endsWith(suffix)).length;
  }

  async open(path: string, flags: 'wx' | 'r' | 'r+'): Promise<BodyFile> {
    const file = await this.#run('open', path, () => realIo.open(path, flags));
    return {
      ...file,
      writev: (buffers, position) => this.#run('writev', path, () => file.writev(this.#firstOctets(buffers), position)),
      read: (into, position) => this.#run('read', path, () => file.read(into, position)),
      datasync: () =>
        this.#run('datasync', path, async () => {
          await this.gate;
          await file.datasync();
        }),
    };
  }

  #firstOctets(buffers: readonly Uint8Array[]): readonly Uint8Array[] {
    const out: Uint8Array[] = [];
    let left = this.mostOctets;
    for (const buffer of buffers) {
      if (left <= 0) break;
      out.push(buffer.subarray(0, left));
      left -= buffer.length;
    }
    return out;
  }

  syncFolder = (path: string) => this.#run('syncFolder', path, () => realIo.syncFolder(path));
  unlink = (path: string) => this.#run('unlink', path, () => realIo.unlink(path));
  list = realIo.list;
  makeFolder = realIo.makeFolder;
  free = async (path: string) => this.freeOctets ?? realIo.free(path);
}
