// What each command means and when it may come: the client's name, its login, the mail transaction, and the bounds on
// commands that bring no message nearer. The connection under it (session.ts) has the socket, the clock's deadlines and
// the mail data. Logs nothing; a reply never repeats what the client said.

import { isAscii } from 'node:buffer';
import type { Envelope, EnvelopeRecipient, Reply } from '../domain/types.ts';
import { REPLIES } from './answers.ts';
import { type AuthStep, beginAuth, MECHANISMS } from './auth.ts';
import type { Client, SessionDeps } from './contract.ts';
import type { Incoming } from './incoming.ts';
import { parseChunk, parseMail, parseRcpt } from './parameters.ts';
import { type Busy, LINE_MAX } from './reader.ts';

/** What the commands need of the connection that they came on. */
export type Wire = {
  readonly ip: string;
  readonly port: number;
  readonly secure: () => boolean;
  readonly tls: () => Client['tls'];
  readonly reply: (reply: Reply) => void;
  /** Whole lines with CRLF, for what has no enhanced status code. */
  readonly lines: (text: string) => void;
  /** Replies and closes; `why` goes to the log. */
  readonly end: (reply: Reply, why: string | null) => void;
  readonly startTls: () => Promise<void>;
  /** Octets that came behind the present command. */
  readonly pipelined: () => number;
  readonly incoming: Pick<Incoming, 'takeData' | 'takeChunk' | 'dropChunk' | 'forget'>;
};

type MailTransaction = Envelope & {
  readonly recipients: EnvelopeRecipient[];
  readonly seen: Set<string>;
  asked: number;
  /** The mail data began, by BDAT. */
  inChunks: boolean;
  smallChunks: number;
};

const BEFORE_TLS: readonly string[] = ['EHLO', 'HELO', 'NOOP', 'QUIT', 'STARTTLS'];
/** Commands that bring no message nearer are bounded, too. */
const JUNK: readonly string[] = ['EHLO', 'HELO', 'NOOP', 'RSET', 'VRFY', 'HELP'];
/** RCPT commands of one transaction, as a multiple of the recipients that it may have. */
const RCPT_FACTOR = 10;
/** Chunks of a message that are smaller than so many octets, and how many of them it may have. */
const SMALL_CHUNK = 1024;
const SMALL_CHUNKS = 100_000;
const BDAT = /^BDAT(?![A-Za-z])/i;
const HTTP = /^(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT|PRI|PATCH) .* HTTP\/\d/i;
/** All that are known; EXPN and the like are not built. */
const COMMANDS: ReadonlySet<string> = new Set(
  'EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY HELP EXPN TURN ETRN'.split(' '),
);

export class Verbs {
  readonly #deps: SessionDeps;
  readonly #wire: Wire;
  #extended = false;
  #helo = '';
  #login: string | null = null;
  #transaction: MailTransaction | null = null;
  /** The reply to a chunk whose message is over; chunks that were on their way get it too. */
  #refused: Reply | null = null;
  #auth: Extract<AuthStep, { ask: string }> | null = null;
  /** For the log. */
  readonly count = { errors: 0, junk: 0, authFailures: 0, messages: 0 };

  constructor(deps: SessionDeps, wire: Wire) {
    this.#deps = deps;
    this.#wire = wire;
  }

