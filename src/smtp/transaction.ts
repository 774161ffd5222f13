// One mail transaction on an open connection whose level has been judged: MAIL, RCPT, DATA, the mail data, the final dot.
// Gives each recipient an outcome, or leaves it open when another hop may still take it. Nothing is doubtful before the
// dot; after it, everything without a reply is `in doubt`. Logs nothing.

import type { EnvelopeRecipient, Evidence, Outcome, Reply } from '../domain/types.ts';
import { type MailCommand, mailLine, needsUtf8, rcptLine } from './commands.ts';
import { type Connection, type Failure, failureOf, putOff, type Timeouts } from './connection.ts';
import { DialogError } from './dialog.ts';
import { ConversionError, toSevenBit } from './downgrade.ts';
import { type RawReply, toReply } from './replies.ts';
import { ContentError, FINAL_DOT, Stuffer } from './stuffing.ts';

export type Mail = {
  readonly reversePath: string;
  readonly dsn: MailCommand['dsn'];
  readonly smtpUtf8: boolean;
  readonly eightBit: boolean;
  readonly utf8Headers: boolean;
  readonly size: number;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly beforeDot: () => Promise<boolean>;
};

/** `outcomes` runs parallel to the recipients given; null: no answer for it here. */
export type TransactionResult = {
  readonly outcomes: readonly (Outcome | null)[];
  /** Why the open ones are open. */
  readonly failure: Failure | null;
  /** The connection may carry another transaction. */
  readonly reusable: boolean;
  /** No other hop is to be tried: the fault is on our side. */
  readonly stop: boolean;
};

const BLOCK = 131_072;
const SEVEN_BIT_FAULT: Reply = {
  code: 554,
  enhanced: '5.6.3',
  text: 'next hop takes 7 bits and conversion is not possible',
};
const CONTENT_FAULT: Reply = { code: 554, enhanced: '5.6.0', text: 'mail data is not fit for SMTP' };
const NEEDS_UTF8: Reply = { code: 553, enhanced: '5.6.7', text: 'next hop does not take internationalized addresses' };
const NEEDS_UTF8_HEADERS: Reply = { code: 554, enhanced: '5.6.7', text: 'next hop does not take UTF-8 header fields' };
const TOO_LARGE: Reply = { code: 552, enhanced: '5.3.4', text: 'message is larger than the next hop takes' };

/** Ends the transaction early with what is known so far. */
class Ended extends Error {
  readonly failure: Failure | null;
  readonly stop: boolean;
  constructor(failure: Failure | null, stop = false) {
    super('ended');
    this.failure = failure;
    this.stop = stop;
  }
}

export async function runTransaction(
  connection: Connection,
  mail: Mail,
  recipients: readonly EnvelopeRecipient[],
  evidence: Evidence,
  timeouts: Timeouts,
): Promise<TransactionResult> {
  const run = new Transaction(connection, mail, recipients, evidence, timeouts);
  try {
    await run.run();
    return { outcomes: run.outcomes, failure: null, reusable: connection.dialog.ended === null, stop: false };
  } catch (error) {
    connection.dialog.destroy();
    if (error instanceof Ended)
      return { outcomes: run.outcomes, failure: error.failure, reusable: false, stop: error.stop };
    if (!(error instanceof DialogError)) throw error;
    return { outcomes: run.outcomes, failure: failureWith(error, connection, evidence), reusable: false, stop: false };
  }
}

function failureWith(error: DialogError, connection: Connection, evidence: Evidence): Failure {
  // RFC 5321 §3.8: a 421 may come at any time, also unasked.
  if (error.unasked?.code === 421) return putOff(error.unasked, evidence);
  const failure = failureOf(error, connection.hop);
  return failure.kind === 'unreached' ? { ...failure, evidence } : failure;
}

class Transaction {
  readonly outcomes: (Outcome | null)[];
  readonly #connection: Connection;
  readonly #mail: Mail;
  readonly #recipients: readonly EnvelopeRecipient[];
  readonly #evidence: Evidence;
  readonly #timeouts: Timeouts;
  readonly #pipelined: boolean;

  constructor(
    connection: Connection,
    mail: Mail,
    recipients: readonly EnvelopeRecipient[],
    evidence: Evidence,
    timeouts: Timeouts,
  ) {
    this.#connection = connection;
    this.#mail = mail;
    this.#recipients = recipients;
    this.#evidence = evidence;
    this.#timeouts = timeouts;
    this.#pipelined = connection.features.pipelining;
    this.outcomes = recipients.map(() => null);
  }

