// One body being written: sealed as it comes, kept in memory while it is small, streamed into a file of its own when it
// grows, placed in a segment at the end. Nothing plain leaves it. Logs nothing.

import { makeBox } from '../../crypto/box.ts';
import { KIND, Sealer } from '../../crypto/sealed.ts';
import type { Vault } from '../../crypto/vault.ts';
import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { BodyRef } from '../../domain/types.ts';
import type { Appender, Item } from './append.ts';
import type { FreshBody } from './fresh.ts';
import {
  ENVELOPE_INFO,
  encodeHeader,
  encodePlace,
  encodeSlot,
  envelopeKey,
  envelopePlace,
  HEADER,
  type RecordHeader,
} from './layout.ts';
import type { OwnFile } from './own-file.ts';
import type { BodyWriter, Seal } from './port.ts';
import type { Segment } from './segment.ts';
import type { Space } from './space.ts';

/** What of the store a writer uses. */
export type WriterDeps = {
  readonly vault: Vault;
  readonly space: Space;
  readonly appender: Appender;
  /** Sealed octets up to which a body stays in memory and goes into a segment. */
  readonly small: number;
  readonly ownFile: (object: string, wrote: (octets: number) => void) => OwnFile;
  /** The segment for the next record. */
  readonly segment: () => Segment;
  readonly nonce: () => Uint8Array;
  /** Sealed pieces of a body that lies in memory. */
  readonly sealed: (body: FreshBody) => void;
  /** The writer ended: durable, failed or dropped. */
  readonly gone: (object: string) => void;
};
export type NewBody = {
  readonly organization: OrganizationName;
  readonly object: string;
  readonly createdAt: Time;
  readonly expected: number;
  /** For what is sealed under its maker's key. */
  readonly seal?: Seal;
};
type Ended = ReturnType<BodyWriter['end']>;

/** Space is claimed in steps of this many octets, twice: for the body and for its variant. */
const STEP = 1 << 18;
const READY = Promise.resolve();

export class Writer implements BodyWriter {
  readonly #deps: WriterDeps;
  readonly #body: NewBody;
  /** Box of the data key. */
  readonly #keyBox: Uint8Array;
  readonly #digest: ReturnType<Vault['digest']>;
  readonly #sealer: Sealer;
  #state: 'open' | 'ended' | 'dropped' = 'open';
  #parts: Uint8Array[] = [];
  #own: OwnFile | undefined;
  /** Plain and sealed octets so far. */
  #size = 0;
  #sealed = 0;
  /** Octets that may come before more space must be claimed, and octets claimed and not written. */
  #granted = 0;
  #claimed = 0;
  #claiming: Promise<void> | undefined;
  /** After `end`: resolves when it is durable or failed. */
  settled: Promise<void> | undefined;

  /** Throws BodyError `full` when the expected octets do not fit. */
  constructor(deps: WriterDeps, body: NewBody) {
    this.#deps = deps;
    this.#body = body;
    this.#grant(Math.max(body.expected, 1 << 16));
    const { organization, object, seal } = body;
    const { key, box } = seal ? { key: seal.dataKey, box: seal.box } : deps.vault.newDataKey(organization, object);
    this.#keyBox = box;
    this.#digest = deps.vault.digest(organization);
    const id = Buffer.from(object, 'hex');
    this.#sealer = new Sealer({ kind: seal?.kind ?? KIND.body, object: id, organization, dataKey: key });
    this.#keep([this.#sealer.header]);
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(new Error('this body is ended'));
    // A caller that does not wait must not overtake itself.
    if (this.#claiming) return this.#claiming.then(() => this.write(chunk));
    if (this.#size + chunk.length > this.#granted) {
      const claiming = this.#writeAfterClaim(chunk).finally(() => {
        this.#claiming = undefined;
      });
      this.#claiming = claiming;
      return claiming;
    }
    try {
      return this.#take(chunk) ?? READY;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #writeAfterClaim(chunk: Uint8Array): Promise<void> {
    const more = Math.max(STEP, this.#size + chunk.length - this.#granted);
    await this.#deps.space.claimAfterMeasuring(2 * more);
    this.#granted += more;
    this.#claimed += 2 * more;
    if (this.#state === 'dropped') return this.#releaseSpace();
    await this.#take(chunk);
  }

  #grant(octets: number): void {
    this.#deps.space.claim(2 * octets);
    this.#granted += octets;
    this.#claimed += 2 * octets;
  }

  #take(chunk: Uint8Array): Promise<void> | undefined {
    const failure = this.#deps.appender.failure;
    if (failure) throw failure;
    this.#size += chunk.length;
    this.#digest.update(chunk);
    return this.#keep(this.#sealer.write(chunk));
  }

