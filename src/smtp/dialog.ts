// One connection to a next hop as a sequence of commands and replies: connects, waits for each reply until an absolute
// deadline, writes blocks with back-pressure, changes to TLS. Knows when a reply is owed; one that comes unasked ends the
// dialog. Knows nothing of mail. Logs nothing; its errors hold no text of the peer.

import { connect as connectTcp, type Socket } from 'node:net';
import * as tls from 'node:tls';
import type { Duration } from '../domain/ids.ts';
import { type RawReply, ReplyError, ReplyParser } from './replies.ts';

export type FaultKind = 'refused' | 'closed' | 'timeout' | 'protocol' | 'tls' | 'stopped';

export class DialogError extends Error {
  readonly kind: FaultKind;
  /** What the peer said unasked, when that ended the dialog: 421 before it closes, 5yz in the middle of the data. */
  readonly unasked: RawReply | null;
  constructor(kind: FaultKind, message: string, unasked: RawReply | null = null) {
    super(message);
    this.kind = kind;
    this.unasked = unasked;
  }
}

type Waiting = {
  readonly resolve: (reply: RawReply) => void;
  readonly reject: (error: DialogError) => void;
  readonly timer: NodeJS.Timeout;
};

export type ConnectOptions = {
  readonly address: string;
  readonly port: number;
  readonly ms: Duration;
  readonly localAddress?: string;
  readonly signal?: AbortSignal;
};

/** Opens the TCP connection. Rejects with DialogError. */
export function connectDialog(options: ConnectOptions): Promise<Dialog> {
  const { address, port, ms, localAddress, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new DialogError('stopped', 'stopped'));
      return;
    }
    // An IP address: no lookup is made.
    const socket = connectTcp({
      host: address,
      port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
    });
    const end = (error: DialogError | null): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('connect', onConnect);
      if (error === null) {
        resolve(new Dialog(socket));
        return;
      }
      // An error that is still under way must find a listener.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onConnect = (): void => end(null);
    const onError = (error: NodeJS.ErrnoException): void => end(new DialogError('refused', connectWords(error)));
    const onAbort = (): void => end(new DialogError('stopped', 'stopped'));
    const timer = setTimeout(() => end(new DialogError('timeout', 'no connection in time')), ms);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError);
    socket.on('connect', onConnect);
  });
}

function connectWords(error: NodeJS.ErrnoException): string {
  return error.code === 'ECONNREFUSED' ? 'connection refused' : `no connection (${error.code ?? 'unknown'})`;
}

