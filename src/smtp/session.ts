// One client's SMTP session as a connection: greeting, lines in, replies out, TLS, deadlines and the end; what the commands
// mean is in verbs.ts, what becomes of mail data in incoming.ts. It stands on smtp-server's connection, from which it takes
// the socket's life and the upgrade to TLS, and replaces its parser, its commands and all its texts;
// test/unit/smtp/internals.test.ts fails when what is replaced changes.
//
// Logs one line when a session ends badly: codes and counts, never an address of mail, a parameter, or a text that
// came from the client or from an error. It knows no organization and keeps no mail.

import type net from 'node:net';
import type tls from 'node:tls';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { Time } from '../domain/ids.ts';
import type { Reply } from '../domain/types.ts';
import { REPLIES, replyForCode, replyLine } from './answers.ts';
import type { Client, SessionDeps } from './contract.ts';
import { Incoming } from './incoming.ts';
import { type Busy, Reader } from './reader.ts';
import { Verbs } from './verbs.ts';

/** Replies that wait for the end of a pipelined batch; more than this is sent at once. */
const OUT_MAX = 16 * 1024;

export class Session extends SMTPConnection {
  readonly #deps: SessionDeps;
  readonly #verbs: Verbs;
  readonly #incoming: Incoming;
  readonly #openedAt: Time;
  #greeted = false;
  #gone = false;
  #stopping = false;
  /** The TLS socket while its handshake runs. */
  #handshake: tls.TLSSocket | null = null;
  /** Since when the client owes us something; null while we owe it a reply. */
  #waitingSince: Time | null;
  #out = '';

