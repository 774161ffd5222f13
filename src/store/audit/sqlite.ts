// The audit on SQLite: entries that change no queue row are boxed and appended here; reading opens boxed detail, and gives
// null for it when its key was deleted. Verifying needs no key.

import { type BoxPlace, type Vault, VaultError } from '../../crypto/vault.ts';
import type { AuditEvent } from '../../domain/events.ts';
import type { DeliveryId, QueueId } from '../../domain/ids.ts';
import { headText, type SignedCheckpoint } from '../../record/checkpoint.ts';
import { verbId } from '../queue/port.ts';
import { boxJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { AuditRow, EntryCall } from '../sqlite/calls/audit.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import type { Pin } from './pin.ts';
import type { AnchorCheck, Audit, AuditEntry, NewEntry, ProofState } from './port.ts';
import { search } from './search.ts';
import { verify } from './verify.ts';

/** Where the boxed detail of an entry was boxed: entries quote the box of the row they tell of. */
function placeOf({ organization, message, delivery, event }: Omit<AuditRow, 'detail'>): BoxPlace {
  const whole = event === 'message.accepted' || event === 'message.recovered';
  if (whole && message !== null) return place.fixed(organization, message);
  if (delivery === null) return place.entry(organization, message ?? '-', event);
  return event === 'delivery.decided' ? place.decision(organization, delivery) : place.because(organization, delivery);
}

export function entryFrom(vault: Vault, row: AuditRow): AuditEntry {
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

/** What needs no key and no writer: on a data folder itself too. */
export function proofOf(access: Pick<Access, 'read'>): Pick<Audit, 'verify' | 'checkAnchors' | 'firstKeys'> {
  return {
    verify: (progress, keys) => verify(access, progress, keys),
    checkAnchors: (lines, fitted) => access.read<AnchorCheck>('anchorSlice', [lines, fitted]),
    firstKeys: () => access.read<SignedCheckpoint[]>('firstKeys', null),
  };
}

export function openAudit(access: Access, pin: Pick<Pin, 'advance'>): Audit {
  return {
    async append(entries) {
      const calls: EntryCall[] = [];
      for (const entry of entries) calls.push(await entryCall(access, entry));
      await access.write('append', verbId(access), calls);
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
      const verb = verbId(access);
      const others = JSON.stringify(one.others.map(headText));
      await access.write('checkpoint', verb, [
        ...([one.no, one.node, one.epoch, one.seq, toOctets(one.hash), one.at, others, toOctets(one.key)] as const),
        one.next === null ? null : toOctets(one.next),
        toOctets(one.signature),
      ]);
      await pin.advance(one);
    },
  };
}
