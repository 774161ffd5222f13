// One client's SMTP session: which command may come when, what is answered, and every bound on time and errors. It stands
// on smtp-server's connection, from which it takes the socket's life and the upgrade to TLS, and replaces its parser, its
// commands and all its texts; test/unit/smtp/internals.test.ts fails when what is replaced changes.
//
// Logs one line when a session ends badly: codes and counts, never an address of mail, a parameter, or a text that
// came from the client or from an error. It knows no organization and keeps no mail.

import { isAscii } from 'node:buffer';
import type net from 'node:net';
import type tls from 'node:tls';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { Time } from '../domain/ids.ts';
import type { Envelope, EnvelopeRecipient, Reply } from '../domain/types.ts';
import { REPLIES, replyForCode, replyLine } from './answers.ts';
import { type AuthStep, beginAuth, MECHANISMS } from './auth.ts';
import type { Client, SessionDeps } from './contract.ts';
import { DataGone, DataRefused } from './data.ts';
import { parseMail, parseRcpt } from './parameters.ts';
import { LINE_MAX, Reader } from './reader.ts';
import { Transfer } from './transfer.ts';

type Busy = void | Promise<void>;
type MailTransaction = Envelope & { readonly recipients: EnvelopeRecipient[]; readonly seen: Set<string> };

/** Replies that wait for the end of a pipelined batch; more than this is sent at once. */
const OUT_MAX = 16 * 1024;
const BEFORE_TLS: readonly string[] = ['EHLO', 'HELO', 'NOOP', 'QUIT', 'STARTTLS'];
/** Commands that bring no message nearer are bounded, too. */
const JUNK: readonly string[] = ['EHLO', 'HELO', 'NOOP', 'RSET', 'VRFY', 'HELP'];
const HTTP = /^(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT|PRI|PATCH) .* HTTP\/\d/i;

export class Session extends SMTPConnection {
  readonly #deps: SessionDeps;
  readonly #openedAt: Time;
  #greeted = false;
  #gone = false;
  #stopping = false;
  /** The TLS socket while its handshake runs. */
  #handshake: tls.TLSSocket | null = null;
  /** Since when the client owes us something; null while we owe it a reply. */
  #waitingSince: Time | null;
  #out = '';
  #extended = false;
  #helo = '';
  #login: string | null = null;
  #transaction: MailTransaction | null = null;
  #transfer: Transfer | null = null;
  #auth: Extract<AuthStep, { ask: string }> | null = null;
  #count = { errors: 0, junk: 0, authFailures: 0, messages: 0 };

  constructor(server: SMTPServer, socket: net.Socket, deps: SessionDeps) {
    super(server, socket, {});
    this.#deps = deps;
    this.#openedAt = deps.clock.now();
    this.#waitingSince = this.#openedAt;
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
    this.#helo = '';
    this.#extended = false;
    this.#login = null;
    this.#transaction = null;
    this.#auth = null;
    this.#waitingSince = this.#deps.clock.now();
  }

  override close(): void {
    void this.#flush();
    super.close();
  }

