// What the body store knows without a database: every record whose key slot stands, with its envelope opened. For
// `sealrelay recover`, which rebuilds the queue from it. Reads only; may run beside nothing else. Logs nothing. It cannot
// tell whether a record's message was delivered: whoever uses it must hold them all.

import { openBox } from '../../crypto/box.ts';
import { hkdf } from '../../crypto/derive.ts';
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
  segmentFile,
} from './layout.ts';
import { Segment } from './segment.ts';

export type RecoverDeps = { readonly dir: string; readonly vault: Vault; readonly io?: BodyIo };

export type FoundRecord = {
  readonly organization: OrganizationName;
  readonly createdAt: Time;
  readonly ref: BodyRef;
  /** As it was given to `end`. */
  readonly envelope: Uint8Array;
};
/** A slot whose record cannot be used, and why, in words without content. */
export type LostRecord = { readonly segment: string; readonly slot: number; readonly lost: string };

/** Longest envelope and organization that are believed; more is damage. */
const MOST_ENVELOPE = 64 << 20;

/** All records of the folder, segment by segment. The body itself is not opened: read it before you rely on it. */
export async function* scanRecords(deps: RecoverDeps): AsyncGenerator<FoundRecord | LostRecord, void, void> {
  const io = deps.io ?? realIo;
  const files = (await io.list(deps.dir)).flatMap((file) => classify(file) ?? []);
  for (const { kind, name } of files) {
    if (kind !== 'keys') continue;
    const segment = new Segment({ io, dir: deps.dir, idle: () => {} }, name, false);
    let data: BodyFile | undefined;
    try {
      data = await io.open(segmentFile(deps.dir, name), 'r');
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    try {
      for await (const { slot, content } of segment.slots()) {
        const found = data ? await readRecord(deps.vault, data, name, slot, content) : 'the segment is missing';
        yield typeof found === 'string' ? { segment: name, slot, lost: found } : found;
      }
    } finally {
      await data?.close();
    }
  }
}

async function readRecord(
  vault: Vault,
  data: BodyFile,
  segment: string,
  slot: number,
  content: KeySlot | 'damaged',
): Promise<FoundRecord | string> {
  if (content === 'damaged') return 'the key slot is damaged';
  const header = decodeHeader(await readUpTo(data, Buffer.alloc(HEADER), content.record));
  if (!header || header.object !== content.object || header.slot !== slot) return 'the record is missing or damaged';
  if (header.envelopeLength > MOST_ENVELOPE) return 'the record is damaged';
  const { own, object, createdAt, length } = header;
  const name = await readUpTo(data, Buffer.alloc(header.organizationLength), content.record + HEADER);
  const organization = name.toString();
  const offset = content.record + HEADER + header.organizationLength;
  const box = await readUpTo(data, Buffer.alloc(header.envelopeLength), offset + (own ? 0 : length));
  try {
    const dataKey = vault.openDataKey(organization, object, content.keyBox);
    const key = envelopeKey(hkdf(dataKey, ENVELOPE_INFO));
    const envelope = openBox(key, envelopePlace(organization, object), box);
    const file = encodePlace({ segment, slot, own });
    const keyText = Buffer.from(content.keyBox).toString('base64url');
    return { organization, createdAt, envelope, ref: { object, file, offset: own ? 0 : offset, length, key: keyText } };
  } catch (error) {
    if (error instanceof VaultError) return error.message;
    throw error;
  }
}