export class Dialog {
  #socket: Socket;
  #parser = new ReplyParser();
  #arrived: RawReply[] = [];
  #waiting: Waiting | null = null;
  #owed = 1;
  #error: DialogError | null = null;
  #onEnd: (() => void) | null = null;
  #onDrain: (() => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach();
  }

  /** The fault that ended the dialog; null while it is alive. */
  get ended(): DialogError | null {
    return this.#error;
  }

  /** Called once when an unused dialog ends; null takes the listener away. */
  whenEnded(listener: (() => void) | null): void {
    this.#onEnd = listener;
  }

  /** Writes command lines; `replies` of them will be answered. */
  send(text: string, replies: number): void {
    this.#owed += replies;
    if (this.#error === null) this.#socket.write(text, 'utf8');
  }

  /** The next reply, whole, within `ms`. Rejects with DialogError; the dialog is over then. */
  reply(ms: Duration): Promise<RawReply> {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return Promise.resolve(arrived);
    if (this.#error !== null) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new DialogError('timeout', 'no reply in time')), ms);
      this.#waiting = { resolve, reject, timer };
    });
  }

  /** Writes pieces in one go without waiting; `replies` as in `send`. False: the socket is full. */
  push(pieces: readonly Uint8Array[], replies: number): boolean {
    this.#owed += replies;
    if (this.#error !== null) return true;
    const socket = this.#socket;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    return !socket.writableNeedDrain;
  }

  /** Writes pieces as one block and waits until the socket took it. Rejects with DialogError. */
  async write(pieces: readonly Uint8Array[], ms: Duration): Promise<void> {
    if (this.#error !== null) throw this.#error;
    const socket = this.#socket;
    if (this.push(pieces, 0)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#fail(new DialogError('timeout', 'peer takes no data')), ms);
      this.#onDrain = () => {
        clearTimeout(timer);
        this.#onDrain = null;
        resolve();
      };
      socket.once('drain', this.#onDrain);
    });
    if (this.#error !== null) throw this.#error;
  }

  /** Hands the connection to TLS, after the reply to STARTTLS. Rejects with DialogError; the dialog is over then. */
  async secure(options: tls.ConnectionOptions, ms: Duration): Promise<tls.TLSSocket> {
    // RFC 3207 §4.2: what the peer sent before the handshake was never protected and must not be read as if it were.
    if (this.#parser.pending || this.#arrived.length > 0 || this.#error?.unasked) {
      const injected = new DialogError('tls', 'plaintext behind the reply to STARTTLS');
      this.#fail(injected);
      throw injected;
    }
    if (this.#error !== null) throw this.#error;
    this.#detach();
    const plain = this.#socket;
    plain.on('error', () => undefined);
    const secured = tls.connect({ ...options, socket: plain });
    this.#socket = secured;
    await handshake(secured, ms).catch((error: DialogError) => {
      this.#fail(error);
      throw this.#error ?? error;
    });
    this.#parser = new ReplyParser();
    this.#attach();
    return secured;
  }

  /** Ends it at once; whoever waits gets `error`. */
  destroy(error = new DialogError('closed', 'connection closed by us')): void {
    this.#fail(error);
  }

  /** Takes leave: QUIT, then closes; destroys after `ms`. Resolves when the connection is closed; never rejects. */
  quit(ms: Duration): Promise<void> {
    if (this.#error !== null) return Promise.resolve();
    const socket = this.#socket;
    this.#owed += 1;
    this.#error = new DialogError('closed', 'connection closed by us');
    const timer = setTimeout(() => socket.destroy(), ms).unref();
    return new Promise((resolve) => {
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end('QUIT\r\n');
    });
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      for (const reply of this.#parser.push(chunk)) this.#take(reply);
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      this.#fail(new DialogError('protocol', error.message));
    }
  };
  readonly #onClose = (): void => this.#fail(new DialogError('closed', 'peer closed the connection'));
  readonly #onError = (error: NodeJS.ErrnoException): void =>
    this.#fail(new DialogError('closed', `connection lost (${error.code ?? 'unknown'})`));

  #take(reply: RawReply): void {
    if (this.#error !== null) return;
    if (this.#owed === 0) {
      this.#fail(new DialogError('protocol', 'reply without a command', reply));
      return;
    }
    this.#owed--;
    const waiting = this.#waiting;
    if (waiting === null) {
      this.#arrived.push(reply);
      return;
    }
    this.#waiting = null;
    clearTimeout(waiting.timer);
    waiting.resolve(reply);
  }

  #attach(): void {
    this.#socket.on('data', this.#onData);
    this.#socket.on('error', this.#onError);
    this.#socket.on('end', this.#onClose);
    this.#socket.on('close', this.#onClose);
  }

  #detach(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('error', this.#onError);
    this.#socket.off('end', this.#onClose);
    this.#socket.off('close', this.#onClose);
  }

  #fail(error: DialogError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#socket.destroy();
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) {
      clearTimeout(waiting.timer);
      waiting.reject(error);
    }
    this.#onDrain?.();
    this.#onEnd?.();
  }
}

function handshake(socket: tls.TLSSocket, ms: Duration): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error: DialogError | null): void => {
      clearTimeout(timer);
      socket.off('secureConnect', onSecure);
      socket.off('error', onError);
      socket.off('close', onClose);
      if (error === null) {
        resolve();
        return;
      }
      socket.on('error', () => undefined);
      reject(error);
    };
    const onSecure = (): void => end(null);
    const onError = (error: NodeJS.ErrnoException): void =>
      end(new DialogError('tls', `TLS handshake failed (${error.code ?? 'unknown'})`));
    const onClose = (): void => end(new DialogError('tls', 'peer closed the connection during the TLS handshake'));
    const timer = setTimeout(() => end(new DialogError('tls', 'TLS handshake not done in time')), ms);
    socket.on('secureConnect', onSecure);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}
