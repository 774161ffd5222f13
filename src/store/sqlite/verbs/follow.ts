// What becomes of a notice becomes of the delivery it tells of, in the same transaction. The notice's cause names the
// delivery and its attempt: one that went another way since, or that an operator ended, is left alone.

import type { DeliveryState } from '../../../domain/types.ts';
import { TELL } from '../calls/queue.ts';
import type { Workbench } from '../workbench.ts';
import type { ParcelRows } from './parcel-rows.ts';
import { countUse, type DeliveryCore, type MessageCore, type Rows } from './rows.ts';

/** `next`: no hop shows what the notice demands, and its delivery goes on with the next item of its list. */
export type Fate = {
  readonly kind: 'noticed' | 'bounced' | 'next' | 'held';
  readonly actor: string;
  readonly status: string;
  readonly level: string | null;
  /** Clear, for the audit. */
  readonly detail: object;
  /** Box of the `because` of the delivery of that id. */
  readonly box: { readonly of: string; readonly bytes: Buffer } | null;
};

/** Messages that a verb has in hand, and how many of their deliveries were open before it. */
export type Hand = { readonly seen: Map<string, MessageCore>; readonly opens: Map<MessageCore, number> };

export type Follow = (notice: MessageCore, fate: Fate, hand: Hand, at: number) => void;

const TO: Record<Fate['kind'], { readonly state: DeliveryState; readonly event: string }> = {
  noticed: { state: 'noticed', event: 'delivery.noticed' },
  bounced: { state: 'bounced', event: 'delivery.bounced' },
  next: { state: 'ready', event: 'delivery.deferred' },
  held: { state: 'held', event: 'delivery.held' },
};
const CAUSE = /^notice of: (\S+) (\d+)$/;

export function newHand(): Hand {
  return { seen: new Map(), opens: new Map() };
}

export function makeFollow(w: Workbench, rows: Rows, parcels: ParcelRows): Follow {
  const { db, ledger } = w;
  const causeOf = db.prepare<[number], string>('SELECT cause FROM message WHERE n = ?').pluck();
  const exists = db.prepare<[string], number>('SELECT 1 FROM message WHERE id = ?').pluck();
  const setLevel = db.prepare('UPDATE delivery SET level = ? WHERE n = ?');
  const restartClock = db.prepare('UPDATE delivery SET step_since = NULL, step_attempts = 0 WHERE n = ?');

  /** The delivery that waits for this notice; null when none does. */
  function waiting(notice: MessageCore, { seen }: Hand): { id: string; m: MessageCore; d: DeliveryCore } | null {
    const [, id, attempts] = CAUSE.exec(causeOf.get(notice.n) ?? '') ?? [];
    if (id === undefined || exists.get(id.slice(0, id.lastIndexOf('.'))) === undefined) return null;
    const { m, d } = rows.find(id, seen);
    if (d.attempts !== Number(attempts)) return null;
    // Held with its parcel: as its notice was.
    return d.state === 'noticing' || (d.state === 'held' && parcels.keyed(id)) ? { id, m, d } : null;
  }

  function apply(id: string, m: MessageCore, d: DeliveryCore, fate: Fate, at: number): void {
    const { kind, actor, status, level } = fate;
    if (kind === 'bounced') parcels.endOf(id, at, actor, 'its notice bounced');
    if (kind === 'next') parcels.endOf(id, at, actor, 'its delivery goes another way');
    rows.move(m, d, TO[kind].state, kind === 'next' ? at : d.not_before);
    rows.settleTell(d);
    if (kind === 'bounced') rows.tell(m, d, TELL.bounced, at);
    if (kind === 'held') rows.tell(m, d, TELL.held, at);
    if (kind === 'noticed') {
      setLevel.run(level, d.n);
      countUse(w, m, d, d.step, at);
    }
    if (kind === 'next') {
      rows.tell(m, d, TELL.delayed, at);
      d.step += 1;
      restartClock.run(d.n);
    }
    if (kind !== 'held') d.status = status;
  }

  return function follow(notice, given, hand, at) {
    const found = waiting(notice, hand);
    if (!found || found.d.state === TO[given.kind].state) return;
    const { id, m, d } = found;
    // What its sender took back goes no other way.
    const fate: Fate = given.kind === 'next' && parcels.takenBack(id) ? { ...given, kind: 'bounced' } : given;
    if (!hand.opens.has(m)) hand.opens.set(m, m.open);
    apply(id, m, d, fate, at);
    const box = fate.box?.of === id ? fate.box.bytes : null;
    rows.keepDelivery(d, at, box);
    const detail = JSON.stringify({ notice: notice.id, ...fate.detail });
    ledger.append(at, m.organization, m.id, id, fate.actor, TO[fate.kind].event, detail, box);
  };
}
