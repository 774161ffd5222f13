// accept: message, deliveries, search tags and audit entries of one accepted message. A cause is consumed once.

import { fromOctets } from '../calls/octets.ts';
import { type AcceptAnswer, type AcceptCall, DAY, DELIVERIES } from '../calls/queue.ts';
import { countStage, type Workbench } from '../workbench.ts';
import type { Decider } from './decide.ts';
import { isTheirs, type Rows } from './rows.ts';
import type { Teller } from './tell.ts';

export function makeAccept(w: Workbench, rows: Rows, decider: Decider, teller: Teller) {
  const { db, tally, lanes, ledger } = w;
  const insertMessage = db.prepare(
    `INSERT INTO message (id, organization, stage, origin, size, digest, accepted_at, accepted_by, cause, parent,
       smtp_utf8, body, deliveries, open, fixed, examine_attempts, due, lease_owner, lease_no)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (cause) DO NOTHING`,
  );
  const byCause = db.prepare<[string], string>('SELECT id FROM message WHERE cause = ?').pluck();
  const insertDelivery = db.prepare(
    `INSERT INTO delivery (n, lane, destination, domain, priority, state, expires_at, may_tell)
     VALUES (?, ?, ?, ?, ?, 'undecided', ?, ?)`,
  );
  const insertSought = db.prepare('INSERT OR IGNORE INTO sought (day, tag, n) VALUES (?, ?, ?)');

  return function accept(
    call: AcceptCall,
    at: number,
    event: 'message.accepted' | 'message.recovered' = 'message.accepted',
  ): AcceptAnswer {
    const [id, organization, origin, size, digest, acceptedAt, acceptedBy, cause, parent, smtpUtf8, body] = call;
    const [
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      fixedOctets,
      senderTags,
      detail,
      deliveries,
      owner,
      until,
      tellKind,
      tells,
      acknowledged,
    ] = call;
    w.acknowledge(acknowledged);
    w.knowOrganization(organization);
    const decided = deliveries.every((one) => one[6] !== null);
    const lease = owner !== null && !decided ? w.nextLease() : 0;
    const due = decided ? null : lease > 0 ? until : at;
    const fixed = fromOctets(fixedOctets);
    if (w.retiring) w.refuseRetired(organization, Buffer.from((JSON.parse(body) as { key: string }).key, 'base64url'));
    const inserted = insertMessage.run(
      id,
      organization,
      'accepted',
      origin,
      size,
      fromOctets(digest),
      acceptedAt,
      acceptedBy,
      cause,
      parent,
      smtpUtf8,
      body,
      deliveries.length,
      deliveries.length,
      fixed,
      lease > 0 ? 1 : 0,
      due,
      lease > 0 ? owner : null,
      lease,
    );
    if (inserted.changes === 0) {
      const stands = byCause.get(cause) as string;
      if (tells !== null) teller.mark(tells, tellKind, 'told before', at);
      return [stands, 1, 0, 0];
    }
    const n = Number(inserted.lastInsertRowid);
    if (isTheirs(origin)) w.usage.count(acceptedAt, organization, 'accepted', 1, deliveries.length, size);
    const day = Math.floor(acceptedAt / DAY);
    countStage(tally, null, 'accepted');
    tally.states.undecided = (tally.states.undecided ?? 0) + deliveries.length;
    for (let i = 0; i < senderTags.length; i += 16) insertSought.run(day, fromOctets(senderTags.slice(i, i + 16)), n);
    for (let index = 0; index < deliveries.length; index++) {
      const [destination, domain, priority, expiresAt, mayTell, tag] = deliveries[index]!;
      const lane = lanes.of(organization, destination, priority);
      const number = n * DELIVERIES + index;
      insertDelivery.run(number, lane.n, destination, domain, priority, expiresAt, mayTell);
      insertSought.run(day, fromOctets(tag), number);
    }
    ledger.append(at, organization, id, null, 'gateway accept', event, detail, fixed);
    if (decided) {
      const m = rows.byNumber(n);
      decider.decideAll(
        m,
        deliveries.map((one) => one[6]!),
        null,
        at,
      );
      rows.goTo(m, 'decided');
      rows.keepMessage(m, null);
      rows.keepOpen(m, m.open, at);
    }
    if (tells !== null) teller.mark(tells, tellKind, id, at);
    return [id, 0, lease, n];
  };
}
