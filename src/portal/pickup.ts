// What a recipient does behind a code: read, take attachments, answer. The session's conversation key opens the parcel's
// data key for one job at a time; neither stays in memory longer. Every look is in the audit before it is shown.

import { createHash } from 'node:crypto';
import { KIND } from '../crypto/sealed.ts';
import { type Address, type Duration, messageOf } from '../domain/ids.ts';
import type { Parcel } from '../domain/portal.ts';
import { composeReply } from '../mail/notice.ts';
import type { OrganizationSettings } from '../relay/line.ts';
import { isStaff, newMessageId, toStaff, writeOwn } from '../relay/own-mail.ts';
import type { BodyHandle } from '../store/bodies/port.ts';
import { verbId } from '../store/queue/port.ts';
import type { PortalDeps } from './deps.ts';
import { type EndingBody, ending } from './ending.ts';
import type { Door, Pickup } from './portal.ts';
import { openDataKey } from './tokens.ts';
import type { Turns } from './turns.ts';

/** Characters of a reply. */
const REPLY_MAX = 20_000;
const REPLIES_A_DAY = 20;
const DAY: Duration = 86_400_000;

export type PickupPlace = {
  readonly organization: OrganizationSettings;
  readonly parcel: Parcel;
  readonly door: Door;
  /** The conversation key, anew at every call; the caller overwrites it. Throws VaultError. */
  readonly key: () => Uint8Array;
  readonly inTurn: Turns;
};

export function createPickup(deps: PortalDeps, place: PickupPlace): Pickup {
  const { parcel, door } = place;
  return {
    kind: 'link',
    door,
    parcel: parcel.id,
    view: async () => {
      const { date, ...rendered } = await withBody(deps, place, deps.render);
      await deps.parcels.seen(verbId(deps.line), parcel.id, 'viewed', {});
      return { ...rendered, date: date ?? parcel.createdAt };
    },
    html: async () => (await withBody(deps, place, deps.render)).html,
    attachment: (part) => takeAttachment(deps, place, part),
    reply: (text, once) => place.inTurn(parcel.id, () => reply(deps, place, text, once)),
  };
}

function openBody({ line }: PortalDeps, { parcel, key }: PickupPlace): BodyHandle {
  const conversationKey = key();
  try {
    const dataKey = openDataKey(conversationKey, parcel);
    return line.bodies.handleWith(parcel.organization, parcel.body, dataKey, KIND.parcel);
  } finally {
    conversationKey.fill(0);
  }
}

async function withBody<T>(deps: PortalDeps, place: PickupPlace, work: (body: BodyHandle) => Promise<T>): Promise<T> {
  const body = openBody(deps, place);
  try {
    return await work(body);
  } finally {
    body.dataKey.fill(0);
  }
}

async function takeAttachment(deps: PortalDeps, place: PickupPlace, part: number): ReturnType<Pickup['attachment']> {
  const { parcel } = place;
  const body = openBody(deps, place);
  let taken: EndingBody | null = null;
  let given = false;
  try {
    const found = await deps.attachment(body, part, parcel.recipient);
    if (found === null) return null;
    const { view } = found;
    taken = ending(found.body, () => body.dataKey.fill(0));
    await deps.parcels.seen(verbId(deps.line), parcel.id, 'downloaded', { part, size: view.size });
    given = true;
    return { view, body: taken };
  } finally {
    if (!given) {
      await taken?.return();
      body.dataKey.fill(0);
    }
  }
}

// ── replies ──

async function reply(deps: PortalDeps, place: PickupPlace, given: string, once: string): ReturnType<Pickup['reply']> {
  const { line, parcels } = deps;
  const { organization, parcel } = place;
  const text = given.replace(/\r\n?/g, '\n').trim();
  if (text === '') return 'empty';
  if (text.length > REPLY_MAX) return 'too long';
  const sender = parcel.sender as Address;
  if (sender === '' || !isStaff(sender, organization)) return 'no sender';
  if ((await repliesOfToday(deps, parcel)) >= REPLIES_A_DAY) return 'too many';
  const found = await line.queue.message(messageOf(parcel.delivery));
  const composed = await composeReply({
    hostname: line.settings().hostname,
    organization,
    to: sender,
    date: line.clock.now(),
    messageId: newMessageId(line),
    recipient: parcel.recipient,
    subject: found?.message.examination?.subject ?? '',
    inReplyTo: parcel.messageId,
    text,
  });
  const name = createHash('sha256').update(`${parcel.id} ${once}`).digest('hex').slice(0, 32);
  const { message, durable } = await writeOwn(line, {
    to: [toStaff(organization, sender)],
    organization: organization.name,
    origin: 'reply',
    cause: { kind: 'reply to', key: `${parcel.id} ${name}` },
    parent: messageOf(parcel.delivery),
    text: composed,
    expiresAt: line.clock.now() + line.settings().lifetime,
  });
  await durable;
  // The same form posted twice is the same call.
  await parcels.replied(name, parcel.id, message);
  line.wake('deliver');
  return 'sent';
}

async function repliesOfToday({ line, audit }: PortalDeps, parcel: Parcel): Promise<number> {
  const since = line.clock.now() - DAY;
  const entries = await audit.trace(messageOf(parcel.delivery));
  return entries.filter(
    ({ event, delivery, at }) => event === 'portal.replied' && delivery === parcel.delivery && at > since,
  ).length;
}
