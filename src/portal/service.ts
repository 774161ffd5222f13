// The portal behind its pages: doors, codes and sessions over the parcels of the store (src/README.md, "Tokens and parcels").
// A door says the same of every link that is none, and only on its organization's host; looking changes nothing. Codes
// are compared by the store, after the try was counted. Logs queue ids only; holds no key between two calls.

import { randomInt } from 'node:crypto';
import { type Address, type Duration, messageOf } from '../domain/ids.ts';
import type { Grant, GrantKind, Language } from '../domain/portal.ts';
import { composeCode } from '../mail/notice.ts';
import { newMessageId, toRecipient, toStaff, writeOwn } from '../relay/own-mail.ts';
import { verbId } from '../store/queue/port.ts';
import type { PortalDeps } from './deps.ts';
import { createDesk } from './desk.ts';
import { doorOf, type Found, findDoor, hostView, isOpen, organizationAt } from './door.ts';
import { createPickup } from './pickup.ts';
import type { CodeSent, Desk, Entered, Pickup, Portal } from './portal.ts';
import { makeSession, openGrant, openSessionKey, sessionHash } from './tokens.ts';
import { createTurns, type Turns } from './turns.ts';
import { referenceWord } from './words.ts';

const MINUTE: Duration = 60_000;
const HOUR: Duration = 60 * MINUTE;
const DAY: Duration = 24 * HOUR - MINUTE;
const CODE_LIVES = 15 * MINUTE;
/** Fewer a day than an hour's would add up to: who has a link and not the mailbox guesses for as long as it lives. */
const CODES_AN_HOUR = 3;
const CODES_A_DAY = 10;
const TRIES = 5;
/** A session ends so long after its last use, and so long after it began. */
const IDLE = 15 * MINUTE;
const SESSION = 8 * HOUR;
/** A use sooner after the last one is not written down. */
const TOUCH_AFTER = MINUTE;

export function createPortal(deps: PortalDeps): Portal {
  const { line, parcels } = deps;
  const inTurn = createTurns();
  const find = (host: string, kind: GrantKind, token: string) => findDoor(line, parcels, { host, kind, token });
  /** What a code may be asked for and entered at. */
  const findOpen = async (host: string, kind: GrantKind, token: string) => {
    const found = await find(host, kind, token);
    return found !== null && isOpen(kind, found.parcel, line.clock.now()) ? found : null;
  };
  return {
    door: async (host, kind, token) => {
      const found = await find(host, kind, token);
      return found === null ? null : doorOf(kind, found.organization, found.parcel, line.clock.now());
    },
    sendCode: async (host, kind, token, language) => {
      const found = await findOpen(host, kind, token);
      return found === null ? { kind: 'closed' } : sendCode(deps, found, language);
    },
    enter: async (host, kind, token, challenge, code) => {
      const found = await findOpen(host, kind, token);
      return found === null ? { kind: 'closed' } : enter(deps, found, token, challenge, code);
    },
    session: (host, parcel, cookie) => session(deps, inTurn, host, parcel, cookie),
    leave: async (_, cookie) => {
      const hash = sessionHash(cookie);
      if (hash !== null) await parcels.closeSession(hash);
    },
    host: (host) => hostView(line, host),
  };
}

