// Bytes of a session → command lines and mail data. Takes the place of smtp-server's parser, which lets bare CR, LF and
// NUL through. What arrives is handled strictly one after the other; while a command or the consumer of mail data is
// busy nothing more is read from the socket. Logs nothing.

import { Writable } from 'node:stream';

/** RFC 5321 §4.5.3.1.4: 512 octets with CRLF; extensions of MAIL and RCPT and the responses of AUTH may take 2,048. */
export const LINE_MAX = 512;
export const LONG_LINE_MAX = 2048;

/** What is awaited before anything else is done; nothing when it is done already. */
export type Busy = void | Promise<void>;

/** Dotted or counted mail data takes octets from the front of what arrived. */
export type DataMode = {
  /** Octets used; fewer than given mean that the mail data ended there. Awaited before anything else is read. */
  readonly feed: (chunk: Uint8Array) => number | Promise<number>;
  readonly ended: () => boolean;
};

export type ReaderOwner = {
  /** A whole line without CRLF, at most `LONG_LINE_MAX`. */
  readonly line: (line: Buffer) => Busy;
  /** Nothing sensible can follow; the owner replies and closes. */
  readonly broken: (what: 'bare line end' | 'line too long') => void;
  /** All that arrived is handled; replies may be sent. */
  readonly idle: () => Busy;
};

export class Reader extends Writable {
  /** Set by smtp-server when the session closes or is upgraded: whatever is left is dropped. */
  isClosed = false;
  readonly #owner: ReaderOwner;
  #held: Buffer | null = null;
  #mode: DataMode | null = null;
  #unhandled = 0;

  constructor(owner: ReaderOwner) {
    super({ decodeStrings: false, highWaterMark: 64 * 1024 });
    this.#owner = owner;
  }

  /** Smtp-server asks for this when its idle timer runs, which we do not use. */
  get _dataMode(): boolean {
    return this.#mode !== null;
  }

  /** What follows this command is mail data. */
  startData(mode: DataMode): void {
    this.#mode = mode;
  }

  /** Octets that arrived behind the command being handled. */
  get pipelined(): number {
    return this.#unhandled + Math.max(0, this.writableLength - this.#chunk);
  }
  #chunk = 0;

  override _write(chunk: Buffer, _encoding: string, next: (error?: Error | null) => void): void {
    this.#chunk = chunk.length;
    this.#take(chunk).then(
      () => next(),
      // The owner answers for its own errors; an error here would end the pipe and leave the client without a reply.
      () => {
        this.isClosed = true;
        this.#owner.broken('line too long');
        next();
      },
    );
  }

  async #take(chunk: Buffer): Promise<void> {
    let rest = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = null;
    while (rest.length > 0 && !this.isClosed) {
      if (this.#mode) {
        const used = this.#mode.feed(rest);
        rest = rest.subarray(typeof used === 'number' ? used : await used);
        if (this.#mode?.ended()) this.#mode = null;
        continue;
      }
      const end = lineEnd(rest);
      if (end === 'more') {
        this.#held = Buffer.from(rest);
        break;
      }
      if (typeof end === 'string') return this.#owner.broken(end);
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 2);
      this.#unhandled = rest.length;
      const busy = this.#owner.line(line);
      if (busy) await busy;
    }
    this.#unhandled = 0;
    const flushed = this.#owner.idle();
    if (flushed) await flushed;
  }
}

/** Offset of the CRLF that ends the first line. */
function lineEnd(bytes: Buffer): number | 'more' | 'bare line end' | 'line too long' {
  const n = Math.min(bytes.length, LONG_LINE_MAX - 1);
  for (let i = 0; i < n; i++) {
    const byte = bytes[i]!;
    if (byte > 13) continue;
    if (byte === 10 || byte === 0) return 'bare line end';
    if (byte !== 13) continue;
    if (i + 1 === bytes.length) return 'more';
    return bytes[i + 1] === 10 ? i : 'bare line end';
  }
  return bytes.length >= LONG_LINE_MAX ? 'line too long' : 'more';
}
