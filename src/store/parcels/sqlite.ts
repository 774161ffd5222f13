// Parcels on SQLite: boxes what names a person, opens what is read, and hands both on to the store's threads. Keys come as
// boxes that nothing here opens. Logs nothing; a row whose box does not open is as if it were not there, with an alarm.

import { type BoxPlace, type Vault, VaultError } from '../../crypto/vault.ts';
import { type DeliveryId, normalAddress } from '../../domain/ids.ts';
import type { Grant, GrantKind, Parcel } from '../../domain/portal.ts';
import type { Actor, BodyRef, NewMessage } from '../../domain/types.ts';
import { QueueError, verbId } from '../queue/port.ts';
import { acceptCall, boxJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import { type Octets, toOctets } from '../sqlite/calls/octets.ts';
import type { EscrowOne, GoneRow, GrantCall, GrantRow, ParcelRow, SessionRow } from '../sqlite/calls/parcels.ts';
import type { AcceptCall } from '../sqlite/calls/queue.ts';
import type { ParcelList } from '../sqlite/queries/parcels.ts';
import { grantPlace, type NewParcel, type Parcels, type PortalSession } from './port.ts';

/** In the box `fixed` of a parcel. What is done follows it: a row that is moved to another conversation does not show there. */
type Fixed = Pick<Parcel, 'conversation' | 'delivery' | 'recipient' | 'sender' | 'from' | 'messageId' | 'level'>;

/** Of a parcel whose sealed bytes are gone. */
const NOTHING: BodyRef = { object: '', file: '', offset: 0, length: 0, key: '' };
/** Rows opened at once when they are sought by what is in their boxes. */
const PAGE = 500;

const parcelPlace = (organization: string, id: string): BoxPlace => ({
  organization,
  table: 'parcel',
  row: id,
  column: 'fixed',
});
const conversationPlace = (organization: string, id: string): BoxPlace => ({
  organization,
  table: 'conversation',
  row: id,
  column: 'fixed',
});

function fromHex(hex: string): Uint8Array {
  // A copy: a view of a pooled buffer would take its whole pool along to the other thread.
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function parcelFrom(vault: Vault, row: ParcelRow): Parcel {
  const { id, organization } = row;
  const fixed = openJson<Fixed>(vault, parcelPlace(organization, id), row.fixed);
  return {
    id,
    organization,
    state: row.state,
    body: row.body === null ? NOTHING : (JSON.parse(row.body) as BodyRef),
    size: row.size,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    openedAt: row.opened_at,
    repliedAt: row.replied_at,
    ...fixed,
  };
}

function grantFrom(row: GrantRow): Grant {
  return {
    locator: Buffer.from(row.locator).toString('hex'),
    organization: row.organization,
    conversation: row.conversation,
    kind: row.kind as GrantKind,
    expiresAt: row.expires_at,
    box: row.key,
  };
}

function sessionFrom(row: SessionRow): PortalSession {
  return {
    hash: row.hash,
    organization: row.organization,
    conversation: row.conversation,
    kind: row.kind as GrantKind,
    madeAt: row.made_at,
    seenAt: row.seen_at,
    expiresAt: row.expires_at,
    key: row.key,
  };
}

function grantCall(vault: Vault, grant: Grant): GrantCall {
  const { locator, organization, conversation, kind, expiresAt } = grant;
  // The organization key may have been renewed since the grant was made.
  const box = vault.rewrap(grantPlace(grant), grant.box) ?? grant.box;
  return [toOctets(fromHex(locator)), organization, conversation, kind, expiresAt, toOctets(box)];
}

function escrowOne(vault: Vault, one: NewParcel, at: number): EscrowOne {
  const { parcel, grants, notice, step } = one;
  const { id, organization, conversation, delivery, body, recipient, sender, from, messageId, level } = parcel;
  const fixed: Fixed = { conversation, delivery, recipient, sender, from, messageId, level };
  const because = { because: one.because };
  return [
    [
      id,
      organization,
      conversation,
      delivery,
      body.object,
      level,
      parcel.size,
      parcel.createdAt,
      parcel.expiresAt,
      JSON.stringify(body),
      boxJson(vault, parcelPlace(organization, id), fixed, at),
    ],
    boxJson(vault, conversationPlace(organization, conversation), { outsider: recipient }, at),
    grants.map((grant) => grantCall(vault, grant)),
    mailCall(vault, notice, at),
    boxJson(vault, place.because(organization, delivery), because, at),
    step,
  ];
}

/** Mail of ours: its body was durable before, and nobody waits for a 250. */
function mailCall(vault: Vault, message: NewMessage, at: number): AcceptCall {
  return acceptCall(vault, message, undefined, undefined, at, 0);
}

export function openParcels(access: Access): Parcels {
  return { ...writing(access), ...sessions(access), ...reading(access) };
}

/** What the row's box holds; null and an alarm when it does not open. */
function opened(access: Access, row: ParcelRow): Parcel | null {
  try {
    return parcelFrom(access.vault(), row);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    access.alarm(`the box of parcel ${row.id} does not open: it is not shown`);
    return null;
  }
}

type Writing = Pick<Parcels, 'escrow' | 'seen' | 'replied' | 'extend' | 'retract' | 'sweep' | 'forgotten'>;

function writing(access: Access): Writing {
  async function reasonBox(id: string, by: { actor: Actor; reason: string }): Promise<Octets> {
    const row = await access.read<ParcelRow | null>('parcel', [id]);
    if (!row) throw new QueueError('not found', `no parcel ${id}`);
    const at = access.clock.now();
    const vault = await readyVault(access, row.organization, at);
    const where = place.because(row.organization, row.delivery);
    return boxJson(vault, where, { because: by.reason, actor: by.actor }, at);
  }

  return {
    async escrow(verb, lease, parcels, receipt) {
      const at = access.clock.now();
      for (const { parcel } of parcels) await readyVault(access, parcel.organization, at);
      if (receipt) await readyVault(access, receipt.organization, at);
      // Nothing is waited for between the boxes and the call: a key may be renewed meanwhile.
      const vault = access.vault();
      const all = parcels.map((one): EscrowOne => escrowOne(vault, one, at));
      const mail = receipt && mailCall(vault, receipt, at);
      await access.write('escrow', verb, [lease.owner, lease.no, all, mail]);
    },
    async seen(verb, parcel, what, detail) {
      await access.write('parcelSeen', verb, [parcel, what, JSON.stringify(detail)]);
    },
    async replied(verb, parcel, mail) {
      const at = access.clock.now();
      const vault = await readyVault(access, mail.organization, at);
      await access.write('parcelReplied', verb, [parcel, mailCall(vault, mail, at)]);
    },
    async extend(verb, parcel, until, by) {
      await access.write('extendParcel', verb, [parcel, until, by.actor, await reasonBox(parcel, by)]);
    },
    async retract(verb, parcel, by) {
      await access.write('retractParcel', verb, [parcel, by.actor, await reasonBox(parcel, by)]);
    },
    async sweep(now, keep) {
      const rows: readonly GoneRow[] = await access.write('sweepParcels', '', [now, keep]);
      return rows.map(({ parcel, body }) => ({ parcel, body: JSON.parse(body) as BodyRef }));
    },
    async forgotten(parcel) {
      await access.write('forgetParcel', verbId(access), [parcel]);
    },
  };
}

type Sessions = Pick<Parcels, 'challenge' | 'tryCode' | 'openSession' | 'session' | 'touch' | 'closeSession'>;

function sessions(access: Access): Sessions {
  return {
    async challenge(verb, made, mail, bounds) {
      const limits = bounds.map(({ since, most }) => [since, most] as const);
      const { organization, parcel, expiresAt } = made;
      const at = access.clock.now();
      const call = mailCall(await readyVault(access, mail.organization, at), mail, at);
      const [id, locator, code] = [toOctets(made.id), toOctets(fromHex(made.locator)), toOctets(made.code)];
      return access.write('challenge', verb, [id, locator, organization, parcel, expiresAt, code, call, limits]);
    },
    async tryCode(verb, { id, locator, code, most }) {
      const call = [toOctets(id), toOctets(fromHex(locator)), toOctets(code), most] as const;
      const answer = await access.write('tryCode', verb, call);
      if (answer.kind !== 'right') return answer;
      const parcel = opened(access, answer.parcel);
      return parcel ? { kind: 'right', grant: grantFrom(answer.grant), parcel } : { kind: 'over' };
    },
    async openSession(verb, session, parcel) {
      const { organization, conversation, kind, madeAt, seenAt, expiresAt } = session;
      const [hash, key] = [toOctets(session.hash), toOctets(session.key)];
      const call = [hash, organization, conversation, kind, madeAt, seenAt, expiresAt, key, parcel] as const;
      await access.write('openSession', verb, call);
    },
    async session(hash) {
      const row = await access.read<SessionRow | null>('session', [Uint8Array.from(hash)]);
      return row && row.expires_at > access.clock.now() ? sessionFrom(row) : null;
    },
    async touch(hash, seenAt) {
      await access.write('touchSession', verbId(access), [toOctets(hash), seenAt]);
    },
    async closeSession(hash) {
      await access.write('closeSession', verbId(access), [toOctets(hash)]);
    },
  };
}

type Reading = Pick<Parcels, 'grant' | 'parcel' | 'ofConversation' | 'ofDelivery' | 'retractedSince' | 'list'>;

function reading(access: Access): Reading {
  const some = (rows: readonly ParcelRow[]) => rows.flatMap((row) => opened(access, row) ?? []);

  return {
    async grant(locator) {
      const row = await access.read<GrantRow | null>('grant', [fromHex(locator)]);
      return row && grantFrom(row);
    },
    async parcel(id) {
      const row = await access.read<ParcelRow | null>('parcel', [id]);
      return row && opened(access, row);
    },
    async ofConversation(conversation) {
      const parcels = some(await access.read<ParcelRow[]>('parcelsOfConversation', [conversation]));
      return parcels.filter((one) => one.conversation === conversation);
    },
    async ofDelivery(delivery: DeliveryId) {
      const row = await access.read<ParcelRow | null>('parcelOfDelivery', [delivery]);
      const parcel = row && opened(access, row);
      return parcel?.delivery === delivery ? parcel : null;
    },
    retractedSince: (since) => access.read<DeliveryId[]>('retractedSince', [since]),
    async list({ recipient, limit, ...what }) {
      const wanted = recipient === undefined ? null : normalAddress(recipient);
      const found: Parcel[] = [];
      let { before } = what;
      for (;;) {
        const page = wanted === null ? limit : PAGE;
        const call: ParcelList = { ...what, ...(before !== undefined && { before }), limit: page };
        const rows = await access.read<ParcelRow[]>('parcelList', call);
        for (const parcel of some(rows)) {
          if (found.length < limit && (wanted === null || normalAddress(parcel.recipient) === wanted))
            found.push(parcel);
        }
        before = rows.at(-1)?.id;
        if (wanted === null || rows.length < page || found.length >= limit || before === undefined) return found;
      }
    },
  };
}
