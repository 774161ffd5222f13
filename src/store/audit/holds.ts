// Legal holds. A row says what may not be destroyed; the entries of the audit, which set and lift it, prove that. Who writes rows
// can take one away, so before anything is destroyed for good the rows are compared with the entries, and put back as these say.

import { VaultError } from '../../crypto/vault.ts';
import type { QueueId } from '../../domain/ids.ts';
import { verbId } from '../queue/port.ts';
import { boxJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { HoldRow } from '../sqlite/calls/archive.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import { isSameHold } from '../sqlite/legal-hold.ts';
import type { Archive, Hold, NewHold } from './archive-port.ts';
import type { HoldDetail, HoldEntry, Lasting } from './lasting.ts';
import type { Proven } from './proven.ts';

type Boxed = { readonly address: string | null; readonly reason: string };
export type ProvenHolds = Pick<Archive, 'holds' | 'addHold' | 'removeHold'> & {
  /** The rows as the entries have it. */
  prove(): Promise<readonly HoldRow[]>;
  /** The same, by entries that verify; null when they do not: nothing may be destroyed. */
  proveAll(stop?: AbortSignal): Promise<readonly HoldRow[] | null>;
};

const where = (organization: string) => place.entry(organization, '-', 'log.hold_added');

export function openHolds(access: Access, lasting: Lasting, proven: Proven): ProvenHolds {
  const rows = () => access.read<HoldRow[]>('holds', null);

  async function putBack(entries: () => Promise<Iterable<HoldEntry> | null>): Promise<readonly HoldRow[] | null> {
    // Rows first: what is lifted after that has its entry when the entries are read.
    const there = new Map((await rows()).map((row) => [row.id, row]));
    const standing = await entries();
    if (standing === null) return null;
    let changed = false;
    for (const entry of standing) {
      const row = await rowOf(access, entry, there.get(entry.detail.hold));
      const now = there.get(row.id);
      if (now && isSameHold(now, row)) continue;
      if (!(await access.write('putHoldBack', verbId(access), [row]))) continue;
      changed = true;
      lasting.report(`legal hold ${row.id} was ${now ? 'changed' : 'taken away'} beside the audit, and is put back`);
    }
    return changed ? await rows() : [...there.values()];
  }

  const prove = async () => (await putBack(async () => (await lasting.read()).holds.values())) ?? [];

  return {
    prove,
    proveAll: (stop) => putBack(async () => (await proven.prove(stop))?.holds.values() ?? null),
    async holds() {
      const vault = access.vault();
      return (await prove()).map((row): Hold => {
        const boxed = boxedOf(vault, row.organization, row.box) ?? { address: null, reason: '' };
        const { id, organization, message, since, until, added_at: addedAt } = row;
        return { id, organization, message: message as QueueId | null, since, until, addedAt, ...boxed };
      });
    },
    async addHold(hold: NewHold, actor) {
      const { id, organization, address, message, since, until, reason } = hold;
      const at = access.clock.now();
      const vault = await readyVault(access, organization, at);
      const tag = (column: string) =>
        address === null ? null : toOctets(vault.tag(organization, column, address.toLowerCase()));
      const detail = JSON.stringify({
        hold: id,
        queueId: message,
        since,
        until,
        one: address !== null,
      } satisfies HoldDetail);
      const box = boxJson(vault, where(organization), { address, reason } satisfies Boxed, at);
      await access.write('addHold', verbId(access), [
        ...([id, organization, tag('sender'), tag('recipient'), message, since, until, box, actor, detail] as const),
      ]);
    },
    async removeHold(id, actor, reason) {
      const hold = (await prove()).find((one) => one.id === id);
      const organization = hold?.organization ?? '-';
      const at = access.clock.now();
      const vault = await readyVault(access, organization, at);
      const box = boxJson(vault, place.entry(organization, '-', 'log.hold_removed'), { reason }, at);
      await access.write('removeHold', verbId(access), [id, actor, JSON.stringify({ hold: id }), box]);
    },
  };
}

function boxedOf(vault: ReturnType<Access['vault']>, organization: string, box: Uint8Array): Boxed | null {
  try {
    return openJson<Boxed>(vault, where(organization), box);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

/** The row that an entry speaks of. Where its box does not open, the address is that of the row as it is, or everybody's. */
async function rowOf(access: Access, entry: HoldEntry, now: HoldRow | undefined): Promise<HoldRow> {
  const { organization, at, detail, boxed } = entry;
  const vault = await readyVault(access, organization, access.clock.now());
  const opened = boxedOf(vault, organization, boxed);
  const address = opened?.address?.toLowerCase() ?? null;
  const tag = (column: 'sender' | 'recipient'): Uint8Array | null => {
    if (detail.one && opened === null) return now?.[`${column}_tag`] ?? null;
    // A copy: a view of a pooled buffer would take its whole pool along to the other thread.
    return address === null ? null : Uint8Array.from(vault.tag(organization, column, address));
  };
  const { hold: id, queueId: message, since, until } = detail;
  return {
    ...{ id, organization, sender_tag: tag('sender'), recipient_tag: tag('recipient') },
    ...{ message, since, until, added_at: at, box: boxed },
  };
}
