// escrow, parcelSeen, parcelReplied, extendParcel, retractParcel, sweepParcels, forgetParcel: a parcel from the lease of its
// delivery to its last octet. Mail that goes with a change is accepted in the transaction of the change.

import { fromOctets, type Octets } from '../calls/octets.ts';
import type { EscrowCall, EscrowOne, GoneRow, GrantCall } from '../calls/parcels.ts';
import { type AcceptAnswer, type AcceptCall, DAY, TELL } from '../calls/queue.ts';
import { underHold } from '../legal-hold.ts';
import { Refusal, type Workbench } from '../workbench.ts';
import { KEYED, type ParcelCore, type ParcelRows } from './parcel-rows.ts';
import type { DeliveryCore, MessageCore, Rows } from './rows.ts';

export type Accept = (call: AcceptCall, at: number) => AcceptAnswer;

const PORTAL = 'gateway portal';
const SWEEP = 'gateway sweep';
/** Parcels that one sweep looks at: the transaction stays short. */
const PAGE = 500;
/** How many codes a link had is counted over less than that. */
const CHALLENGES_KEPT = DAY;

/** Accepts mail that no earlier call made. Throws Refusal. */
export function acceptNew(accept: Accept, call: AcceptCall, at: number): string {
  const [id, repeated] = accept(call, at);
  if (repeated) throw new Refusal('wrong state', `that mail was made before, as ${id}`);
  return id;
}

export function makeParcels(w: Workbench, rows: Rows, parcels: ParcelRows, accept: Accept) {
  return {
    escrow: makeEscrow(w, rows, accept),
    ...makeUse(parcels, accept),
    ...makeTerm(w, parcels),
    ...makeSweep(w, parcels),
  };
}

