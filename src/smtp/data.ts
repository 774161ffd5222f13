// Mail data between DATA's 354 and the final dot: un-stuffing, the end of data, what is refused, and the stream that the
// relay reads. Pure but for the stream's promises; logs nothing. It cannot tell a good message from a bad one: only
// line ends, NUL and size are judged here.

import type { Reply } from '../domain/types.ts';
import { Controls } from '../mail/lines.ts';
import { REPLIES } from './answers.ts';

/** The mail data is refused with `reply`; what was read of it must be dropped. */
export class DataRefused extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(reply.text);
    this.reply = reply;
  }
}

/** The client left, or took it back, before the end of the mail data; nobody waits for a reply. */
export class DataGone extends Error {
  constructor() {
    super('the client left before the end of the mail data');
  }
}

const NUL = 0;
const LF = 10;
const CR = 13;
const DOT = 46;

type State = 'line start' | 'line' | 'cr' | 'dot' | 'dot cr';

/** A step of mail data: octets that were used, what is content, whether the data ended. */
export type Step = { readonly used: number; readonly content: Uint8Array; readonly ended: boolean };

/** Removes dot stuffing and finds the end of data: CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4). */
export class DotReader {
  /** Set at the first bare CR, bare LF or NUL; content after it is not given any more, the end is still found. */
  fault: Reply | null = null;
  #state: State = 'line start';

  /** Takes a chunk, which it changes in place: content is moved together over the dots that go. */
  push(chunk: Uint8Array): Step {
    const n = chunk.length;
    const controls = new Controls(chunk);
    let state = this.#state;
    let out = 0;
    let from = 0;
    let i = 0;
    const keep = (until: number): void => {
      if (out !== from) chunk.copyWithin(out, from, until);
      out += until - from;
    };
    while (i < n) {
      if (state === 'line') {
        // All that matters inside a line is at most CR.
        i = controls.from(i);
        if (i === n) break;
      }
      const byte = chunk[i]!;
      if (state === 'line start' && byte === DOT) {
        // A dot that begins a line is never content: either stuffing or the end of data.
        keep(i);
        from = i + 1;
        state = 'dot';
      } else if (state === 'dot' && byte === CR) {
        from = i + 1;
        state = 'dot cr';
      } else if (state === 'dot cr' && byte === LF) {
        this.#state = 'line start';
        return { used: i + 1, content: this.fault ? chunk.subarray(0, 0) : chunk.subarray(0, out), ended: true };
      } else {
        state = this.#next(state, byte);
      }
      i++;
    }
    this.#state = state;
    keep(n);
    return { used: n, content: this.fault ? chunk.subarray(0, 0) : chunk.subarray(0, out), ended: false };
  }

  #next(state: State, byte: number): State {
    const afterCr = state === 'cr' || state === 'dot cr';
    if (byte === LF) {
      if (afterCr) return 'line start';
      this.#refuse(REPLIES.bareInData);
      return 'line';
    }
    if (afterCr) this.#refuse(REPLIES.bareInData);
    if (byte === NUL) this.#refuse(REPLIES.nulInData);
    return byte === CR ? 'cr' : 'line';
  }

  #refuse(reply: Reply): void {
    this.fault ??= reply;
  }
}

/** Octets that wait for a slow consumer before the client is made to wait. */
const HIGH_WATER = 128 * 1024;
/** Octets that a piece weighs at least: many small ones must not take more memory than few large ones. */
const PIECE_MIN = 256;

/** Mail data on its way to one consumer. When the consumer stops early, the rest is read and dropped. */
export class Body implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #over: 'open' | 'ended' | 'dropped' = 'open';
  #error: DataRefused | DataGone | null = null;
  #wake: (() => void) | null = null;
  #room: (() => void) | null = null;

  /** Resolves when there is room for more; undefined when there is room at once. */
  put(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#over !== 'open' || this.#error || chunk.length === 0) return undefined;
    this.#chunks.push(chunk);
    this.#waiting += weightOf(chunk);
    this.#awake();
    if (this.#waiting <= HIGH_WATER) return undefined;
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  end(): void {
    if (this.#over === 'open') this.#over = 'ended';
    this.#awake();
  }

  /** The consumer's next read throws; what waited is dropped. */
  fail(error: DataRefused | DataGone): void {
    if (this.#over !== 'open' || this.#error) return;
    this.#error = error;
    this.#clear();
    this.#awake();
  }

  /** Nobody will read any more. */
  drop(): void {
    if (this.#over === 'open') this.#over = 'dropped';
    this.#clear();
    this.#awake();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.drop();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    while (true) {
      if (this.#error) throw this.#error;
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#waiting -= weightOf(chunk);
        if (this.#waiting <= HIGH_WATER / 2) this.#makeRoom();
        return { done: false, value: chunk };
      }
      if (this.#over !== 'open') return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #clear(): void {
    this.#chunks = [];
    this.#waiting = 0;
    this.#makeRoom();
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  #makeRoom(): void {
    this.#room?.();
    this.#room = null;
  }
}

const weightOf = (chunk: Uint8Array): number => Math.max(PIECE_MIN, chunk.length);
