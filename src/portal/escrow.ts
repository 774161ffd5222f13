// The portal step of a delivery: the message is sealed once for all recipients of the transaction, under a key that only
// their conversations open; each gets a notice with a link, the sender one receipt. All bodies are durable before one
// verb lets parcels, grants and mails come to be. What was written when something fails is left to the sweep of orphans.
// Holds no more of a message than its header section and a chunk. Logs nothing.

import { KIND } from '../crypto/sealed.ts';
import type { Vault } from '../crypto/vault.ts';
import type { Address, Time } from '../domain/ids.ts';
import type { Grant, Parcel } from '../domain/portal.ts';
import type { BodyRef, Delivery, Level, NewMessage, Random, Transaction } from '../domain/types.ts';
import { fieldValue, HEADER_MAX, headerEnd, parseHeader } from '../mail/header.ts';
import { composeNotice, composeReceipt } from '../mail/notice.ts';
import { shownSender } from '../mail/sender.ts';
import { type Line, type OrganizationSettings, organizationOf } from '../relay/line.ts';
import { outgoing } from '../relay/outgoing.ts';
import { isStaff, newMessageId, toRecipient, toStaff, writeOwn } from '../relay/own-mail.ts';
import type { NewParcel, Parcels } from '../store/parcels/port.ts';
import { verbId } from '../store/queue/port.ts';
import { ON_ITS_WAY } from '../store/queue/rows.ts';
import { makeGrant, newId, newKey, newToken, sealDataKey } from './tokens.ts';

export type EscrowDeps = {
  readonly line: Line;
  readonly parcels: Pick<Parcels, 'escrow'>;
  readonly vault: Pick<Vault, 'wrap'>;
  /** Makes keys and tokens: not the line's, which serves ids. */
  readonly random: Random;
};

/** A parcel that is being made. */
type Making = {
  readonly delivery: Delivery;
  readonly id: string;
  readonly conversation: string;
  readonly conversationKey: Uint8Array;
  readonly link: string;
  readonly sender: string;
};
type Frame = {
  readonly organization: OrganizationSettings;
  /** Who gets receipt and replies; null: nobody. */
  readonly sender: Address | null;
  readonly level: Level;
  readonly now: Time;
  readonly expiresAt: Time;
  /** When a sender can do no more with it. */
  readonly endsAt: Time;
};

/** Resolves when the deliveries are `noticing`. Rejects with BodyError `missing` or `corrupt` when the message does not open,
 *  `full` or `failed` when the parcel cannot be written, QueueError when the lease is outdated. */
export function createEscrow(deps: EscrowDeps): Line['escrow'] {
  return async (transaction, level, passed = []) => {
    const { line, random } = deps;
    const frame = frameOf(line, transaction, level);
    await line.ready(frame.organization.name);
    const makings = transaction.deliveries.map(
      (delivery): Making => ({
        delivery,
        id: newId(random),
        conversation: newId(random),
        conversationKey: newKey(random),
        link: newToken(random),
        sender: newToken(random),
      }),
    );
    try {
      await escrow(deps, transaction, frame, makings, passed);
    } finally {
      for (const { conversationKey } of makings) conversationKey.fill(0);
    }
  };
}

function frameOf(line: Line, { message }: Transaction, level: Level): Frame {
  const { portal } = line.settings();
  const organization = organizationOf(line, message.organization);
  if (portal === null) throw new Error('there is no portal');
  if (organization === undefined) throw new Error('the organization is no longer configured');
  const now = line.clock.now();
  const expiresAt = now + portal.expires;
  const address = message.reversePath as Address;
  // Mail of ours goes only to an address of the proven organization.
  const sender = address !== '' && isStaff(address, organization) ? address : null;
  return { organization, sender, level, now, expiresAt, endsAt: expiresAt + portal.keep };
}

async function escrow(
  deps: EscrowDeps,
  transaction: Transaction,
  frame: Frame,
  makings: readonly Making[],
  passed: readonly (readonly string[])[],
): Promise<void> {
  const { line } = deps;
  const sealed = await sealParcel(deps, transaction, makings);
  const waiting: Promise<void>[] = [];
  const made: NewParcel[] = [];
  for (const [i, making] of makings.entries()) {
    const parcel = parcelOf(transaction, frame, making, sealed, sealed.bodies[i] as BodyRef);
    const notice = await writeNotice(line, transaction, frame, making, sealed.from);
    waiting.push(notice.durable);
    made.push({
      parcel,
      grants: grantsOf(deps, frame, making),
      notice: notice.message,
      step: making.delivery.step,
      because: [...(passed[i] ?? []), ON_ITS_WAY].join(' → '),
    });
  }
  let receipt: NewMessage | null = null;
  if (frame.sender !== null) {
    const written = await writeReceipt(line, transaction, frame, makings, frame.sender);
    waiting.push(written.durable);
    receipt = written.message;
  }
  await Promise.all(waiting);
  await deps.parcels.escrow(verbId(line), transaction.lease, made, receipt);
}

// ── the sealed message ──

type Sealed = {
  /** One for each parcel: the same object, the key under each conversation's. */
  readonly bodies: readonly BodyRef[];
  readonly size: number;
  /** The sender as header From shows it. */
  readonly from: string;
};