  client(smtpUtf8 = false): Client {
    const { ip, port } = this.#wire;
    const tls = this.#wire.tls();
    const login = this.#login === null ? {} : { login: this.#login };
    const base = { ip, port, listener: this.#deps.name, helo: this.#helo };
    return { ...base, with: this.#protocol(smtpUtf8), ...(tls ? { tls } : {}), ...login };
  }

  /** RFC 3207 §4.2: nothing that was said before the handshake counts. The errors do. */
  forget(): void {
    this.#helo = '';
    this.#extended = false;
    this.#login = null;
    this.#transaction = null;
    this.#refused = null;
    this.#auth = null;
  }

  /** The mail data were answered; `refused` is the reply to chunks of them that may still come. */
  transactionDone(refused: Reply | null): void {
    this.#transaction = null;
    this.#refused = refused;
    this.count.messages++;
    this.count.errors = 0;
    this.count.junk = 0;
  }

  /** Does what one line asks for; it came without its CRLF. */
  command(line: Buffer): Busy {
    const text = textOf(line);
    const auth = this.#auth;
    this.#auth = null;
    if (text === null && !BDAT.test(line.toString('latin1'))) return this.#wrong(REPLIES.notText);
    if (text === null) return this.#wire.end(REPLIES.badChunk, 'bad chunk');
    if (auth) return this.#authStep(auth.next(text));
    if (HTTP.test(text)) return this.#wire.end(REPLIES.http, 'http');
    if (BDAT.test(text)) return this.#bdat(text.slice('BDAT'.length));
    const verb = (/^[A-Za-z]+(?= |$)/.exec(text)?.[0] ?? '').toUpperCase();
    const long = verb === 'MAIL' || verb === 'RCPT' || verb === 'AUTH';
    if (!long && line.length + 2 > LINE_MAX) return this.#wrong(REPLIES.lineTooLong);
    // RFC 6531 §3.1: only addresses and their parameters may leave ASCII.
    if (!long && !isAscii(line)) return this.#wrong(REPLIES.notText);
    if (JUNK.includes(verb) && !this.#mayJunk()) return;
    return this.#dispatch(verb, text.slice(verb.length));
  }

  #dispatch(verb: string, args: string): Busy {
    if (this.#deps.tls === 'required' && !this.#secure && COMMANDS.has(verb) && !BEFORE_TLS.includes(verb)) {
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
        return this.#abandon(() => this.#wire.reply(REPLIES.ok));
      case 'NOOP':
        return this.#wire.reply(REPLIES.ok);
      case 'QUIT':
        if (args !== '') return this.#wrong(REPLIES.noParameters);
        return this.#wire.end(REPLIES.bye, null);
      case 'VRFY':
        return args === '' ? this.#wrong(REPLIES.badSyntax) : this.#wire.reply(REPLIES.cannotVerify);
      case 'HELP':
        return this.#wire.reply(REPLIES.help);
      default:
        return this.#wrong(COMMANDS.has(verb) ? REPLIES.notImplemented : REPLIES.unknown);
    }
  }

  get #secure(): boolean {
    return this.#wire.secure();
  }

  // RFC 3848 and RFC 6531 §3.7.3.
  #protocol(smtpUtf8: boolean): string {
    if (!this.#extended) return 'SMTP';
    const secure = this.#secure ? 'S' : '';
    return `${smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${secure}${this.#login === null ? '' : 'A'}`;
  }

  /** False when there were too many, and the session ends. */
  #mayJunk(): boolean {
    if (++this.count.junk <= this.#deps.limits.junk) return true;
    this.#wire.end(REPLIES.tooManyErrors, 'junk commands');
    return false;
  }

  /** Gives the transaction up, with the chunks that came, and goes on when nothing is left of it. */
  #abandon(next: () => Busy): Busy {
    this.#transaction = null;
    this.#refused = null;
    const busy = this.#wire.incoming.forget();
    return busy ? busy.then(next) : next();
  }

  #wrong(reply: Reply): void {
    this.#wire.reply(reply);
    if (++this.count.errors >= this.#deps.limits.errors) this.#wire.end(REPLIES.tooManyErrors, 'errors');
  }

