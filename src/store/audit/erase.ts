// Erases what is boxed of one address: first an entry names what goes, then it goes, from the queue's database and from every
// segment, and the logs of both are emptied. Broken off, it is made again whole by the same call: tags go with their rows.

import { QueueError, verbId } from '../queue/port.ts';
import { boxJson, place } from '../queue/rows.ts';
import { type Access, readyVault, tagsOf } from '../sqlite/access.ts';
import type { ArchivistJob, SegmentRow } from '../sqlite/calls/archive.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import type { ErasedPage, FindCall, FoundEntry, FoundMessage, FoundPage } from '../sqlite/queries/erase.ts';
import type { AtStep, Erased } from './archive-port.ts';
import type { ProvenHolds } from './holds.ts';

/** Messages in one transaction, whose entries one entry names. */
const AT_ONCE = 50;
/** Times the log is tried to be emptied, beside whoever reads. */
const TRIES = 100;

export type EraseRequest = {
  readonly organization: string;
  readonly address: string;
  readonly actor: string;
  readonly reason: string;
  readonly dryRun?: boolean;
};
export type EraseDeps = Pick<ProvenHolds, 'prove' | 'proveAll'> & {
  readonly access: Access;
  run(job: ArchivistJob): Promise<unknown>;
};

/** Rejects with QueueError `wrong state` when a legal hold covers a message, or one may have been hidden. */
export async function erase(deps: EraseDeps, what: EraseRequest, at: AtStep): Promise<Erased> {
  const { access } = deps;
  const { organization, address } = what;
  const senderTags = (await tagsOf(access, 'sender', address, organization)) ?? [];
  const recipientTags = (await tagsOf(access, 'recipient', address, organization)) ?? [];
  const proven = what.dryRun ? await deps.prove() : await deps.proveAll();
  if (proven === null)
    throw new QueueError(
      'wrong state',
      'the audit does not verify and may hide a legal hold: nothing is erased (sealrelay log verify)',
    );
  const holds = proven.map(({ id }) => id);
  const segments = await access.read<SegmentRow[]>('segments', null);
  const places = [...segments.filter((one) => one.state !== 'pruned').map((one) => one.name), null];
  const found = new Map<string | null, FoundMessage[]>();
  for (const name of places) found.set(name, await messagesOf(access, name, senderTags, recipientTags));
  const all = [...found.values()].flat();
  const held = all.find((one) => one.hold !== null);
  if (held)
    throw new QueueError(
      'wrong state',
      `legal hold ${held.hold} covers message ${held.id}: nothing of it is erased before the hold ends (sealrelay log hold list)`,
    );
  const sum = { entries: 0, messages: 0, waiting: new Set(all.filter((one) => !one.isOver).map(({ id }) => id)).size };
  for (const [segment, messages] of found) {
    const over = messages.filter((one) => one.isOver);
    for (let i = 0; i < over.length; i += AT_ONCE) {
      const some = over.slice(i, i + AT_ONCE);
      sum.messages += some.length;
      if (what.dryRun) {
        sum.entries += (await entriesOf(access, some)).length;
        continue;
      }
      sum.entries += await eraseSome(deps, { ...what, senderTags, recipientTags, segment, some, holds }, at);
    }
  }
  if (!what.dryRun) await emptyLog(access);
  return sum;
}

/** What an erasure that was broken off has named and left standing, in words; what is done is noted as done. */
export async function erasureLeft(access: Access): Promise<string | null> {
  const left = new Map<string, number>();
  for (let after: number | null = 0; after !== null; ) {
    const page: ErasedPage = await access.read<ErasedPage>('undone', [after]);
    if (page.done.length > 0) await access.write('erasedDone', verbId(access), [page.done]);
    for (const [segment, entries] of page.left) left.set(segment, (left.get(segment) ?? 0) + entries);
    after = page.next;
  }
  const [first] = left;
  if (first === undefined) return null;
  const entries = [...left.values()].reduce((sum, some) => sum + some, 0);
  return `an erasure was broken off: detail of ${entries} entries that it names stands still, as in audit/${first[0]}.db; ask for it again (sealrelay log erase; log destroyed says when)`;
}

async function messagesOf(
  access: Access,
  segment: string | null,
  senders: readonly Uint8Array[],
  recipients: readonly Uint8Array[],
): Promise<FoundMessage[]> {
  const found: FoundMessage[] = [];
  for (let day: number | null = null; ; ) {
    const call: FindCall = [segment, senders, recipients, day];
    const page: FoundPage = await access.read<FoundPage>('messagesOf', call);
    found.push(...page.messages);
    day = page.next;
    if (day === null) return found;
  }
}

async function entriesOf(access: Access, some: readonly FoundMessage[]): Promise<FoundEntry[]> {
  const entries: FoundEntry[] = [];
  for (const { id } of some) entries.push(...(await access.read<FoundEntry[]>('entriesOf', [id])));
  return entries;
}

type Some = EraseRequest & {
  readonly senderTags: readonly Uint8Array[];
  readonly recipientTags: readonly Uint8Array[];
  readonly segment: string | null;
  readonly some: readonly FoundMessage[];
  /** Ids of the legal holds that were looked at. */
  readonly holds: readonly string[];
};

async function eraseSome({ access, run }: EraseDeps, what: Some, at: AtStep): Promise<number> {
  const { organization, actor, reason, senderTags, recipientTags, segment, some, holds } = what;
  const entries = await entriesOf(access, some);
  const now = access.clock.now();
  const vault = await readyVault(access, organization, now);
  const box = boxJson(vault, place.entry(organization, '-', 'log.erased'), { reason }, now);
  await access.write('erase', verbId(access), [
    ...([organization, actor, detailsOf(entries, some.length), box] as const),
    entries.map(({ n }) => n),
    some.map(({ n, id }) => [n, id] as const),
    senderTags.map(toOctets),
    recipientTags.map(toOctets),
    holds,
  ]);
  await at('named');
  const touched = new Set(entries.flatMap((one) => one.segment ?? []));
  if (segment !== null) touched.add(segment);
  for (const name of touched) {
    const numbers = entries.filter((one) => one.segment === name).map(({ n }) => n);
    const messages = name === segment ? some.map(({ n }) => n) : [];
    await run({ kind: 'erase', name, what: { entries: numbers, messages, senderTags, recipientTags } });
  }
  return entries.length;
}

/** Of each node and epoch one. */
function detailsOf(entries: readonly FoundEntry[], messages: number): string[] {
  const chains = new Map<string, FoundEntry[]>();
  for (const one of entries) {
    const key = JSON.stringify([one.node, one.epoch]);
    chains.set(key, [...(chains.get(key) ?? []), one]);
  }
  return [...chains].map(([key, all]) => {
    const [node, epoch] = JSON.parse(key) as [string, number];
    const each = all.map(({ seq, rest }) => [seq, rest] as const);
    return JSON.stringify({ node, epoch, count: each.length, messages, entries: each });
  });
}

/** Rejects when somebody reads without an end. */
async function emptyLog(access: Access): Promise<void> {
  for (let tried = 0; tried < TRIES; tried++) {
    if (await access.write('emptyLog', '', null)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new QueueError('closed', 'it was erased, but its log could not be emptied: make it again');
}
