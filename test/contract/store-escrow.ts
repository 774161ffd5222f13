// Parcels for tests: the portal step of a leased transaction, and what tests do with its notices.

import { randomBytes } from 'node:crypto';
import type { DeliveryId, QueueId } from '../../src/domain/ids.ts';
import type { Grant, Parcel } from '../../src/domain/portal.ts';
import type { Action, NewMessage, Transaction } from '../../src/domain/types.ts';
import type { NewParcel } from '../../src/store/parcels/port.ts';
import { type Bench, DAY, decision, type Letter, letter, PORTAL, settlement, verb } from './store-bench.ts';

export const KEEP = 30 * DAY;
export const TWO_WAYS: Action = {
  kind: 'deliver',
  protections: [
    { name: 'portal', level: 'verify' },
    { name: 'portal', level: 'encrypt' },
  ],
};

export const name = () =>
  `${verb()
    .replace(/[^a-f]/g, 'q')
    .slice(0, 20)}aaaaaa`;

/** Mail of ours, decided. */
export function ours(b: Bench, origin: NewMessage['origin'], what: Letter): NewMessage {
  return letter(b.now, { from: '', sender: 'postmaster@gw.test', origin, decision: decision(), ...what });
}

export function grantOf(parcel: Parcel, kind: Grant['kind'], expiresAt = parcel.expiresAt): Grant {
  const { organization, conversation } = parcel;
  return { locator: verb(), organization, conversation, kind, expiresAt, box: randomBytes(92) };
}

/** Parcels of a leased transaction, with one sealed object for all of them. */
export function parcelsOf(b: Bench, { message, deliveries }: Transaction, what: Partial<Parcel> = {}): NewParcel[] {
  const object = verb();
  return deliveries.map((delivery) => {
    const body = { object, file: '1', offset: 9, length: 800, key: randomBytes(64).toString('base64url') };
    const parcel: Parcel = {
      ...{ id: name(), organization: message.organization, conversation: name(), delivery: delivery.id },
      ...{ state: 'waiting', body, size: 700, createdAt: b.now, expiresAt: b.now + 14 * DAY },
      ...{ openedAt: null, repliedAt: null, level: 'verify', recipient: delivery.recipient },
      ...{ sender: message.reversePath, from: 'Dr. Lee <lee@clinic.test>', messageId: '<1@clinic.test>' },
      ...what,
    };
    const grants = [grantOf(parcel, 'link'), grantOf(parcel, 'sender', parcel.expiresAt + KEEP)];
    const cause = { kind: 'notice of', key: `${delivery.id} ${delivery.attempts}` } as const;
    const notice = ours(b, 'notice', { organization: message.organization, to: [delivery.recipient], cause });
    return { parcel, grants, notice, step: delivery.step, because: 'portal: sealed, its notice is on its way' };
  });
}

export function receiptOf(b: Bench, { message, deliveries }: Transaction): NewMessage {
  const cause = { kind: 'receipt of', key: `${deliveries[0]!.id} ${deliveries[0]!.attempts}` } as const;
  return ours(b, 'receipt', { organization: message.organization, to: ['lee@clinic.test'], cause });
}

export type Escrowed = {
  readonly id: QueueId;
  readonly transaction: Transaction;
  readonly made: readonly NewParcel[];
  readonly receipt: NewMessage;
};

/** A message decided for the portal, leased and escrowed. */
export async function escrowed(b: Bench, what: Letter = {}, action: Action = PORTAL): Promise<Escrowed> {
  const id = await b.decided(what, action);
  const transaction = (await b.take()).find(({ message }) => message.id === id)!;
  return escrow(b, transaction);
}

export async function escrow(b: Bench, transaction: Transaction, what: Partial<Parcel> = {}): Promise<Escrowed> {
  const made = parcelsOf(b, transaction, what);
  const receipt = receiptOf(b, transaction);
  await b.opened.parcels.escrow(verb(), transaction.lease, made, receipt);
  return { id: transaction.message.id, transaction, made, receipt };
}

/** Leases the notice (the receipt stays leased beside it) and settles it. */
export async function settleNotice(
  b: Bench,
  { made }: Escrowed,
  state: 'delivered' | 'ready' | 'held' | 'bounced',
  index = 0,
): Promise<void> {
  const { notice, parcel } = made[index]!;
  const taken = (await b.take()).find(({ message }) => message.id === notice.id)!;
  await b.settle(taken.lease, { ...settlement(taken.deliveries[0]!.id, state, b.now), parent: parcel.delivery });
}

export const deliveryOf = async (b: Bench, id: DeliveryId) =>
  (await b.queue.message(id.slice(0, id.lastIndexOf('.')) as QueueId))!.deliveries.find((one) => one.id === id)!;