  override _onClose(): void {
    super._onClose();
    if (this.#gone) return;
    this.#gone = true;
    this.#waitingSince = null;
    this.#transfer?.body.fail(new DataGone());
    this.#deps.left(this);
  }

  // ── what the listener calls ──

  /** Ends what is over its time. */
  sweep(now: Time): void {
    if (this._closing || this.#gone) return;
    if (this.#transfer && !this.#transfer.ended()) {
      const reply = this.#transfer.overdue(now);
      if (reply) this.#cut(reply);
      return;
    }
    if (this.#waitingSince === null) return;
    const { limits } = this.#deps;
    if (this.#handshake) {
      if (now - this.#waitingSince > limits.handshake) this.abort();
    } else if (now - this.#waitingSince > limits.command) this.#end(REPLIES.timeout, 'timeout');
    else if (now - this.#openedAt > limits.session) this.#end(REPLIES.sessionOver, 'lifetime');
  }

  /** 421 at once, or after the reply to what is being done. */
  stop(): void {
    this.#stopping = true;
    if (this._closing || this.#gone || this.#transfer || this.#waitingSince === null) return;
    if (this.#handshake) this.abort();
    else this.#end(REPLIES.stopping, null);
  }

  /** Tears the connection down. The topmost socket goes first: taken from under a handshake it would crash Node. */
  abort(): void {
    (this.#handshake ?? this._socket).destroy();
  }

  // ── life ──

  #greet(): Busy {
    if (this._closing || this.#gone) return;
    if (this._socket.bytesRead > 0) return this.#end(REPLIES.earlyTalker, 'early talker');
    const { handlers, hostname } = this.#deps;
    const refused = this.#stopping ? REPLIES.stopping : handlers.connect(this.#client());
    if (refused) {
      this.#reply(refused);
      return this.close();
    }
    this.#greeted = true;
    this._ready = true;
    this.#waitingSince = this.#deps.clock.now();
    this.#reply({ code: 220, enhanced: '', text: `${hostname} ESMTP` });
    void this.#flush();
  }

  #client(smtpUtf8 = false): Client {
    const { name } = this.#deps;
    const base = { ip: this.remoteAddress, port: this.remotePort, listener: name, helo: this.#helo };
    const login = this.#login === null ? {} : { login: this.#login };
    return { ...base, with: this.#protocol(smtpUtf8), ...this.#tls(), ...login };
  }

  // RFC 3848 and RFC 6531 §3.7.3.
  #protocol(smtpUtf8: boolean): string {
    if (!this.#extended) return 'SMTP';
    const secure = this.secure ? 'S' : '';
    return `${smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${secure}${this.#login === null ? '' : 'A'}`;
  }

  #tls(): { tls?: { version: string; cipher: string } } {
    if (!this.secure) return {};
    const socket = this._socket as tls.TLSSocket;
    return { tls: { version: socket.getProtocol() ?? '', cipher: socket.getCipher()?.standardName ?? '' } };
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

  /** Says why and closes; `why` is logged. */
  #end(reply: Reply, why: string | null): void {
    if (why !== null) {
      const { name, log } = this.#deps;
      log.info(
        { listener: name, ip: this.remoteAddress, code: reply.code, why, ...this.#count },
        'session ended by us',
      );
    }
    this.#reply(reply);
    this.close();
  }

  #cut(reply: Reply): void {
    this.#transfer?.cut(reply);
    this.#end(reply.code === 421 ? reply : { ...reply, code: 421, enhanced: '4.4.2' }, 'mail data');
  }

  #broken(what: 'bare line end' | 'line too long'): void {
    this.#end(what === 'line too long' ? REPLIES.lineTooLong : REPLIES.bareLineEnd, what);
  }

  #wrong(reply: Reply): void {
    this.#reply(reply);
    if (++this.#count.errors >= this.#deps.limits.errors) this.#end(REPLIES.tooManyErrors, 'errors');
  }

  // ── commands ──

  #line(line: Buffer): Busy {
    if (this._closing || this._upgrading) return;
    if (!this.#greeted) return this.#end(REPLIES.earlyTalker, 'early talker');
    this.#waitingSince = null;
    let busy: Busy;
    try {
      busy = this.#command(line);
    } catch (error) {
      busy = this.#failed(error);
    }
    if (!busy) return this.#settled();
    return busy.catch((error: unknown) => this.#failed(error)).then(() => this.#settled());
  }

  #settled(): Busy {
    if (this.#gone || this._closing) return;
    this.#waitingSince = this.#deps.clock.now();
    if (this.#stopping && !this.#transfer) return this.#end(REPLIES.stopping, null);
    if (this.#out.length > OUT_MAX) return this.#flush();
  }

  #failed(error: unknown): void {
    const name = error instanceof Error ? error.name : 'unknown';
    this.#deps.log.error({ listener: this.#deps.name, error: name }, 'a handler of the session failed');
    this.#reply(REPLIES.failed);
  }

  #command(line: Buffer): Busy {
    const text = textOf(line);
    if (text === null) return this.#wrong(REPLIES.notText);
    if (this.#auth) return this.#authStep(this.#auth.next(text));
    if (HTTP.test(text)) return this.#end(REPLIES.http, 'http');
    const verb = (/^[A-Za-z]+(?= |$)/.exec(text)?.[0] ?? '').toUpperCase();
    const long = verb === 'MAIL' || verb === 'RCPT' || verb === 'AUTH';
    if (!long && line.length + 2 > LINE_MAX) return this.#wrong(REPLIES.lineTooLong);
    // RFC 6531 §3.1: only addresses and their parameters may leave ASCII.
    if (!long && !isAscii(line)) return this.#wrong(REPLIES.notText);
    if (JUNK.includes(verb) && ++this.#count.junk > this.#deps.limits.junk) {
      return this.#end(REPLIES.tooManyErrors, 'junk commands');
    }
    return this.#dispatch(verb, text.slice(verb.length));
  }

  #dispatch(verb: string, args: string): Busy {
    if (this.#deps.tls === 'required' && !this.secure && COMMANDS.has(verb) && !BEFORE_TLS.includes(verb)) {
      return this.#wrong(REPLIES.tlsFirst);
    }
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb, args);
      case 'STARTTLS':
        return this.#startTls(args);
      case 'AUTH':
        return this.#authenticate(args);
      case 'MAIL':
        return this.#mail(args);
      case 'RCPT':
        return this.#rcpt(args);
      case 'DATA':
        return this.#data(args);
      case 'RSET':
        if (args !== '') return this.#wrong(REPLIES.noParameters);
        this.#transaction = null;
        return this.#reply(REPLIES.ok);
      case 'NOOP':
        return this.#reply(REPLIES.ok);
      case 'QUIT':
        if (args !== '') return this.#wrong(REPLIES.noParameters);
        return this.#end(REPLIES.bye, null);
      case 'VRFY':
        return args === '' ? this.#wrong(REPLIES.badSyntax) : this.#reply(REPLIES.cannotVerify);
      case 'HELP':
        return this.#reply(REPLIES.help);
      default:
        return this.#wrong(COMMANDS.has(verb) ? REPLIES.notImplemented : REPLIES.unknown);
    }
  }

  #hello(verb: 'EHLO' | 'HELO', args: string): Busy {
    const host = args.trim();
    if (!isHost(host)) return this.#wrong(REPLIES.badHost);
    this.#helo = host;
    this.#extended = verb === 'EHLO';
    this.#transaction = null;
    this.#write(verb === 'HELO' ? `250 ${this.#deps.hostname}\r\n` : this.#extensions());
  }

  // RFC 2034 §4: no enhanced status codes here.
  #extensions(): string {
    const { hostname, maxSize, auth } = this.#deps;
    const lines = [hostname, 'PIPELINING', `SIZE ${maxSize}`];
    if (!this.secure) lines.push('STARTTLS');
    if (auth && this.secure && this.#login === null) lines.push(`AUTH ${MECHANISMS.join(' ')}`);
    lines.push('ENHANCEDSTATUSCODES', '8BITMIME', 'DSN', 'SMTPUTF8');
    return lines.map((line, i) => `250${i === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
  }

  #startTls(args: string): Busy {
    if (args !== '') return this.#wrong(REPLIES.noParameters);
    if (this.secure) return this.#wrong(REPLIES.alreadyTls);
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

  #authenticate(args: string): Busy {
    const { auth, clock, admission } = this.#deps;
    if (!auth) return this.#wrong(REPLIES.notImplemented);
    if (!this.secure) return this.#wrong(REPLIES.tlsFirst);
    if (!this.#extended) return this.#wrong(REPLIES.helloFirst);
    if (this.#login !== null) return this.#wrong(REPLIES.alreadyAuthenticated);
    if (this.#transaction) return this.#wrong(REPLIES.inTransaction);
    if (admission.barred(this.remoteAddress, clock.now())) return this.#end(REPLIES.tooManyFailures, 'barred');
    return this.#authStep(beginAuth(args));
  }

  #authStep(step: AuthStep): Busy {
    this.#auth = null;
    if ('refused' in step) {
      return step.refused === REPLIES.badLogin ? this.#authFailed() : this.#wrong(step.refused);
    }
    if ('login' in step) return this.#checkLogin(step.login, step.password);
    this.#auth = step;
    this.#reply({ code: 334, enhanced: '', text: step.ask });
  }

  async #checkLogin(login: string, password: string): Promise<void> {
    const { handlers, admission } = this.#deps;
    if (!(await handlers.authenticate(login, password, this.#client()))) return this.#authFailed();
    admission.succeeded(this.remoteAddress);
    this.#login = login;
    this.#reply(REPLIES.authenticated);
  }

  async #authFailed(): Promise<void> {
    const { admission, clock, limits } = this.#deps;
    admission.failed(this.remoteAddress, clock.now());
    if (++this.#count.authFailures >= limits.authFailures) return this.#end(REPLIES.tooManyFailures, 'logins');
    await clock.sleep(limits.authDelay * 2 ** (this.#count.authFailures - 1));
    this.#reply(REPLIES.badLogin);
  }

  // ── a mail transaction ──

  async #mail(args: string): Promise<void> {
    const { auth, maxSize, handlers } = this.#deps;
    if (this.#helo === '') return this.#wrong(REPLIES.helloFirst);
    if (auth && this.#login === null) return this.#wrong(REPLIES.loginFirst);
    if (this.#transaction) return this.#wrong(REPLIES.nestedMail);
    const mail = parseMail(args, { extended: this.#extended, auth: auth && this.secure });
    if ('refused' in mail) return this.#wrong(mail.refused);
    if ((mail.size ?? 0) > maxSize) return this.#reply(REPLIES.tooLarge);
    const refused = await handlers.mail(this.#client(mail.smtpUtf8), mail);
    if (refused) return this.#reply(refused);
    const { reversePath, dsn, smtpUtf8, body } = mail;
    this.#transaction = { reversePath, dsn, smtpUtf8, body, recipients: [], seen: new Set() };
    this.#reply(REPLIES.senderOk);
  }

  async #rcpt(args: string): Promise<void> {
    const { hostname, limits, handlers } = this.#deps;
    const transaction = this.#transaction;
    if (!transaction) return this.#wrong(REPLIES.mailFirst);
    const { smtpUtf8, recipients, seen } = transaction;
    const rcpt = parseRcpt(args, { extended: this.#extended, smtpUtf8, hostname });
    if ('refused' in rcpt) return this.#wrong(rcpt.refused);
    // The same recipient twice is one delivery; the first one's parameters stand.
    if (seen.has(rcpt.address)) return this.#reply(REPLIES.recipientOk);
    if (recipients.length >= limits.recipients) return this.#reply(REPLIES.tooManyRecipients);
    const refused = await handlers.rcpt(this.#client(smtpUtf8), transaction, rcpt);
    if (refused) return this.#reply(refused);
    recipients.push(rcpt);
    seen.add(rcpt.address);
    this.#reply(REPLIES.recipientOk);
  }

  #data(args: string): Busy {
    const transaction = this.#transaction;
    if (args !== '') return this.#wrong(REPLIES.noParameters);
    if (!transaction) return this.#wrong(REPLIES.mailFirst);
    if (transaction.recipients.length === 0) return this.#wrong(REPLIES.noRecipients);
    const reader = this._parser as unknown as Reader;
    // RFC 2920 §3.1: DATA is the last of a batch. What stands behind it was sent without knowing whether we would take
    // mail data or commands: smuggled mail looks like that.
    if (reader.pipelined > 0) return this.#end(REPLIES.earlyData, 'early data');
    const { maxSize, limits, clock, handlers } = this.#deps;
    const transfer = new Transfer({ ...limits, maxSize }, clock.now, () => this.#dataEnded(transfer, answer));
    const { reversePath, dsn, smtpUtf8, body, recipients } = transaction;
    const envelope: Envelope = { reversePath, recipients, dsn, smtpUtf8, body };
    this.#transfer = transfer;
    const answer = this.#answer(transfer, () => handlers.data(this.#client(smtpUtf8), envelope, transfer.body));
    reader.startData({
      feed: (chunk) => {
        const used = transfer.feed(chunk);
        if (transfer.endless) this.#cut(REPLIES.tooLarge);
        return used;
      },
      ended: transfer.ended,
    });
    this.#reply({ code: 354, enhanced: '', text: 'End data with <CR><LF>.<CR><LF>' });
  }

  async #answer(transfer: Transfer, handle: () => Promise<Reply>): Promise<Reply> {
    try {
      return await handle();
    } catch (error) {
      if (error instanceof DataRefused) return error.reply;
      if (!(error instanceof DataGone)) {
        const name = error instanceof Error ? error.name : 'unknown';
        this.#deps.log.error({ listener: this.#deps.name, error: name }, 'taking mail data failed');
      }
      return REPLIES.failed;
    } finally {
      // A consumer that is done before the end leaves the rest to be read and dropped.
      transfer.body.drop();
    }
  }

  async #dataEnded(transfer: Transfer, answer: Promise<Reply>): Promise<void> {
    const reply = await answer;
    this.#transfer = null;
    this.#transaction = null;
    this.#count.messages++;
    this.#count.errors = 0;
    this.#count.junk = 0;
    if (this.#gone) return;
    this.#reply(transfer.refusal ?? reply);
    const settled = this.#settled();
    void this.#flush();
    await settled;
  }
}

/** All that are known; EXPN and the like are not built. */
const COMMANDS: ReadonlySet<string> = new Set(
  'EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY HELP EXPN TURN ETRN BDAT'.split(' '),
);

// RFC 5321 §4.1.1.1 wants a domain or an address literal; underscores and single labels are what real clients send.
function isHost(text: string): boolean {
  return text.length <= 255 && /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[A-Za-z0-9:.]+\])$/.test(text);
}

function textOf(line: Buffer): string | null {
  let text: string;
  try {
    text = isAscii(line)
      ? line.toString('latin1')
      : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    return null;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\x00-\x1f\x7f]/.test(text) ? null : text.trimEnd();
}