  constructor(server: SMTPServer, socket: net.Socket, deps: SessionDeps) {
    super(server, socket, {});
    this.#deps = deps;
    this.#openedAt = deps.clock.now();
    this.#waitingSince = this.#openedAt;
    const incoming = new Incoming(deps, {
      read: (mode) => (this._parser as unknown as Reader).startData(mode),
      reply: (reply) => this.#reply(reply),
      cut: (reply) => this.#cut(reply),
      owing: () => {
        this.#waitingSince = null;
      },
      settled: () => this.#settled(),
      answered: (reply, refused) => this.#answered(reply, refused),
      failed: (error) => this.#logFailure(error),
    });
    this.#incoming = incoming;
    this.#verbs = new Verbs(deps, {
      ip: this.remoteAddress,
      port: this.remotePort,
      secure: () => this.secure,
      tls: () => this.#tls(),
      reply: (reply) => this.#reply(reply),
      lines: (text) => this.#write(text),
      end: (reply, why) => this.#end(reply, why),
      startTls: () => this.#startTls(),
      pipelined: () => (this._parser as unknown as Reader).pipelined,
      incoming,
    });
  }

  // ── what smtp-server calls ──

  // Called by its constructor, before our own fields exist.
  override _createParser(): never {
    return new Reader({
      line: (line) => this.#line(line),
      broken: (what) => this.#broken(what),
      idle: () => this.#flush(),
    }) as never;
  }

  // Its version waits 100 ms and asks the DNS for the client's name before it greets.
  override init(): void {
    this._setListeners(() => {
      const { limits, clock } = this.#deps;
      if (limits.greetDelay > 0) void clock.sleep(limits.greetDelay).then(() => this.#greet());
      else setImmediate(() => void this.#greet());
    });
  }

  // The last place through which a text of smtp-server or of an error could go out: only the code passes.
  override send(code: number, _data?: unknown, _context?: unknown): void {
    this.#reply(replyForCode(code));
  }

  // Its idle timer starts anew with each octet; ours are absolute. It names the TLS socket of a handshake, though.
  override _armTimeout(socket: net.Socket | tls.TLSSocket = this._socket): void {
    if (socket !== this._socket) this.#handshake = socket as tls.TLSSocket;
  }

  // Called when the TLS handshake is done. RFC 3207 §4.2: nothing that was said before it counts.
  override _resetSession(): void {
    super._resetSession();
    this.#handshake = null;
    this.#verbs.forget();
    this.#waitingSince = this.#deps.clock.now();
  }

  override close(): void {
    this.#incoming.gone();
    void this.#flush();
    super.close();
  }

  override _onClose(): void {
    super._onClose();
    if (this.#gone) return;
    this.#gone = true;
    this.#waitingSince = null;
    this.#incoming.gone();
    this.#deps.left(this);
  }

  // ── what the listener calls ──

  /** Ends what is over its time. */
  sweep(now: Time): void {
    if (this._closing || this.#gone) return;
    const late = this.#incoming.overdue(now);
    if (late) this.#cut(late);
    if (late || this.#incoming.reading || this.#waitingSince === null) return;
    const { limits } = this.#deps;
    if (this.#handshake) {
      if (now - this.#waitingSince > limits.handshake) this.abort();
    } else if (now - this.#waitingSince > limits.command) this.#end(REPLIES.timeout, 'timeout');
    else if (!this.#incoming.open && now - this.#openedAt > limits.session) this.#end(REPLIES.sessionOver, 'lifetime');
  }

  /** 421 at once, or after the reply to what is being done. */
  stop(): void {
    this.#stopping = true;
    if (this._closing || this.#gone || this.#inData || this.#waitingSince === null) return;
    this.#end(REPLIES.stopping, null);
  }

  /** Tears the connection down. The topmost socket goes first: taken from under a handshake it would crash Node. */
  abort(): void {
    (this.#handshake ?? this._socket).destroy();
  }

  // ── life ──

  #greet(): Busy {
    if (this._closing || this.#gone) return;
    if (this._socket.bytesRead > 0) return this.#end(REPLIES.earlyTalker, 'early talker');
    const refused = this.#stopping ? REPLIES.stopping : this.#refusal();
    if (refused) {
      this.#reply(refused);
      return this.close();
    }
    this.#greeted = true;
    this._ready = true;
    this.#waitingSince = this.#deps.clock.now();
    this.#reply({ code: 220, enhanced: '', text: `${this.#deps.hostname} ESMTP` });
    void this.#flush();
  }

  #refusal(): Reply | null {
    try {
      return this.#deps.handlers.connect(this.#verbs.client());
    } catch (error) {
      this.#logFailure(error);
      return REPLIES.closed;
    }
  }

  get #inData(): boolean {
    return this.#incoming.open || this.#incoming.reading;
  }

  #tls(): Client['tls'] {
    if (!this.secure) return undefined;
    const socket = this._socket as tls.TLSSocket;
    return { version: socket.getProtocol() ?? '', cipher: socket.getCipher()?.standardName ?? '' };
  }

  #startTls(): Promise<void> {
    this.#reply(REPLIES.tlsReady);
    void this.#flush();
    // The reader of the clear session is retired with all that was pipelined behind the command.
    return new Promise((resolve) => {
      this.upgrade(() => {
        resolve();
        return false;
      });
    });
  }

  /** A reply is one line; it goes out when the batch of commands is done. */
  #reply(reply: Reply): void {
    this.#write(replyLine(reply));
    if (reply.code === 421) this.close();
  }

  #write(text: string): void {
    // While the handshake runs, anything written would stand in clear between its records.
    if (!this._upgrading) this.#out += text;
  }

  #flush(): Busy {
    const socket = this._socket;
    if (this.#out === '' || socket.destroyed || !socket.writable) return;
    const out = this.#out;
    this.#out = '';
    if (socket.write(out, 'latin1') || !socket.writableNeedDrain) return;
    // A client that does not read its replies is not read from.
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.once('drain', done);
      socket.once('close', done);
    });
  }

  /** Says why and closes; `why` is logged. In a handshake nothing can be said. */
  #end(reply: Reply, why: string | null): void {
    if (this.#handshake) {
      this.abort();
      return;
    }
    if (why !== null) {
      const { name, log } = this.#deps;
      log.info(
        { listener: name, ip: this.remoteAddress, code: reply.code, why, ...this.#verbs.count },
        'session ended by us',
      );
    }
    this.#reply(reply);
    this.close();
  }

  #cut(reply: Reply): void {
    this.#incoming.cut(reply);
    this.#end(reply, 'mail data');
  }

  #broken(what: 'bare line end' | 'line too long'): void {
    this.#end(what === 'line too long' ? REPLIES.lineTooLong : REPLIES.bareLineEnd, what);
  }

  // ── lines ──

  #line(line: Buffer): Busy {
    if (this._closing || this._upgrading) return;
    if (!this.#greeted) return this.#end(REPLIES.earlyTalker, 'early talker');
    this.#waitingSince = null;
    let busy: Busy;
    try {
      busy = this.#verbs.command(line);
    } catch (error) {
      busy = this.#failed(error);
    }
    if (!busy) return this.#settled();
    return busy.catch((error: unknown) => this.#failed(error)).then(() => this.#settled());
  }

  #settled(): Busy {
    if (this.#gone || this._closing) return;
    this.#waitingSince = this.#deps.clock.now();
    if (this.#stopping && !this.#inData) return this.#end(REPLIES.stopping, null);
    if (this.#out.length > OUT_MAX) return this.#flush();
  }

  #answered(reply: Reply, refused: Reply | null): Busy {
    this.#verbs.transactionDone(refused);
    if (this.#gone) return;
    this.#reply(reply);
    const settled = this.#settled();
    // Whatever was pipelined behind it, the client is to know.
    void this.#flush();
    return settled;
  }

  #failed(error: unknown): void {
    this.#logFailure(error);
    this.#reply(REPLIES.failed);
  }

  // The name of the error only: its text may hold what the client said.
  #logFailure(error: unknown): void {
    const name = error instanceof Error ? error.name : 'unknown';
    this.#deps.log.error({ listener: this.#deps.name, error: name }, 'a handler of the session failed');
  }
}
