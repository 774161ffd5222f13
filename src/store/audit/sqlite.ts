// The audit on SQLite: entries that change no queue row are boxed and appended here; reading opens boxed detail, and gives
// null for it when its key was deleted. Verifying needs no key.

import { type BoxPlace, type Vault, VaultError } from '../../crypto/vault.ts';
import type { AuditEvent } from '../../domain/events.ts';
import type { DeliveryId, QueueId } from '../../domain/ids.ts';
import { headText, type Signed, type SignedCheckpoint, UNSIGNED } from '../../record/checkpoint.ts';
import { type Bad, compareHead, type Head, start } from '../../record/verify.ts';
import { deliveryOrNothing, fixedOrNothing } from '../queue/reading.ts';
import { boxJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault, tagsOf } from '../sqlite/access.ts';
import type { AuditRow, EntryCall } from '../sqlite/calls/audit.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import type { KeptHead, VerifySlice } from '../sqlite/queries/audit.ts';
import type { CheckpointSlice, CheckpointSliceCall } from '../sqlite/queries/proof.ts';
import type { SearchCall, SearchPage, SearchRow } from '../sqlite/queries/search.ts';
import type { AnchorCheck, Audit, AuditEntry, LogQuery, LogRow, NewEntry, ProofState, Verification } from './port.ts';

/** Entries checked by one call on the reader. */
const SLICE = 2_000;

/** Where the boxed detail of an entry was boxed: entries quote the box of the row they tell of. */
function placeOf({ organization, message, delivery, event }: Omit<AuditRow, 'detail'>): BoxPlace {
  const whole = event === 'message.accepted' || event === 'message.recovered';
  if (whole && message !== null) return place.fixed(organization, message);
  if (delivery === null) return place.entry(organization, message ?? '-', event);
  return event === 'delivery.decided' ? place.decision(organization, delivery) : place.because(organization, delivery);
}

function entryFrom(vault: Vault, row: AuditRow): AuditEntry {
  return {
    node: row.node,
    epoch: row.epoch,
    seq: row.seq,
    at: row.at,
    organization: row.organization,
    message: row.message as QueueId | null,
    delivery: row.delivery as DeliveryId | null,
    actor: row.actor,
    event: row.event as AuditEvent,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
    boxed: openDetail(vault, row),
    hash: Buffer.from(row.hash).toString('hex'),
  };
}