/** Streams the message as it would leave into one sealed object. */
async function sealParcel(
  { line, random }: EscrowDeps,
  { message, deliveries }: Transaction,
  makings: readonly Making[],
): Promise<Sealed> {
  const { organization } = message;
  const mail = outgoing(line, message, deliveries);
  const object = line.bodies.newObject();
  const dataKey = newKey(random);
  const boxes = makings.map(({ id, conversationKey }) =>
    sealDataKey(random, conversationKey, { id, organization }, object, dataKey),
  );
  const seal = { object, kind: KIND.parcel, dataKey, box: boxes[0] as Uint8Array };
  const writer = line.bodies.create(organization, mail.size, seal);
  dataKey.fill(0);
  const head = headReader();
  try {
    for await (const chunk of mail.open()) {
      head.push(chunk);
      await writer.write(chunk);
    }
  } catch (error) {
    await writer.abort();
    throw error;
  }
  const written = writer.end(Buffer.from(JSON.stringify({ parcels: makings.map(({ id }) => id) })));
  await written.durable;
  return {
    bodies: boxes.map((box) => ({ ...written.ref, key: Buffer.from(box).toString('base64url') })),
    size: written.size,
    from: shownFrom(head.section(), message.sender[0] ?? (message.reversePath as Address)),
  };
}

/** Keeps what comes up to the end of the header section. */
function headReader(): { push: (chunk: Uint8Array) => void; section: () => Buffer } {
  let bytes = Buffer.alloc(0);
  let ended = false;
  return {
    push: (chunk) => {
      if (ended) return;
      const searched = bytes.length;
      bytes = Buffer.concat([bytes, chunk]);
      ended = headerEnd(bytes, searched) >= 0 || bytes.length > HEADER_MAX;
    },
    section: () => bytes,
  };
}

function shownFrom(section: Buffer, address: Address): string {
  return shownSender(fieldValue(parseHeader(section), 'from') ?? '', address);
}

// ── rows ──

function parcelOf(
  { message }: Transaction,
  frame: Frame,
  { id, conversation, delivery }: Making,
  { size, from }: Sealed,
  body: BodyRef,
): Parcel {
  return {
    ...{ id, conversation, body, size, from },
    organization: message.organization,
    delivery: delivery.id,
    state: 'waiting',
    createdAt: frame.now,
    expiresAt: frame.expiresAt,
    openedAt: null,
    repliedAt: null,
    level: frame.level,
    recipient: delivery.recipient,
    sender: frame.sender ?? '',
    messageId: message.examination?.messageId ?? '',
  };
}

/** None for a sender whom no receipt tells of it. */
function grantsOf({ vault, random }: EscrowDeps, frame: Frame, making: Making): readonly Grant[] {
  const { conversation, conversationKey } = making;
  const organization = frame.organization.name;
  const link = { organization, conversation, kind: 'link', expiresAt: frame.expiresAt } as const;
  const sender = { organization, conversation, kind: 'sender', expiresAt: frame.endsAt } as const;
  const forRecipient = makeGrant(vault, random, link, making.link, conversationKey);
  if (frame.sender === null) return [forRecipient];
  return [forRecipient, makeGrant(vault, random, sender, making.sender, conversationKey)];
}

// ── mails ──

async function writeNotice(
  line: Line,
  { message }: Transaction,
  frame: Frame,
  { delivery, link }: Making,
  from: string,
): ReturnType<typeof writeOwn> {
  const { organization, expiresAt } = frame;
  const text = await composeNotice({
    hostname: line.settings().hostname,
    organization,
    to: delivery.recipient,
    date: frame.now,
    messageId: newMessageId(line),
    from,
    token: link,
    expiresAt,
  });
  return writeOwn(line, {
    to: [toRecipient(line, delivery.recipient, frame.level)],
    organization: organization.name,
    origin: 'notice',
    // Each escrow of the delivery has a notice of its own, which bears its own link.
    cause: { kind: 'notice of', key: `${delivery.id} ${delivery.attempts}` },
    parent: message.id,
    text,
    expiresAt: delivery.expiresAt,
  });
}

async function writeReceipt(
  line: Line,
  { message, deliveries }: Transaction,
  frame: Frame,
  makings: readonly Making[],
  to: Address,
): ReturnType<typeof writeOwn> {
  const { organization, expiresAt } = frame;
  const settings = line.settings();
  const first = deliveries[0] as Delivery;
  const text = await composeReceipt({
    hostname: settings.hostname,
    organization,
    to,
    date: frame.now,
    messageId: newMessageId(line),
    message: {
      queueId: message.id,
      messageId: message.examination?.messageId ?? '',
      acceptedAt: message.acceptedAt,
    },
    parcels: makings.map(({ delivery, sender }) => ({ recipient: delivery.recipient, token: sender, expiresAt })),
  });
  return writeOwn(line, {
    to: [toStaff(organization, to)],
    organization: organization.name,
    origin: 'receipt',
    cause: { kind: 'receipt of', key: `${first.id} ${first.attempts}` },
    parent: message.id,
    text,
    expiresAt: frame.now + settings.lifetime,
  });
}
