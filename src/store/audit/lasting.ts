// What the entries of the audit say of what lasts: which legal holds stand, which accounts there are. Rows say so too, and who
// writes rows can take one away or put an old one back: what is done follows the entries. Logs nothing.

import type { Access } from '../sqlite/access.ts';
import type { LastingEntries, LastingRow } from '../sqlite/queries/lasting.ts';

export type HoldDetail = {
  readonly hold: string;
  readonly queueId: string | null;
  readonly since: number | null;
  readonly until: number | null;
  /** It names an address. */
  readonly one: boolean;
};
export type HoldEntry = {
  readonly organization: string;
  readonly at: number;
  readonly detail: HoldDetail;
  readonly boxed: Uint8Array;
};
/** `created`: of the account that was made last under that name; null: entries did not say it yet. */
export type AccountEntry = { readonly stands: boolean; readonly created: number | null };
export type AccountKind = 'operator' | 'submission';

/** What entries say, up to the last that was taken. */
export type Told = {
  readonly holds: Map<string, HoldEntry>;
  /** By kind and name. */
  readonly accounts: Map<string, AccountEntry>;
  /** After a backup was restored no operator of before is one. */
  restored: boolean;
  /** Digest of all that was pruned, as the last entry about it says. */
  pruned: string | null;
};

export const accountKey = (kind: AccountKind, name: string): string => `${kind} ${name}`;

export function nothingTold(): Told {
  return { holds: new Map(), accounts: new Map(), restored: false, pruned: null };
}

type Detail = HoldDetail & {
  readonly name: string;
  readonly created?: number;
  readonly pruned?: { readonly digest?: string };
};

/** Takes entries in order; what comes later has the last word. One whose detail is damaged tells nothing, and keeps no other from
 *  being read: whoever verifies names it. */
export function take(told: Told, { organization, at, event, detail: text, boxed }: LastingRow): void {
  const detail = detailOf(text);
  if (detail === null) return;
  const [kind] = event.split('.') as [AccountKind];
  switch (event) {
    case 'log.hold_added':
      told.holds.set(detail.hold, { organization, at, detail, boxed: boxed ?? new Uint8Array() });
      break;
    case 'log.hold_removed':
      told.holds.delete(detail.hold);
      break;
    case 'operator.added':
    case 'submission.added':
      told.accounts.set(accountKey(kind, detail.name), { stands: true, created: detail.created ?? null });
      break;
    case 'operator.removed':
    case 'submission.removed':
      told.accounts.set(accountKey(kind, detail.name), { stands: false, created: null });
      break;
    case 'gateway.restored':
      told.restored = true;
      for (const key of told.accounts.keys())
        if (key.startsWith('operator ')) told.accounts.set(key, { stands: false, created: null });
      break;
    case 'log.pruned':
      told.pruned = detail.pruned?.digest ?? null;
  }
}

function detailOf(text: string): Detail | null {
  try {
    const detail: unknown = JSON.parse(text);
    return typeof detail === 'object' ? (detail as Detail | null) : null;
  } catch {
    return null;
  }
}

export type Lasting = {
  /** What entries say by now. `isWhole`: none was passed over because its month cannot be read; `prunedUntil`: entries up to
   *  that time may be gone, which an entry proves; null: none may. */
  read(): Promise<Told & { readonly isWhole: boolean; readonly prunedUntil: number | null }>;
  /** Tells a person what was found wrong, and keeps it. */
  report(what: string): void;
  reported(): readonly string[];
};

/** Entries are read once: later only what came since, and all from a month on that could not be read before and can be now. */
export function openLasting(access: Access): Lasting {
  const told = nothingTold();
  const found: string[] = [];
  let through = 0;
  /** Behind which entries something was passed over, in order. */
  const passedOver = new Set<number>();
  let last: Promise<unknown> = Promise.resolve();
  const behind = (after: number) => access.read<LastingEntries>('lastingEntries', [after]);

  async function goBack(): Promise<void> {
    for (const after of passedOver) {
      if ((await behind(after)).passedOver) continue;
      through = after;
      for (const one of [...passedOver]) if (one >= after) passedOver.delete(one);
      return;
    }
  }

  async function more() {
    await goBack();
    for (;;) {
      const some = await behind(through);
      if (some.passedOver) passedOver.add(through);
      for (const row of some.rows) take(told, row);
      ({ through } = some);
      if (!some.done) continue;
      const prunedUntil = some.gone !== null && some.gone.digest === told.pruned ? some.gone.until : null;
      return { ...told, isWhole: passedOver.size === 0, prunedUntil };
    }
  }

  return {
    read() {
      const mine = last.then(more, more);
      last = mine;
      return mine;
    },
    report(what) {
      found.push(what);
      access.alarm(`${what}: somebody else wrote into the database; sealrelay log verify`);
    },
    reported: () => found,
  };
}