  #keep(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    for (const piece of pieces) this.#sealed += piece.length;
    if (this.#own) return this.#own.push(pieces);
    this.#parts.push(...pieces);
    if (this.#sealed <= this.#deps.small) return undefined;
    this.#own = this.#deps.ownFile(this.#body.object, (octets) => this.#wrote(octets));
    return this.#own.push(this.#parts.splice(0));
  }

  end(envelope: Uint8Array): Ended {
    if (this.#state !== 'open') throw new Error('this body is ended');
    if (this.#claiming) throw new Error('the last write has not resolved');
    this.#state = 'ended';
    const size = this.#size;
    const digest = this.#digest.end();
    let early: unknown;
    try {
      // What the last chunk waits for, `durable` waits for too.
      this.#keep(this.#sealer.end())?.catch(() => {});
    } catch (error) {
      early = error;
    }
    const { ref, item } = this.#place(envelope);
    const durable = this.#makeDurable(item, early).finally(() => this.#leave());
    // Who gave up waiting for it must not end the process.
    this.settled = durable.catch(() => {});
    return { ref, size, digest, durable };
  }

  /** Gives the record its place and bytes. */
  #place(envelope: Uint8Array): { ref: BodyRef; item: Item } {
    const { organization, object, createdAt } = this.#body;
    const own = this.#own !== undefined;
    const name = Buffer.from(organization);
    const key = envelopeKey(this.#sealer.derive(ENVELOPE_INFO));
    const box = makeBox(key, envelopePlace(organization, object), envelope, this.#deps.nonce());
    const length = HEADER + name.length + (own ? 0 : this.#sealed) + box.length;
    const segment = this.#deps.segment();
    const { slot, position } = segment.place(length);
    const header: RecordHeader = {
      own,
      object,
      createdAt,
      length: this.#sealed,
      slot,
      organizationLength: name.length,
      envelopeLength: box.length,
    };
    // The organization key may have been renewed while the body came.
    const renewed = this.#body.seal ? null : this.#deps.vault.rewrapDataKey(organization, object, this.#keyBox);
    const keyBox = renewed ?? this.#keyBox;
    const slotBytes = encodeSlot({ object, own, createdAt, record: position, keyBox });
    const buffers = [encodeHeader(header), name, ...this.#parts, box];
    const ref: BodyRef = {
      object,
      file: encodePlace({ segment: segment.name, slot, own }),
      offset: own ? 0 : position + HEADER + name.length,
      length: this.#sealed,
      key: Buffer.from(keyBox.buffer, keyBox.byteOffset, keyBox.length).toString('base64url'),
    };
    if (!own) {
      const opener = this.#body.seal ? null : this.#sealer.opener();
      this.#deps.sealed({ organization, ref, pieces: this.#parts, opener });
    }
    this.#parts = [];
    return { ref, item: { segment, slot, slotBytes, position, buffers, length } };
  }

  /** A file of its own is durable before its record is written: a slot means that its body is whole. */
  async #makeDurable(item: Item, early: unknown): Promise<void> {
    try {
      if (early) throw early;
      await this.#own?.finish();
    } catch (error) {
      await this.#undo(item);
      item.segment.settled();
      throw error;
    }
    try {
      await this.#deps.appender.add(item);
    } catch (error) {
      await this.#undo(item);
      throw error;
    }
  }

  async #undo(item: Item): Promise<void> {
    item.segment.clear(item.slot);
    await this.#own?.discard();
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'dropped';
    this.#parts = [];
    await this.#own?.discard();
    this.#leave();
  }

  #wrote(octets: number): void {
    this.#deps.space.wrote(octets);
    const less = Math.min(octets, this.#claimed);
    this.#claimed -= less;
    this.#deps.space.release(less);
  }

  #releaseSpace(): void {
    this.#deps.space.release(this.#claimed);
    this.#claimed = 0;
  }

  #leave(): void {
    this.#releaseSpace();
    this.#deps.gone(this.#body.object);
  }
}