  #hello(verb: 'EHLO' | 'HELO', args: string): Busy {
    const host = args.trim();
    if (!isHost(host)) return this.#wrong(REPLIES.badHost);
    this.#helo = host;
    this.#extended = verb === 'EHLO';
    return this.#abandon(() =>
      this.#wire.lines(verb === 'HELO' ? `250 ${this.#deps.hostname}\r\n` : this.#extensions()),
    );
  }

  // RFC 2034 §4: no enhanced status codes here.
  #extensions(): string {
    const { hostname, maxSize, auth } = this.#deps;
    const lines = [hostname, 'PIPELINING', `SIZE ${maxSize}`];
    if (!this.#secure) lines.push('STARTTLS');
    if (auth && this.#secure && this.#login === null) lines.push(`AUTH ${MECHANISMS.join(' ')}`);
    // RFC 3030 §3 is not offered: who sees BINARYMIME sends what no DATA behind us could carry on.
    lines.push('ENHANCEDSTATUSCODES', '8BITMIME', 'CHUNKING', 'DSN', 'SMTPUTF8');
    return lines.map((line, i) => `250${i === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
  }

  #startTls(args: string): Busy {
    if (args !== '') return this.#wrong(REPLIES.noParameters);
    if (this.#secure) return this.#wrong(REPLIES.alreadyTls);
    return this.#abandon(() => this.#wire.startTls());
  }

  #authenticate(args: string): Busy {
    const { auth, clock, admission } = this.#deps;
    if (!auth) return this.#wrong(REPLIES.notImplemented);
    if (!this.#secure) return this.#wrong(REPLIES.tlsFirst);
    if (!this.#extended) return this.#wrong(REPLIES.helloFirst);
    if (this.#login !== null) return this.#wrong(REPLIES.alreadyAuthenticated);
    if (this.#transaction) return this.#wrong(REPLIES.inTransaction);
    if (admission.barred(this.#wire.ip, clock.now())) return this.#wire.end(REPLIES.tooManyFailures, 'barred');
    return this.#authStep(beginAuth(args));
  }

  #authStep(step: AuthStep): Busy {
    if ('refused' in step) {
      return step.refused === REPLIES.badLogin ? this.#authFailed() : this.#wrong(step.refused);
    }
    if ('login' in step) return this.#checkLogin(step.login, step.password);
    this.#auth = step;
    this.#wire.reply({ code: 334, enhanced: '', text: step.ask });
  }

  async #checkLogin(login: string, password: string): Promise<void> {
    const { handlers, admission } = this.#deps;
    if (!(await handlers.authenticate(login, password, this.client()))) return this.#authFailed();
    admission.succeeded(this.#wire.ip);
    this.#login = login;
    this.#wire.reply(REPLIES.authenticated);
  }

  async #authFailed(): Promise<void> {
    const { admission, clock, limits } = this.#deps;
    admission.failed(this.#wire.ip, clock.now());
    if (++this.count.authFailures >= limits.authFailures) return this.#wire.end(REPLIES.tooManyFailures, 'logins');
    await clock.sleep(limits.authDelay * 2 ** (this.count.authFailures - 1));
    this.#wire.reply(REPLIES.badLogin);
  }

  async #mail(args: string): Promise<void> {
    const { auth, maxSize, handlers } = this.#deps;
    if (this.#helo === '') return this.#wrong(REPLIES.helloFirst);
    if (auth && this.#login === null) return this.#wrong(REPLIES.loginFirst);
    if (this.#transaction) return this.#wrong(REPLIES.nestedMail);
    const mail = parseMail(args, { extended: this.#extended, auth: auth && this.#secure });
    if ('refused' in mail) return this.#wrong(mail.refused);
    if ((mail.size ?? 0) > maxSize) return this.#wrong(REPLIES.tooLarge);
    const refused = await handlers.mail(this.client(mail.smtpUtf8), mail);
    if (refused) return this.#wrong(refused);
    const { reversePath, dsn, smtpUtf8, body } = mail;
    const begun = { recipients: [], seen: new Set<string>(), asked: 0, inChunks: false, smallChunks: 0 };
    this.#transaction = { reversePath, dsn, smtpUtf8, body, ...begun };
    this.#refused = null;
    this.#wire.reply(REPLIES.senderOk);
  }

  async #rcpt(args: string): Promise<void> {
    const { hostname, limits, handlers } = this.#deps;
    const transaction = this.#transaction;
    if (!transaction) return this.#wrong(REPLIES.mailFirst);
    if (transaction.inChunks) return this.#wrong(REPLIES.betweenChunks);
    // A long list of refused recipients is no error; one without end is.
    if (++transaction.asked > limits.recipients * RCPT_FACTOR) {
      return this.#wire.end(REPLIES.tooManyErrors, 'recipients');
    }
    const { smtpUtf8, recipients, seen } = transaction;
    const rcpt = parseRcpt(args, { extended: this.#extended, smtpUtf8, hostname });
    if ('refused' in rcpt) return this.#wrong(rcpt.refused);
    // The same recipient twice is one delivery; the first one's parameters stand.
    if (seen.has(rcpt.address)) return this.#wire.reply(REPLIES.recipientOk);
    if (recipients.length >= limits.recipients) return this.#wire.reply(REPLIES.tooManyRecipients);
    const refused = await handlers.rcpt(this.client(smtpUtf8), transaction, rcpt);
    if (refused) return this.#wire.reply(refused);
    recipients.push(rcpt);
    seen.add(rcpt.address);
    this.#wire.reply(REPLIES.recipientOk);
  }

  #data(args: string): Busy {
    const transaction = this.#transaction;
    if (args !== '') return this.#wrong(REPLIES.noParameters);
    if (!transaction) return this.#wrong(REPLIES.mailFirst);
    // RFC 3030 §2: never both in one transaction.
    if (transaction.inChunks) return this.#wrong(REPLIES.betweenChunks);
    if (transaction.recipients.length === 0) return this.#wrong(REPLIES.noRecipients);
    // RFC 2920 §3.1: DATA is the last of a batch. What stands behind it was sent without knowing whether we would take
    // mail data or commands: smuggled mail looks like that.
    if (this.#wire.pipelined() > 0) return this.#wire.end(REPLIES.earlyData, 'early data');
    this.#wire.incoming.takeData(this.client(transaction.smtpUtf8), envelopeOf(transaction));
  }

  // RFC 3030 §2. A chunk stands behind its command, wanted or not, so its size comes before all else: who does not know it
  // would read mail data as commands.
  #bdat(args: string): Busy {
    const { incoming } = this.#wire;
    const chunk = parseChunk(args);
    if (!chunk) return this.#wire.end(REPLIES.badChunk, 'bad chunk');
    if (chunk.size === 0 && !chunk.last && !this.#mayJunk()) return;
    const refused = this.#refused;
    if (refused) {
      if (chunk.last) this.#refused = null;
      return incoming.dropChunk(chunk.size, () => this.#wire.reply(refused));
    }
    const ready = this.#readyForChunk();
    if ('code' in ready) return incoming.dropChunk(chunk.size, () => this.#wrong(ready));
    ready.inChunks = true;
    if (chunk.size < SMALL_CHUNK && ++ready.smallChunks > SMALL_CHUNKS) {
      return this.#wire.end(REPLIES.tooManyErrors, 'small chunks');
    }
    return incoming.takeChunk(chunk, this.client(ready.smtpUtf8), envelopeOf(ready));
  }

  /** The transaction that a chunk belongs to, or why there is none. */
  #readyForChunk(): MailTransaction | Reply {
    const transaction = this.#transaction;
    if (this.#deps.tls === 'required' && !this.#secure) return REPLIES.tlsFirst;
    if (!this.#extended) return REPLIES.helloFirst;
    if (!transaction) return REPLIES.mailFirst;
    if (transaction.asked === 0) return REPLIES.rcptFirst;
    return transaction.recipients.length === 0 ? REPLIES.noRecipients : transaction;
  }
}

function envelopeOf({ reversePath, recipients, dsn, smtpUtf8, body }: MailTransaction): Envelope {
  return { reversePath, recipients, dsn, smtpUtf8, body };
}

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
