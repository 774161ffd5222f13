// The rows of parcels that several verbs change: find, move between states, end, and who may open them. A parcel whose key
// is gone keeps its row; the conversation's challenges and sessions go with its last key, and what its grants open.

import { PARCEL_NEXT, type ParcelState } from '../../../domain/portal.ts';
import { PARCEL_ROW, type ParcelRow } from '../calls/parcels.ts';
import { Refusal, type Workbench } from '../workbench.ts';

/** Changed in place and written by `keep`. */
export type ParcelCore = {
  readonly n: number;
  readonly id: string;
  readonly organization: string;
  readonly conversation: string;
  readonly delivery: string;
  readonly object: string | null;
  state: ParcelState;
  expires_at: number;
  opened_at: number | null;
  replied_at: number | null;
  ended_at: number | null;
  /** When the sweep looks at it. */
  due: number | null;
};

/** States with a key, as SQL has them. */
export const KEYED = "('waiting', 'opened', 'replied', 'expired')";
const CORE =
  'n, id, organization, conversation, delivery, object, state, expires_at, opened_at, replied_at, ended_at, due';

export type ParcelRows = ReturnType<typeof openParcelRows>;

export function openParcelRows(w: Workbench) {
  const { db, ledger } = w;
  const byId = db.prepare<[string], ParcelCore>(`SELECT ${CORE} FROM parcel WHERE id = ?`);
  const byNumber = db.prepare<[number], ParcelCore>(`SELECT ${CORE} FROM parcel WHERE n = ?`);
  const whole = db.prepare<[string], ParcelRow>(`SELECT ${PARCEL_ROW} FROM parcel WHERE id = ?`);
  const newest = db.prepare<[string], ParcelCore>(
    `SELECT ${CORE} FROM parcel WHERE conversation = ? ORDER BY n DESC LIMIT 1`,
  );
  const keyedOf = db.prepare<[string], ParcelCore>(
    `SELECT ${CORE} FROM parcel WHERE delivery = ? AND state IN ${KEYED} ORDER BY n`,
  );
  const lastState = db
    .prepare<[string], ParcelState>('SELECT state FROM parcel WHERE delivery = ? ORDER BY n DESC LIMIT 1')
    .pluck();
  const keyedIn = db
    .prepare<[string], number>(`SELECT 1 FROM parcel WHERE conversation = ? AND state IN ${KEYED} LIMIT 1`)
    .pluck();
  const update = db.prepare(
    'UPDATE parcel SET state = ?, expires_at = ?, opened_at = ?, replied_at = ?, ended_at = ?, due = ? WHERE n = ?',
  );
  const emptyKey = db.prepare("UPDATE parcel SET body = json_set(body, '$.key', '') WHERE n = ? AND body IS NOT NULL");
  const deleteChallenges = db.prepare(
    'DELETE FROM challenge WHERE locator IN (SELECT locator FROM access_grant WHERE conversation = ?)',
  );
  const deleteGrants = db.prepare('DELETE FROM access_grant WHERE conversation = ?');
  const emptyGrants = db.prepare("UPDATE access_grant SET key = x'' WHERE conversation = ?");
  const deleteSessions = db.prepare('DELETE FROM portal_session WHERE conversation = ?');

  function find(id: string): ParcelCore {
    const found = byId.get(id);
    if (!found) throw new Refusal('not found', `no parcel ${id}`);
    return found;
  }

  function become(p: ParcelCore, to: ParcelState): void {
    if (p.state !== to && !PARCEL_NEXT[p.state].includes(to)) {
      throw new Refusal('wrong state', `a parcel that is ${p.state} cannot become ${to}`);
    }
    p.state = to;
  }

  function keep(p: ParcelCore): void {
    update.run(p.state, p.expires_at, p.opened_at, p.replied_at, p.ended_at, p.due, p.n);
  }

  /** An entry of the message whose delivery it is; `box` is one of the delivery's `because`. */
  function record(p: ParcelCore, at: number, actor: string, event: string, detail: object, box: Buffer | null): void {
    const message = p.delivery.slice(0, p.delivery.lastIndexOf('.'));
    const clear = JSON.stringify({ parcel: p.id, ...detail });
    ledger.append(at, p.organization, message, p.delivery, actor, event, clear, box);
  }

  /** Nobody opens it any more, with whatever link; its sealed bytes are the sweep's. */
  function end(
    p: ParcelCore,
    to: 'retracted' | 'deleted',
    at: number,
    actor: string,
    detail: object,
    box: Buffer | null,
  ): void {
    become(p, to);
    p.ended_at = at;
    p.due = p.object === null ? null : at;
    keep(p);
    emptyKey.run(p.n);
    if (keyedIn.get(p.conversation) === undefined) {
      deleteChallenges.run(p.conversation);
      // Who follows the link of what was taken back is told so until it would have expired; the grant opens nothing.
      (to === 'retracted' ? emptyGrants : deleteGrants).run(p.conversation);
      deleteSessions.run(p.conversation);
    }
    record(p, at, actor, `portal.${to}`, detail, box);
  }

  return {
    find,
    byNumber: (n: number) => byNumber.get(n) as ParcelCore,
    whole: (id: string) => whole.get(id) as ParcelRow,
    newestOf: (conversation: string) => newest.get(conversation),
    /** True when a parcel of the delivery has its key. */
    keyed: (delivery: string) => keyedOf.get(delivery) !== undefined,
    /** True when the newest parcel of the delivery was retracted. */
    takenBack: (delivery: string) => lastState.get(delivery) === 'retracted',
    become,
    keep,
    record,
    end,
    /** Its delivery went another way, or none. */
    endOf(delivery: string, at: number, actor: string, why: string): void {
      for (const p of keyedOf.all(delivery)) end(p, 'deleted', at, actor, { why }, null);
    },
  };
}
