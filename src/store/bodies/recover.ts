// What the body store knows without a database: every record whose key slot stands, with its envelope opened. For
// `sealrelay recover`, which rebuilds the queue from it. Reads only; may run beside nothing else. Logs nothing. It cannot
// tell whether a record's message was delivered: whoever uses it must hold them all.

import { openBox } from '../../crypto/box.ts';
import { hkdf } from '../../crypto/derive.ts';
import { KIND } from '../../crypto/sealed.ts';
import { type Vault, VaultError } from '../../crypto/vault.ts';
import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { BodyRef } from '../../domain/types.ts';
import { type BodyFile, type BodyIo, isMissing, readUpTo, realIo } from './io.ts';
import {
  classify,
  decodeHeader,
  ENVELOPE_INFO,
  encodePlace,
  envelopeKey,
  envelopePlace,
  HEADER,
  type KeySlot,
  ownFile,
  segmentFile,
} from './layout.ts';
import { Segment } from './segment.ts';

export type RecoverDeps = { readonly dir: string; readonly vault: Vault; readonly io?: BodyIo };

export type FoundRecord = {
  readonly kind: 'body';
  readonly organization: OrganizationName;
  readonly createdAt: Time;
  readonly ref: BodyRef;
  /** As it was given to `end`. */
  readonly envelope: Uint8Array;
};
/** A message sealed for pick-up: its key stood in the database, under a conversation's. */
export type ParcelRecord = {
  readonly kind: 'parcel';
  readonly organization: OrganizationName;
  readonly createdAt: Time;
  readonly object: string;
};
/** A slot whose record cannot be used, and why, in words without content. */
export type LostRecord = {
  readonly kind: 'lost';
  readonly segment: string;
  /** Null: the whole segment. */
  readonly slot: number | null;
  /** Object id, organization and time, as far as they can be read. */
  readonly object: string | null;
  readonly organization: OrganizationName | null;
  readonly createdAt: Time | null;
  readonly lost: string;
};
export type ScannedRecord = FoundRecord | ParcelRecord | LostRecord;

/** Longest envelope and organization that are believed; more is damage. */
const MOST_ENVELOPE = 64 << 20;

/** All records of the folder, segment by segment. The body itself is not opened: read it before you rely on it. */
export async function* scanRecords(deps: RecoverDeps): AsyncGenerator<ScannedRecord, void, void> {
  const io = deps.io ?? realIo;
  const files = (await io.list(deps.dir)).flatMap((file) => classify(file) ?? []);
  const keyed = new Set(files.filter(({ kind }) => kind === 'keys').map(({ name }) => name));
  for (const { kind, name } of files) {
    if (kind === 'own' || (kind === 'segment' && keyed.has(name))) continue;
    if (kind === 'segment') {
      if (await hasRecords(io, segmentFile(deps.dir, name))) yield lost(name, null, 'the key file is missing');
      continue;
    }
    const segment = new Segment({ io, dir: deps.dir, idle: () => {} }, name, false);
    const data = await openIfThere(io, segmentFile(deps.dir, name));
    try {
      for await (const { slot, content } of segment.slots()) {
        yield data === null
          ? lost(name, slot, 'the segment is missing', content)
          : await readRecord({ ...deps, io }, data, name, slot, content);
      }
    } finally {
      await data?.close();
    }
  }
}

async function openIfThere(io: BodyIo, path: string): Promise<BodyFile | null> {
  try {
    return await io.open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function hasRecords(io: BodyIo, path: string): Promise<boolean> {
  const file = await openIfThere(io, path);
  try {
    return file !== null && (await file.size()) > 0;
  } finally {
    await file?.close();
  }
}

function lost(
  segment: string,
  slot: number | null,
  why: string,
  content?: KeySlot | 'damaged',
  organization: OrganizationName | null = null,
): LostRecord {
  const known = content === undefined || content === 'damaged' ? null : content;
  const { object = null, createdAt = null } = known ?? {};
  return { kind: 'lost', segment, slot, object, organization, createdAt, lost: why };
}

async function readRecord(
  { vault, io, dir }: Required<RecoverDeps>,
  data: BodyFile,
  segment: string,
  slot: number,
  content: KeySlot | 'damaged',
): Promise<ScannedRecord> {
  if (content === 'damaged') return lost(segment, slot, 'the key slot is damaged');
  const header = decodeHeader(await readUpTo(data, Buffer.alloc(HEADER), content.record));
  if (!header || header.object !== content.object || header.slot !== slot) {
    return lost(segment, slot, 'the record is missing or damaged', content);
  }
  if (header.envelopeLength > MOST_ENVELOPE) return lost(segment, slot, 'the record is damaged', content);
  const { own, object, createdAt, length } = header;
  const name = await readUpTo(data, Buffer.alloc(header.organizationLength), content.record + HEADER);
  const organization = name.toString();
  const offset = content.record + HEADER + header.organizationLength;
  const sealed = own ? await openIfThere(io, ownFile(dir, object)) : data;
  if (sealed === null) return lost(segment, slot, 'the file of the body is missing', content, organization);
  try {
    if (await isParcel(sealed, own ? 0 : offset, object)) return { kind: 'parcel', organization, createdAt, object };
  } finally {
    if (own) await sealed.close();
  }
  const box = await readUpTo(data, Buffer.alloc(header.envelopeLength), offset + (own ? 0 : length));
  try {
    const dataKey = vault.openDataKey(organization, object, content.keyBox);
    const key = envelopeKey(hkdf(dataKey, ENVELOPE_INFO));
    const envelope = openBox(key, envelopePlace(organization, object), box);
    const file = encodePlace({ segment, slot, own });
    const ref = {
      object,
      file,
      offset: own ? 0 : offset,
      length,
      key: Buffer.from(content.keyBox).toString('base64url'),
    };
    return { kind: 'body', organization, createdAt, envelope, ref };
  } catch (error) {
    if (error instanceof VaultError) return lost(segment, slot, error.message, content, organization);
    throw error;
  }
}

/** By the header of the sealed object, which stands clear (src/README.md, "Keys"). */
async function isParcel(file: BodyFile, at: number, object: string): Promise<boolean> {
  const start = await readUpTo(file, Buffer.alloc(24), at);
  return start[4] === KIND.parcel && start.toString('hex', 8, 24) === object;
}
