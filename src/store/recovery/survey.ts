// What the body store still holds after the database was lost: every message whose key, envelope and body open, and by
// object id what does not. Reads only. It cannot tell whether a message was delivered, nor whether it was acknowledged.

import { KIND } from '../../crypto/sealed.ts';
import type { Vault } from '../../crypto/vault.ts';
import type { OrganizationName } from '../../domain/ids.ts';
import type { NewMessage } from '../../domain/types.ts';
import { decodeEnvelope } from '../bodies/envelope.ts';
import { realIo } from '../bodies/io.ts';
import { ownFile, placeOf, segmentFile } from '../bodies/layout.ts';
import { BodyError, type BodyHandle } from '../bodies/port.ts';
import { streamSealed } from '../bodies/read.ts';
import { Readers } from '../bodies/readers.ts';
import { type FoundRecord, type LostRecord, type ParcelRecord, scanRecords } from '../bodies/recover.ts';

export type Lost = Omit<LostRecord, 'kind'>;
export type Survey = {
  /** What comes back held, mail of ours among it. */
  readonly messages: number;
  readonly deliveries: number;
  /** Of the mail data. */
  readonly octets: number;
  /** Notices, receipts and codes, whose links and codes died with the database: left to the sweep. */
  readonly dropped: number;
  /** Bodies of mail of ours that was accepted from another body: left to the sweep. */
  readonly repeated: number;
  readonly parcels: readonly Omit<ParcelRecord, 'kind'>[];
  readonly lost: readonly Lost[];
};

export type SurveyDeps = {
  /** Folder of the bodies. */
  readonly dir: string;
  readonly vault: Vault;
  /** Told of every record, with how many there were before it. */
  readonly progress?: (records: number) => void;
  /** The digest of a message that is to be stored; none when nothing is. */
  readonly digest?: (organization: OrganizationName) => Promise<ReturnType<Vault['digest']>>;
};

/** Mail whose only use is a link or code that nothing opens any more. */
function isBearer({ origin }: Pick<NewMessage, 'origin'>): boolean {
  return origin === 'notice' || origin === 'receipt' || origin === 'code';
}

/** Hands each message to `take`, in order of the segments. */
export async function survey(deps: SurveyDeps, take: (message: NewMessage) => Promise<void>): Promise<Survey> {
  const sum = { messages: 0, deliveries: 0, octets: 0, dropped: 0, repeated: 0 };
  const parcels: Omit<ParcelRecord, 'kind'>[] = [];
  const lost: Lost[] = [];
  const causes = new Set<string>();
  const readers = new Readers(realIo);
  let records = 0;
  try {
    for await (const record of scanRecords(deps)) {
      deps.progress?.(records++);
      const { kind, ...rest } = record;
      if (kind === 'parcel') parcels.push(rest as Omit<ParcelRecord, 'kind'>);
      if (kind === 'lost') lost.push(rest as Lost);
      if (kind !== 'body') continue;
      const message = await messageOf(deps, readers, record);
      if (typeof message === 'string') {
        lost.push(lostBody(record, message));
        continue;
      }
      const cause = `${message.cause.kind}: ${message.cause.key}`;
      if (isBearer(message)) sum.dropped += 1;
      else if (causes.has(cause)) sum.repeated += 1;
      else {
        causes.add(cause);
        sum.messages += 1;
        sum.deliveries += message.deliveries.length;
        sum.octets += message.size;
        await take(message);
      }
    }
  } finally {
    await readers.close();
  }
  return { ...sum, parcels, lost };
}

function lostBody({ ref, organization, createdAt }: FoundRecord, why: string): Lost {
  const place = placeOf(ref);
  return {
    segment: place?.segment ?? '',
    slot: place?.slot ?? null,
    object: ref.object,
    organization,
    createdAt,
    lost: why,
  };
}

/** The message, its body read to the end; why not, in words. */
async function messageOf(deps: SurveyDeps, readers: Readers, record: FoundRecord): Promise<NewMessage | string> {
  const envelope = decodeEnvelope(record.envelope);
  if (envelope === null || envelope.organization !== record.organization) {
    return 'its envelope is not one of this version';
  }
  try {
    return { ...envelope, ...(await readBody(deps, readers, record)), body: record.ref };
  } catch (error) {
    if (error instanceof BodyError) return error.message;
    throw error;
  }
}

async function readBody(
  { dir, vault, digest }: SurveyDeps,
  readers: Readers,
  { ref, organization }: FoundRecord,
): Promise<Pick<NewMessage, 'size' | 'digest'>> {
  const { object, offset, length, key } = ref;
  const place = placeOf(ref)!;
  const handle: BodyHandle = {
    path: place.own ? ownFile(dir, object) : segmentFile(dir, place.segment),
    ...{ offset, length, object, organization },
    kind: KIND.body,
    dataKey: vault.openDataKey(organization, object, Buffer.from(key, 'base64url')),
  };
  const digesting = await digest?.(organization);
  let size = 0;
  for await (const chunk of streamSealed(handle, readers)) {
    size += chunk.length;
    digesting?.update(chunk);
  }
  if (place.own) await readers.forget(handle.path);
  return { size, digest: digesting?.end() ?? new Uint8Array() };
}