function makeEscrow(w: Workbench, rows: Rows, accept: Accept) {
  const { db, ledger } = w;
  const insertConversation = db.prepare(
    'INSERT INTO conversation (id, organization, created_at, fixed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const insertParcel = db.prepare(
    `INSERT INTO parcel (id, organization, conversation, delivery, object, state, level, size, created_at, expires_at,
       due, body, fixed) VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertGrant = db.prepare(
    'INSERT INTO access_grant (locator, organization, conversation, kind, expires_at, key) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const closeAttempt = db.prepare(
    "UPDATE attempt SET ended_at = ?, outcome = 'escrowed', status = '', step = ? WHERE delivery = ? AND no = ?",
  );

  const clocksAnew = db.prepare('UPDATE delivery SET step_since = NULL, step_attempts = 0 WHERE n = ?');

  function insertAll([parcel, outsider, grants]: EscrowOne, at: number): void {
    const [id, organization, conversation, delivery, object, level, size, createdAt, expiresAt, body, fixed] = parcel;
    insertConversation.run(conversation, organization, at, fromOctets(outsider));
    insertParcel.run(
      id,
      organization,
      conversation,
      delivery,
      object,
      level,
      size,
      createdAt,
      expiresAt,
      expiresAt,
      body,
      fromOctets(fixed),
    );
    for (const grant of grants) insert(grant);
  }

  function insert([locator, organization, conversation, kind, expiresAt, key]: GrantCall): void {
    w.refuseRetired(organization, fromOctets(key));
    insertGrant.run(fromOctets(locator), organization, conversation, kind, expiresAt, fromOctets(key));
  }

  function toNoticing(m: MessageCore, d: DeliveryCore, one: EscrowOne, notice: string, at: number): void {
    const [[parcel, , , delivery, , , , , expires], , , , because, step] = one;
    if (step !== d.step) clocksAnew.run(d.n);
    d.step = step;
    const box = fromOctets(because);
    closeAttempt.run(at, d.step, d.n, d.attempts);
    rows.move(m, d, 'noticing', d.not_before);
    rows.settleTell(d);
    // A notice that nobody takes is a delay like any other.
    rows.tell(m, d, TELL.delayed, at);
    d.status = '';
    d.lease_owner = null;
    rows.keepDelivery(d, at, box);
    const protection = d.list.split(', ')[d.step];
    const detail = JSON.stringify({ attempt: d.attempts, protection, parcel, notice, expires });
    ledger.append(at, m.organization, m.id, delivery, 'gateway deliver', 'delivery.noticing', detail, box);
  }

  return function escrow([owner, lease, all, receipt]: EscrowCall, at: number): null {
    const seen = new Map<string, MessageCore>();
    for (const one of all) {
      const [[, , , delivery], , , notice] = one;
      const { m, d } = rows.find(delivery, seen);
      if (d.state !== 'leased' || d.lease_no !== lease || d.lease_owner !== owner) {
        throw new Refusal('outdated lease', `delivery ${delivery} is no longer leased under number ${lease}`);
      }
      insertAll(one, at);
      toNoticing(m, d, one, acceptNew(accept, notice, at), at);
    }
    if (receipt !== null) acceptNew(accept, receipt, at);
    return null;
  };
}

function makeUse(parcels: ParcelRows, accept: Accept) {
  return {
    parcelSeen([id, what, detail]: readonly [string, 'viewed' | 'downloaded', string], at: number): null {
      parcels.record(parcels.find(id), at, PORTAL, `portal.${what}`, JSON.parse(detail), null);
      return null;
    },

    parcelReplied([id, mail]: readonly [string, AcceptCall], at: number): null {
      const p = parcels.find(id);
      const [stands, repeated] = accept(mail, at);
      if (repeated) return null;
      if (p.state === 'expired') throw new Refusal('wrong state', `parcel ${id} is expired`);
      parcels.become(p, 'replied');
      p.replied_at = at;
      p.opened_at ??= at;
      parcels.keep(p);
      parcels.record(p, at, PORTAL, 'portal.replied', { mail: stands }, null);
      return null;
    },
  };
}

function makeTerm(w: Workbench, parcels: ParcelRows) {
  // A link ends with its parcel; the sender's page outlasts it by as much as before.
  const extendGrants = w.db.prepare(
    `UPDATE access_grant SET expires_at = max(expires_at, CASE kind WHEN 'sender' THEN ? + max(0, expires_at - ?) ELSE ? END)
     WHERE conversation = ?`,
  );

  function extend([id, until, actor, reason]: readonly [string, number, string, Octets], at: number): null {
    const p = parcels.find(id);
    if (until === p.expires_at && p.state !== 'expired') return null;
    if (until <= at) throw new Refusal('wrong state', 'the new expiry lies in the past');
    if (until < p.expires_at) throw new Refusal('wrong state', `parcel ${id} expires later than that`);
    const before = p.expires_at;
    parcels.become(p, p.replied_at !== null ? 'replied' : p.opened_at !== null ? 'opened' : 'waiting');
    p.expires_at = until;
    p.due = until;
    p.ended_at = null;
    parcels.keep(p);
    extendGrants.run(until, before, until, p.conversation);
    parcels.record(p, at, actor, 'portal.extended', { before, until }, fromOctets(reason));
    return null;
  }

  function retract([id, actor, reason]: readonly [string, string, Octets], at: number): null {
    const p = parcels.find(id);
    if (p.state !== 'retracted') parcels.end(p, 'retracted', at, actor, {}, fromOctets(reason));
    return null;
  }

  return { extendParcel: extend, retractParcel: retract };
}

/** Of the message of parcel `p`. */
const UNDER_HOLD = `EXISTS (SELECT 1 FROM message m WHERE m.id = substr(p.delivery, 1, instr(p.delivery, '.') - 1)
  AND ${underHold('m')})`;

function makeSweep(w: Workbench, parcels: ParcelRows) {
  const { db } = w;
  const due = db
    .prepare<[number], number>(
      `SELECT n FROM parcel p WHERE due IS NOT NULL AND due <= ? AND state IN ${KEYED}
         AND NOT (state = 'expired' AND ${UNDER_HOLD}) ORDER BY due LIMIT ${PAGE}`,
    )
    .pluck();
  const held = db.prepare<[number], number>(`SELECT 1 FROM parcel p WHERE n = ? AND ${UNDER_HOLD}`).pluck();
  const gone = db.prepare<[number], { n: number; id: string; object: string; body: string }>(
    `SELECT n, id, object, body FROM parcel
     WHERE due IS NOT NULL AND due <= ? AND state IN ('retracted', 'deleted') ORDER BY due LIMIT ${PAGE}`,
  );
  const keyedObject = db
    .prepare<[string], number>(`SELECT 1 FROM parcel WHERE object = ? AND state IN ${KEYED} LIMIT 1`)
    .pluck();
  const clear = db.prepare('UPDATE parcel SET object = NULL, body = NULL, due = NULL WHERE n = ?');
  const clearObject = db.prepare('UPDATE parcel SET object = NULL, body = NULL, due = NULL WHERE object = ?');
  const emptyGrants = db.prepare('DELETE FROM access_grant WHERE length(key) = 0 AND expires_at <= ?');
  const oldChallenges = db.prepare('DELETE FROM challenge WHERE made_at < ?');
  const oldSessions = db.prepare('DELETE FROM portal_session WHERE expires_at <= ?');

  function expire(p: ParcelCore, now: number, keep: number): void {
    if (p.state !== 'expired') {
      parcels.become(p, 'expired');
      p.ended_at = now;
      p.due = p.expires_at + keep;
      parcels.keep(p);
      parcels.record(p, now, SWEEP, 'portal.expired', { expires: p.expires_at, kept: p.due }, null);
    }
    // A legal hold keeps it: nobody opens it any more, and it may still be extended.
    if ((p.due ?? 0) <= now && held.get(p.n) === undefined)
      parcels.end(p, 'deleted', now, SWEEP, { why: 'it was expired long enough' }, null);
  }

  function sweep([now, keep]: readonly [number, number]): GoneRow[] {
    for (const n of due.all(now)) expire(parcels.byNumber(n), now, keep);
    emptyGrants.run(now);
    oldChallenges.run(now - CHALLENGES_KEPT);
    oldSessions.run(now);
    const bodies = new Map<string, GoneRow>();
    for (const { n, id, object, body } of gone.all(now)) {
      // Another recipient's parcel still opens these octets: they are named when that one goes.
      if (keyedObject.get(object) !== undefined) clear.run(n);
      else if (!bodies.has(object)) bodies.set(object, { parcel: id, body });
    }
    return [...bodies.values()];
  }

  function forget([id]: readonly [string]): null {
    const p = parcels.find(id);
    if (p.object === null) return null;
    if (keyedObject.get(p.object) !== undefined) throw new Refusal('wrong state', `parcel ${id} may still be opened`);
    clearObject.run(p.object);
    return null;
  }

  return { sweepParcels: sweep, forgetParcel: forget };
}