/** Writes the mail first: the challenge that it belongs to is committed with it. */
async function sendCode(deps: PortalDeps, found: Found, language: Language): Promise<CodeSent> {
  const { line, parcels, vault, random } = deps;
  const { organization, grant, parcel } = found;
  const now = line.clock.now();
  const id = random.bytes(16);
  const code = String(randomInt(1_000_000)).padStart(6, '0');
  const word = referenceWord();
  const to =
    grant.kind === 'link'
      ? toRecipient(line, parcel.recipient, parcel.level)
      : toStaff(organization, parcel.sender as Address);
  const text = await composeCode({
    hostname: line.settings().hostname,
    organization,
    to: to.recipient,
    date: now,
    messageId: newMessageId(line),
    ...{ code, word, lives: CODE_LIVES },
    language: organization.languages.includes(language) ? language : (organization.languages[0] ?? 'en'),
  });
  const until = now + CODE_LIVES;
  const { message, durable } = await writeOwn(line, {
    to: [to],
    organization: organization.name,
    origin: 'code',
    cause: { kind: 'code of', key: Buffer.from(id).toString('hex') },
    parent: messageOf(parcel.delivery),
    text,
    // A later one would be of no use.
    expiresAt: until,
  });
  await durable;
  const made = await parcels.challenge(
    verbId(line),
    {
      id,
      locator: grant.locator,
      organization: organization.name,
      expiresAt: until,
      code: vault.code(organization.name, atLink(id, grant), code),
      parcel: parcel.id,
    },
    message,
    [
      { since: now - HOUR, most: CODES_AN_HOUR },
      { since: now - DAY, most: CODES_A_DAY },
    ],
  );
  if (made === 'too many') {
    await line.bodies.remove(message.body);
    return { kind: 'too many' };
  }
  line.log.info({ queueId: message.id, organization: organization.name }, 'a code was sent');
  line.wake('deliver');
  return { kind: 'sent', challenge: Buffer.from(id).toString('base64url'), word, until };
}

/** What a code belongs to: its challenge at that link, so that who moves the row to another link opens nothing there. */
function atLink(challenge: Uint8Array, { locator }: Pick<Grant, 'locator'>): Uint8Array {
  return Buffer.concat([challenge, Buffer.from(locator, 'hex')]);
}

async function enter(
  { line, parcels, vault, random }: PortalDeps,
  { grant }: Found,
  token: string,
  challenge: string,
  given: string,
): Promise<Entered> {
  if (!/^[A-Za-z0-9_-]{22}$/.test(challenge)) return { kind: 'over' };
  const id = Buffer.from(challenge, 'base64url');
  // People copy it with the space in its middle.
  const code = vault.code(grant.organization, atLink(id, grant), given.slice(0, 100).replace(/\D/g, ''));
  const tried = await parcels.tryCode(verbId(line), { id, locator: grant.locator, code, most: TRIES });
  if (tried.kind !== 'right') return tried;
  const { organization, conversation, kind } = tried.grant;
  const now = line.clock.now();
  const key = openGrant(vault, tried.grant, token);
  const made = makeSession(random, { organization, conversation }, key);
  key.fill(0);
  const times = { madeAt: now, seenAt: now, expiresAt: now + SESSION };
  const row = { ...times, organization, conversation, kind, hash: made.hash, key: made.key };
  await parcels.openSession(verbId(line), row, tried.parcel.id);
  return { kind: 'in', parcel: tried.parcel.id, cookie: made.cookie, maxAge: SESSION / 1_000 };
}

async function session(
  deps: PortalDeps,
  inTurn: Turns,
  host: string,
  id: string,
  cookie: string,
): Promise<Pickup | Desk | null> {
  const { line, parcels } = deps;
  const hash = sessionHash(cookie);
  const row = hash === null ? null : await parcels.session(hash);
  const now = line.clock.now();
  if (row === null || row.expiresAt <= now || row.seenAt + IDLE <= now) return null;
  const organization = organizationAt(line, row.organization, host);
  const parcel = organization === null ? null : await parcels.parcel(id);
  if (organization === null || parcel === null || parcel.conversation !== row.conversation) return null;
  if (!isOpen(row.kind, parcel, now)) return null;
  if (now - row.seenAt >= TOUCH_AFTER) await parcels.touch(row.hash, now);
  const door = doorOf(row.kind, organization, parcel, now);
  if (row.kind === 'sender') return createDesk(deps, parcel, door);
  return createPickup(deps, { organization, parcel, door, inTurn, key: () => openSessionKey(cookie, row) });
}
