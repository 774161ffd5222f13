// challenge, tryCode, openSession, touchSession, closeSession: how a link becomes a session. A try is counted in the update
// that is committed before anybody learns whether the code was right, and calls run one after the other: of many tries at
// once with the right code one is right.

import { timingSafeEqual } from 'node:crypto';
import { fromOctets, type Octets } from '../calls/octets.ts';
import type { ChallengeCall, GrantRow, SessionCall, TriedAnswer, TryCall } from '../calls/parcels.ts';
import { Refusal, type Workbench } from '../workbench.ts';
import type { ParcelCore, ParcelRows } from './parcel-rows.ts';
import { type Accept, acceptNew } from './parcels.ts';

const PORTAL = 'gateway portal';

/** Whose link it is. */
const WHO: Readonly<Record<string, string>> = { link: 'recipient', sender: 'sender' };

type Challenge = {
  readonly locator: Buffer;
  readonly parcel: string;
  readonly expires_at: number;
  readonly tries: number;
  readonly used: number;
  readonly code: Buffer;
};

export function makeCodes(w: Workbench, parcels: ParcelRows, accept: Accept) {
  return { ...makeChallenges(w, parcels, accept), ...makeSessions(w, parcels) };
}

function makeChallenges(w: Workbench, parcels: ParcelRows, accept: Accept) {
  const { db } = w;
  const grantOf = db.prepare<[Buffer], GrantRow>(
    'SELECT locator, organization, conversation, kind, expires_at, key FROM access_grant WHERE locator = ? AND length(key) > 0',
  );
  const made = db
    .prepare<[Buffer, number], number>('SELECT count(*) FROM challenge WHERE locator = ? AND made_at >= ?')
    .pluck();
  const insert = db.prepare(
    `INSERT INTO challenge (id, locator, organization, parcel, made_at, expires_at, code) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const challengeOf = db.prepare<[Buffer, Buffer], Challenge>(
    'SELECT locator, parcel, expires_at, tries, used, code FROM challenge WHERE id = ? AND locator = ?',
  );
  const count = db.prepare('UPDATE challenge SET tries = tries + 1 WHERE id = ?');
  const useUp = db.prepare('UPDATE challenge SET used = 1 WHERE id = ?');

  function challenge(call: ChallengeCall, at: number): 'made' | 'too many' {
    const [id, locatorOctets, organization, parcel, expiresAt, code, mail, limits] = call;
    const locator = fromOctets(locatorOctets);
    const grant = grantOf.get(locator);
    if (!grant) throw new Refusal('not found', 'no such grant');
    if (grant.expires_at <= at) throw new Refusal('wrong state', 'the grant is expired');
    const p = parcels.find(parcel);
    if (p.conversation !== grant.conversation) throw new Refusal('not found', `no parcel ${parcel} under that grant`);
    if (limits.some(([since, most]) => (made.get(locator, since) ?? 0) >= most)) return 'too many';
    insert.run(fromOctets(id), locator, organization, parcel, at, expiresAt, fromOctets(code));
    const accepted = acceptNew(accept, mail, at);
    parcels.record(
      p,
      at,
      PORTAL,
      'portal.code_sent',
      { mail: accepted, to: WHO[grant.kind], expires: expiresAt },
      null,
    );
    return 'made';
  }

  function failed(p: ParcelCore | undefined, grant: GrantRow, detail: object, at: number): void {
    if (p) parcels.record(p, at, PORTAL, 'portal.code_failed', { ...detail, by: WHO[grant.kind] }, null);
  }

  function whyOver(found: Challenge, grant: GrantRow, most: number, at: number): string | null {
    if (found.used === 1) return 'used before';
    if (found.tries >= most) return 'tried too often';
    return found.expires_at <= at || grant.expires_at <= at ? 'too late' : null;
  }

  function tryCode([idOctets, locatorOctets, code, most]: TryCall, at: number): TriedAnswer {
    const id = fromOctets(idOctets);
    const locator = fromOctets(locatorOctets);
    const grant = grantOf.get(locator);
    if (!grant) return { kind: 'over' };
    const found = challengeOf.get(id, locator);
    if (!found) {
      failed(parcels.newestOf(grant.conversation), grant, { why: 'no such challenge' }, at);
      return { kind: 'over' };
    }
    const p = parcels.find(found.parcel);
    const over = whyOver(found, grant, most, at);
    if (over !== null) {
      failed(p, grant, { why: over }, at);
      return { kind: 'over' };
    }
    count.run(id);
    const given = fromOctets(code);
    if (given.length === found.code.length && timingSafeEqual(given, found.code)) {
      useUp.run(id);
      return { kind: 'right', grant, parcel: parcels.whole(p.id) };
    }
    const left = most - found.tries - 1;
    failed(p, grant, { why: 'wrong', left }, at);
    return { kind: 'wrong', left };
  }

  return { challenge, tryCode };
}

function makeSessions(w: Workbench, parcels: ParcelRows) {
  const { db } = w;
  const insert = db.prepare(
    `INSERT INTO portal_session (hash, organization, conversation, kind, made_at, seen_at, expires_at, key)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const touch = db.prepare('UPDATE portal_session SET seen_at = max(seen_at, ?) WHERE hash = ?');
  const remove = db.prepare('DELETE FROM portal_session WHERE hash = ?');

  function openSession(call: SessionCall, at: number): null {
    const [hash, organization, conversation, kind, madeAt, seenAt, expiresAt, key, parcel] = call;
    const p = parcels.find(parcel);
    if (p.conversation !== conversation) throw new Refusal('not found', `no parcel ${parcel} in that conversation`);
    const over = p.state === 'retracted' || p.state === 'deleted' || (kind === 'link' && p.state === 'expired');
    if (over) throw new Refusal('wrong state', `parcel ${parcel} is ${p.state}`);
    insert.run(fromOctets(hash), organization, conversation, kind, madeAt, seenAt, expiresAt, fromOctets(key));
    if (kind !== 'link' || p.state !== 'waiting') return null;
    parcels.become(p, 'opened');
    p.opened_at = at;
    parcels.keep(p);
    parcels.record(p, at, PORTAL, 'portal.opened', {}, null);
    return null;
  }

  return {
    openSession,
    touchSession([hash, seenAt]: readonly [Octets, number]): null {
      touch.run(seenAt, fromOctets(hash));
      return null;
    },
    closeSession([hash]: readonly [Octets]): null {
      remove.run(fromOctets(hash));
      return null;
    },
  };
}