  async run(): Promise<void> {
    const fault = this.#unfit();
    if (fault !== null) return this.#refuse(this.#open(), fault);
    this.#refuseUtf8Recipients();
    const going = this.#open();
    if (going.length === 0) return;
    const accepted = await this.#envelope(going);
    if (accepted.length === 0) return;
    await this.#data(accepted);
  }

  /** Indices of the recipients that have no outcome. */
  #open(): number[] {
    return this.outcomes.flatMap((outcome, i) => (outcome === null ? [i] : []));
  }

  #refuse(indices: readonly number[], reply: Reply): void {
    for (const i of indices) this.outcomes[i] = { kind: 'refused', reply, evidence: this.#evidence };
  }

  /** What forbids the whole message on this connection. */
  #unfit(): Reply | null {
    const { features } = this.#connection;
    if (!features.smtpUtf8 && this.#internationalized) return NEEDS_UTF8_HEADERS;
    if (!features.smtpUtf8 && needsUtf8(this.#mail.reversePath)) return NEEDS_UTF8;
    return features.maxSize !== null && this.#mail.size > features.maxSize ? TOO_LARGE : null;
  }

  #refuseUtf8Recipients(): void {
    if (this.#connection.features.smtpUtf8) return;
    this.#refuse(
      this.#open().filter((i) => needsUtf8(this.#recipients[i]?.address ?? '')),
      NEEDS_UTF8,
    );
  }

  /** RFC 6532. Raw octets in a header that came without SMTPUTF8 are an old charset's, and go on as they came. */
  get #internationalized(): boolean {
    return this.#mail.smtpUtf8 && this.#mail.utf8Headers;
  }

  get #downgrading(): boolean {
    return this.#mail.eightBit && !this.#connection.features.eightBitMime;
  }

  /** MAIL and RCPTs (and DATA, when the peer takes commands in one piece); the recipients that were accepted. */
  async #envelope(going: readonly number[]): Promise<number[]> {
    const { dialog, features } = this.#connection;
    const lines = [this.#mailLine(going), ...going.map((i) => rcptLine(this.#recipients[i]!, features))];
    // RFC 5321 §4.1.1.5: a clean slate for the next message on a kept connection.
    const reset = this.#connection.messages++ > 0;
    if (reset) lines.unshift('RSET\r\n');
    if (this.#pipelined) dialog.send(`${lines.join('')}DATA\r\n`, lines.length + 1);
    const answers = lines.values();
    if (reset) this.#mustBeFine(await this.#answer(answers.next().value ?? ''));
    await this.#answerToMail(await this.#answer(answers.next().value ?? ''));
    const accepted: number[] = [];
    for (const i of going) {
      const raw = await this.#answer(answers.next().value ?? '');
      if (raw.code === 421) throw new Ended(putOff(raw, this.#evidence));
      if (isPositive(raw)) accepted.push(i);
      else if (raw.code >= 400) this.#refuse([i], toReply(raw));
      else throw new DialogError('protocol', 'unexpected reply to RCPT');
    }
    if (accepted.length === 0 && this.#pipelined) await this.#dataWithoutRecipients();
    return accepted;
  }

  #mailLine(going: readonly number[]): string {
    const { reversePath, dsn, eightBit, size } = this.#mail;
    const utf8Address = [reversePath, ...going.map((i) => this.#recipients[i]!.address)].some(needsUtf8);
    const smtpUtf8 = this.#internationalized || utf8Address;
    const command = { reversePath, dsn, eightBit, smtpUtf8 };
    return mailLine({ ...command, size: this.#downgrading ? null : size }, this.#connection.features);
  }

  /** Sends the line unless it went with the others; its reply. */
  #answer(line: string): Promise<RawReply> {
    if (!this.#pipelined) this.#connection.dialog.send(line, 1);
    return this.#connection.dialog.reply(this.#timeouts.command);
  }

  #mustBeFine(raw: RawReply): void {
    if (!isPositive(raw)) throw new DialogError('closed', 'kept connection was no longer usable');
  }

  async #answerToMail(raw: RawReply): Promise<void> {
    if (isPositive(raw)) return;
    if (raw.code < 400) throw new DialogError('protocol', 'unexpected reply to MAIL');
    if (raw.code < 500) throw new Ended(putOff(raw, this.#evidence));
    this.#refuse(this.#open(), toReply(raw));
    throw new Ended(null);
  }

  /** RFC 2920 §3.1: DATA was sent before we knew. A 354 is answered by leaving, for a dot would send an empty message. */
  async #dataWithoutRecipients(): Promise<void> {
    const raw = await this.#connection.dialog.reply(this.#timeouts.data);
    if (raw.code < 400 || raw.code === 421) throw new Ended(null);
  }

  async #data(accepted: readonly number[]): Promise<void> {
    const { dialog } = this.#connection;
    if (!this.#pipelined) dialog.send('DATA\r\n', 1);
    const raw = await dialog.reply(this.#timeouts.data);
    if (raw.code === 421) throw new Ended(putOff(raw, this.#evidence));
    if (raw.code >= 400) return this.#refuse(accepted, toReply(raw));
    if (raw.code !== 354) throw new DialogError('protocol', 'unexpected reply to DATA');
    const lastBlock = await this.#mailData(accepted);
    await this.#mayDot();
    await this.#dot(lastBlock, accepted);
  }

  /** Sends the mail data but for the last block, which goes with the dot. */
  async #mailData(accepted: readonly number[]): Promise<Uint8Array[]> {
    try {
      return await this.#stream();
    } catch (error) {
      if (error instanceof DialogError) {
        // Some servers refuse in the middle of the data (552); that is the answer then, given before any dot.
        const { unasked } = error;
        if (unasked !== null && unasked.code >= 400 && unasked.code !== 421) this.#refuse(accepted, toReply(unasked));
        throw error;
      }
      if (error instanceof ConversionError) this.#refuse(accepted, SEVEN_BIT_FAULT);
      else if (error instanceof ContentError) this.#refuse(accepted, CONTENT_FAULT);
      // The store could not read the body: nothing that another hop would change.
      else throw new Ended(ourFault('message could not be read', this.#evidence), true);
      throw new Ended(null);
    }
  }

  async #stream(): Promise<Uint8Array[]> {
    const { dialog, features } = this.#connection;
    const stuffer = new Stuffer({ sevenBit: !features.eightBitMime && !features.smtpUtf8 });
    const source = this.#downgrading ? toSevenBit(this.#mail.body()) : this.#mail.body();
    let block: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of source) {
      if (dialog.ended !== null) throw dialog.ended;
      const pieces = stuffer.push(chunk);
      if (size > 0 && size + chunk.length > BLOCK) {
        await dialog.write(block, this.#timeouts.block);
        block = [];
        size = 0;
      }
      block = block.length === 0 ? pieces : block.concat(pieces);
      size += chunk.length;
    }
    return block.concat(stuffer.end());
  }

  async #mayDot(): Promise<void> {
    const { dialog } = this.#connection;
    const may = await this.#mail.beforeDot().catch(() => false);
    if (!may) throw new Ended(ourFault('the lease could not be renewed', this.#evidence), true);
    if (dialog.ended !== null) throw dialog.ended;
  }

  async #dot(lastBlock: readonly Uint8Array[], accepted: readonly number[]): Promise<void> {
    const { dialog } = this.#connection;
    try {
      // Not waited for: a peer may answer before we know that it took the last octet, and its answer must not be missed.
      dialog.push([...lastBlock, FINAL_DOT], 1);
      this.#settle(await dialog.reply(this.#timeouts.dot), accepted);
    } catch (error) {
      if (!(error instanceof DialogError)) throw error;
      this.#doubt(accepted, error.message);
      throw new Ended(null);
    }
  }

  #settle(raw: RawReply, accepted: readonly number[]): void {
    if (raw.code >= 400) {
      this.#refuse(accepted, toReply(raw));
      if (raw.code === 421) this.#connection.dialog.destroy();
      return;
    }
    if (!isPositive(raw)) throw new DialogError('protocol', 'unexpected reply to the final dot');
    const reply = toReply(raw);
    for (const i of accepted) this.outcomes[i] = { kind: 'delivered', reply, evidence: this.#evidence };
  }

  #doubt(accepted: readonly number[], what: string): void {
    const reason = `no reply to the final dot: ${what}`;
    for (const i of accepted)
      this.outcomes[i] = { kind: 'in doubt', reason, status: '4.4.2', evidence: this.#evidence };
  }
}

function isPositive(raw: RawReply): boolean {
  return raw.code >= 200 && raw.code < 300;
}

function ourFault(reason: string, evidence: Evidence): Failure {
  return { kind: 'unreached', reason, status: '4.3.0', evidence };
}