function openDetail(vault: Vault, row: AuditRow): Record<string, unknown> | null {
  if (row.boxed === null) return {};
  try {
    return openJson(vault, placeOf(row), row.boxed);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

async function entryCall(access: Access, entry: NewEntry): Promise<EntryCall> {
  const { organization, actor, event, message = null, delivery = null, detail = {}, boxed } = entry;
  let box: string | null = null;
  if (boxed) {
    const at = access.clock.now();
    const vault = await readyVault(access, organization, at);
    const where =
      delivery === null ? place.entry(organization, message ?? '-', event) : place.because(organization, delivery);
    box = boxJson(vault, where, boxed, at);
  }
  return [organization, message, delivery, actor, event, JSON.stringify(detail), box];
}

/** The protection that the delivery left by, or tries now; null while none is decided. */
function protectionOf(row: SearchRow): string | null {
  return row.list === '' ? null : (row.list.split(', ')[row.step] ?? null);
}

function hasProtection(row: SearchRow, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === 'none') return true;
  const protection = protectionOf(row);
  return protection === wanted || protection?.startsWith(`${wanted}: `) === true;
}

function logRow(vault: Vault, row: SearchRow): LogRow {
  const fixed = fixedOrNothing(vault, row.message);
  const delivery = deliveryOrNothing(vault, row.message, fixed, { ...row, decision: null, because: null });
  return {
    delivery: delivery.id,
    message: delivery.message,
    organization: delivery.organization,
    acceptedAt: row.message.accepted_at,
    endedAt: row.ended_at,
    sender: fixed.sender[0] ?? fixed.reversePath,
    recipient: delivery.recipient,
    destination: row.destination,
    size: row.message.size,
    protection: protectionOf(row),
    level: row.level,
    state: row.state,
    status: row.status,
    rule: row.rule,
  };
}

async function search(access: Access, query: LogQuery): Promise<LogRow[]> {
  const { sender, recipient, domain, limit, ...rest } = query;
  const senderTags = await tagsOf(access, 'sender', sender, query.organization);
  const recipientTags = await tagsOf(access, 'recipient', recipient, query.organization);
  if (senderTags?.length === 0 || recipientTags?.length === 0) return [];
  const vault = access.vault();
  const found: LogRow[] = [];
  let before: SearchCall['before'] = query.before;
  while (found.length < limit) {
    const wanted = limit - found.length;
    const call: SearchCall = {
      ...rest,
      limit: wanted,
      ...(domain !== undefined && { domain: domain.toLowerCase() }),
      ...(senderTags && { senderTags }),
      ...(recipientTags && { recipientTags }),
      ...(before !== undefined && { before }),
    };
    const page = await access.read<SearchPage>('search', call);
    const rows = page.rows.map((row) => ({ row, log: logRow(vault, row) }));
    found.push(...rows.filter(({ row }) => hasProtection(row, query.protection)).map(({ log }) => log));
    if (page.next === null) break;
    before = page.rows.length === wanted ? rows.at(-1)!.log.delivery : page.next;
  }
  return found;
}

type Stored = { heads: KeptHead[]; first: number; last: number; checkpoints: number };
type Chain = { entries: number; lost: string[]; bad?: Bad };

/** Needs no key: what is boxed was hashed boxed. */
async function verify(
  access: Pick<Access, 'read'>,
  progress: Parameters<Audit['verify']>[0],
  keys: readonly Uint8Array[] | null = null,
): Promise<Verification> {
  const stored = await access.read<Stored>('heads', null);
  const newest = stored.heads.at(-1);
  const chain = await verifyEntries(access, stored, progress);
  const place = ({ node, epoch, seq }: Bad): number => {
    const base = stored.heads.find((one) => one.node === node && one.epoch === epoch)?.base;
    return base === undefined ? Number.MAX_SAFE_INTEGER : base + seq;
  };
  const before = chain.bad ? place(chain.bad) : Number.MAX_SAFE_INTEGER;
  const { signed, bad: unsigned } = await verifySigned(access, stored, keys, before);
  const bad = unsigned && place(unsigned) < before ? unsigned : chain.bad;
  const { last } = signed;
  return {
    entries: chain.entries,
    intact: !bad,
    ...(bad && { bad }),
    head: newest ? named(newest) : null,
    signed: last && { no: last.no, seq: last.seq, at: last.at },
    lost: { count: chain.lost.length, ...(chain.lost[0] !== undefined && { first: chain.lost[0] }) },
  };
}

async function verifySigned(
  access: Pick<Access, 'read'>,
  { heads, checkpoints }: Stored,
  keys: readonly Uint8Array[] | null,
  before: number,
): Promise<{ signed: Signed; bad: Bad | null }> {
  const [oldest] = heads;
  if (keys !== null && checkpoints === 0 && oldest) {
    const { node, epoch } = oldest;
    return { signed: UNSIGNED, bad: { node, epoch, seq: 1, what: 'is not proven: there is no checkpoint' } };
  }
  let signed = UNSIGNED;
  for (;;) {
    const call: CheckpointSliceCall = [signed, keys, checkpoints, before];
    const slice = await access.read<CheckpointSlice>('checkpointSlice', call);
    signed = slice.signed;
    if (slice.done) return slice;
  }
}

async function verifyEntries(
  access: Pick<Access, 'read'>,
  { heads, first, last }: Stored,
  progress: Parameters<Audit['verify']>[0],
): Promise<Chain> {
  const total = heads.reduce((sum, one) => sum + one.seq, 0);
  let entries = 0;
  const lost: string[] = [];
  for (const [i, kept] of heads.entries()) {
    let at: Head = start(kept.node, kept.epoch);
    // Rows before the first epoch, between two, and behind the last are looked at too: none may stand there.
    const begin = i === 0 ? Math.min(kept.base, first - 1) : kept.base;
    const end = heads[i + 1]?.base ?? Math.max(last, kept.base + kept.seq);
    for (let from = begin; from < end; from += SLICE) {
      const to = Math.min(from + SLICE, end);
      const slice = await access.read<VerifySlice>('verifySlice', [at, from, to]);
      entries += slice.checked;
      if (slice.bad) return { entries, bad: slice.bad, lost };
      lost.push(...slice.lost);
      at = slice.head;
      progress?.(entries, total);
    }
    const bad = compareHead(at, kept);
    if (bad) return { entries, bad, lost };
  }
  return { entries, lost };
}

function named({ node, epoch, seq, hash }: KeptHead): Verification['head'] {
  return { node, epoch, seq, hash: Buffer.from(hash).toString('hex') };
}

/** What needs no key and no writer: on a data folder itself too. */
export function proofOf(access: Pick<Access, 'read'>): Pick<Audit, 'verify' | 'checkAnchors' | 'firstKeys'> {
  return {
    verify: (progress, keys) => verify(access, progress, keys),
    checkAnchors: (lines, fitted) => access.read<AnchorCheck>('anchorSlice', [lines, fitted]),
    firstKeys: () => access.read<SignedCheckpoint[]>('firstKeys', null),
  };
}

export function openAudit(access: Access): Audit {
  return {
    async append(entries) {
      const calls: EntryCall[] = [];
      for (const entry of entries) calls.push(await entryCall(access, entry));
      await access.write('append', Buffer.from(access.random.bytes(16)).toString('hex'), calls);
    },
    search: (query) => search(access, query),
    async trace(message) {
      const vault = access.vault();
      return (await access.read<AuditRow[]>('trace', [message])).map((row) => entryFrom(vault, row));
    },
    async read(after, limit) {
      const vault = access.vault();
      const rows = await access.read<AuditRow[]>('read', [after?.epoch ?? 0, after?.seq ?? 0, limit]);
      return rows.map((row) => entryFrom(vault, row));
    },
    ...proofOf(access),
    proofState: (node) => access.read<ProofState>('proofState', [node]),
    async addCheckpoint(one) {
      const verb = Buffer.from(access.random.bytes(16)).toString('hex');
      const others = JSON.stringify(one.others.map(headText));
      await access.write('checkpoint', verb, [
        ...([one.no, one.node, one.epoch, one.seq, toOctets(one.hash), one.at, others, toOctets(one.key)] as const),
        one.next === null ? null : toOctets(one.next),
        toOctets(one.signature),
      ]);
    },
  };
}
