// The mail data of a session, from DATA or the first BDAT to the reply: what is read goes through a Transfer to the handler
// as it comes, whose answer is given when all is there. One message at a time; what it was told of is in verbs.ts.
// Logs nothing itself.

import type { Time } from '../domain/ids.ts';
import type { Envelope, Reply } from '../domain/types.ts';
import { REPLIES } from './answers.ts';
import { ChunkReader } from './chunks.ts';
import type { Client, SessionDeps } from './contract.ts';
import { DataGone, DataRefused, DotReader } from './data.ts';
import type { Chunk } from './parameters.ts';
import type { Busy, DataMode } from './reader.ts';
import { Reading, type Source, Transfer } from './transfer.ts';

/** What mail data need of the session that they come on. */
export type IncomingSession = {
  /** What comes next is for `mode`. */
  readonly read: (mode: DataMode) => void;
  readonly reply: (reply: Reply) => void;
  /** Replies and closes. */
  readonly cut: (reply: Reply) => void;
  /** The client owes us nothing until `settled`. */
  readonly owing: () => void;
  readonly settled: () => Busy;
  /** The message has its answer; `refused`: the one to chunks of it that may still come. */
  readonly answered: (reply: Reply, refused: Reply | null) => Busy;
  readonly failed: (error: unknown) => void;
};

type Message = { readonly transfer: Transfer; readonly chunks: ChunkReader; readonly answer: Promise<Reply> };

export class Incoming {
  readonly #deps: SessionDeps;
  readonly #session: IncomingSession;
  /** Until it is answered. */
  #message: Message | null = null;
  #reading: Reading | null = null;

  constructor(deps: SessionDeps, session: IncomingSession) {
    this.#deps = deps;
    this.#session = session;
  }

  /** A message has begun and is not answered. */
  get open(): boolean {
    return this.#message !== null;
  }

  /** What arrives is mail data, not a command. */
  get reading(): boolean {
    return this.#reading !== null && !this.#reading.ended();
  }

  /** Null while the client keeps within the time of mail data. */
  overdue(now: Time): Reply | null {
    const transfer = this.reading ? this.#reading?.transfer : this.#message?.transfer;
    return transfer?.overdue(now) ?? null;
  }

  /** DATA: asks for the mail data. */
  takeData(client: Client, envelope: Envelope): void {
    const message = this.#begin(client, envelope);
    this.#read(new DotReader(), message.transfer, () => this.#end(message, true));
    this.#session.reply({ code: 354, enhanced: '', text: 'End data with <CR><LF>.<CR><LF>' });
  }

  /** BDAT: the octets stand behind the command. The first one of a message brings the envelope to the handler. */
  takeChunk({ size, last }: Chunk, client: Client, envelope: Envelope): Busy {
    this.#message ??= this.#begin(client, envelope);
    const message = this.#message;
    message.transfer.expect(size);
    return this.#readChunk(size, message.chunks, message.transfer, (room) => {
      if (!last) return this.#chunkEnded(message, room);
      message.transfer.take(message.chunks.end(), message.chunks.fault);
      return this.#end(message, true);
    });
  }

  /** RFC 3030 §2: the octets of a chunk that is refused are read and dropped before the reply, which `done` gives. */
  dropChunk(size: number, done: () => void): Busy {
    const { maxSize, limits, clock } = this.#deps;
    const transfer = new Transfer({ ...limits, maxSize }, clock.now);
    return this.#readChunk(size, new ChunkReader(REPLIES.tooLarge), transfer, () => {
      done();
      return this.#session.settled();
    });
  }

  /** The client takes the message back; resolves when nothing is left of it. */
  forget(): Busy {
    const message = this.#message;
    if (!message) return;
    this.#message = null;
    message.transfer.body.fail(new DataGone());
    return message.answer.then(() => {});
  }

  /** No more will come, and the session says why. */
  cut(reply: Reply): void {
    this.#message?.transfer.refuse(reply);
  }

  /** No more will come. */
  gone(): void {
    this.#message?.transfer.body.fail(new DataGone());
  }

  #begin(client: Client, envelope: Envelope): Message {
    const { maxSize, limits, clock } = this.#deps;
    const transfer = new Transfer({ ...limits, maxSize }, clock.now);
    const message = { transfer, chunks: new ChunkReader(), answer: this.#answer(transfer, client, envelope) };
    this.#message = message;
    return message;
  }

  #read(source: Source, transfer: Transfer, ended: (room: Busy) => Busy): void {
    const endless = (): void => this.#session.cut(transfer.refusal ?? REPLIES.tooLarge);
    this.#reading = new Reading(source, transfer, { ended, endless });
    this.#session.read(this.#reading);
  }

  #readChunk(size: number, chunks: ChunkReader, transfer: Transfer, ended: (room: Busy) => Busy): Busy {
    if (size === 0) return ended(undefined);
    chunks.expect(size);
    this.#read(chunks, transfer, ended);
  }

  async #answer(transfer: Transfer, client: Client, envelope: Envelope): Promise<Reply> {
    try {
      return await this.#deps.handlers.data(client, envelope, transfer.body);
    } catch (error) {
      if (error instanceof DataRefused) return error.reply;
      if (!(error instanceof DataGone)) this.#session.failed(error);
      return REPLIES.failed;
    } finally {
      // A consumer that is done before the end leaves the rest to be read and dropped.
      transfer.body.drop();
    }
  }

  #chunkEnded(message: Message, room: Busy): Busy {
    // RFC 3030 §2: a refused chunk is the end of its transaction.
    if (message.transfer.refusal) return this.#end(message, false);
    if (!room) return this.#chunkTaken();
    this.#session.owing();
    return room.then(() => this.#chunkTaken());
  }

  #chunkTaken(): Busy {
    this.#session.reply(REPLIES.chunkTaken);
    return this.#session.settled();
  }

  async #end(message: Message, last: boolean): Promise<void> {
    // From here on we owe the client a reply: a deadline of the client's that struck now would have it send again what
    // we are about to keep.
    this.#session.owing();
    message.transfer.end();
    const reply = await message.answer;
    const { refusal } = message.transfer;
    this.#message = null;
    return this.#session.answered(refusal ?? reply, last ? null : refusal);
  }
}
