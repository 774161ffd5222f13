// What opens a parcel: tokens in links, cookies of sessions, and the keys derived from them (src/README.md, "Tokens and
// parcels"). Neither token nor cookie is kept: a row holds what is derived, so that files and master key together open
// no parcel. Pure but for randomness; logs nothing; key bytes are overwritten once they are used.

import { createHash } from 'node:crypto';
import { base32, tokenOctets } from '../crypto/base32.ts';
import { boxKey, makeBox, openBox } from '../crypto/box.ts';
import { deriver, hkdf } from '../crypto/derive.ts';
import type { BoxPlace, Vault } from '../crypto/vault.ts';
import type { OrganizationName } from '../domain/ids.ts';
import type { Grant, Parcel } from '../domain/portal.ts';
import type { Random } from '../domain/types.ts';
import { grantPlace } from '../store/parcels/port.ts';

const TOKEN = /^[a-z2-7]{32}$/;
const COOKIE = /^[A-Za-z0-9_-]{43}$/;
const KEY = 32;
const NONCE = 12;

/** 32 characters `a-z2-7` of 20 random octets. It opens its grant and stands in no row. */
export function newToken(random: Random): string {
  const bytes = random.bytes(20);
  const token = base32(bytes);
  bytes.fill(0);
  return token;
}

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** 26 characters `a-z2-7`, 130 random bits: name of a parcel or conversation, no secret. */
export function newId(random: Random): string {
  return base32(random.bytes(17)).slice(0, 26);
}

/** 16 octets as hex: under which a token's grant is found. */
export function locatorOf(token: string): string {
  const secret = octetsOf(token);
  const locator = hkdf(secret, 'sealrelay/1 locator').toString('hex', 0, 16);
  secret.fill(0);
  return locator;
}

/** A conversation key, or a data key: 32 octets. The caller overwrites them. */
export function newKey(random: Random): Uint8Array {
  return random.bytes(KEY);
}

/** The grant of `token`: the conversation key under what is derived from the token, and that under the organization key. */
export function makeGrant(
  vault: Pick<Vault, 'wrap'>,
  random: Random,
  what: Omit<Grant, 'locator' | 'box'>,
  token: string,
  conversationKey: Uint8Array,
): Grant {
  const secret = octetsOf(token);
  const derive = deriver(secret);
  secret.fill(0);
  const locator = derive('sealrelay/1 locator').toString('hex', 0, 16);
  const grant = { ...what, locator };
  const inner = makeBox(innerKey(derive, grant), innerPlace(grant), conversationKey, random.bytes(NONCE));
  return { ...grant, box: vault.wrap(grantPlace(grant), inner) };
}

/** The conversation key. Throws VaultError when the grant is not this token's, or was changed. */
export function openGrant(vault: Pick<Vault, 'open'>, grant: Grant, token: string): Uint8Array {
  const secret = octetsOf(token);
  const derive = deriver(secret);
  secret.fill(0);
  return openBox(innerKey(derive, grant), innerPlace(grant), vault.open(grantPlace(grant), grant.box));
}

function innerKey(derive: (info: string) => Buffer, { kind }: Pick<Grant, 'kind'>) {
  const bytes = derive(`sealrelay/1 grant ${kind}`);
  const key = boxKey(bytes);
  bytes.fill(0);
  return key;
}

/** Bound to the conversation, so that a grant that is moved to another one opens nothing. */
function innerPlace(grant: Pick<Grant, 'organization' | 'locator' | 'conversation'>): BoxPlace {
  const { organization, locator, conversation } = grant;
  return { organization, table: 'access_grant', row: `${locator} ${conversation}`, column: 'inner' };
}

// ── data keys ──

type ParcelPlace = Pick<Parcel, 'id' | 'organization'>;

/** The box of a parcel's data key under its conversation key; `object`: 32 hex. */
export function sealDataKey(
  random: Random,
  conversationKey: Uint8Array,
  parcel: ParcelPlace,
  object: string,
  dataKey: Uint8Array,
): Uint8Array {
  return makeBox(boxKey(conversationKey), dataKeyPlace(parcel, object), dataKey, random.bytes(NONCE));
}

/** Throws VaultError when it is not the key of this parcel and object. */
export function openDataKey(conversationKey: Uint8Array, parcel: ParcelPlace & Pick<Parcel, 'body'>): Uint8Array {
  const box = Buffer.from(parcel.body.key, 'base64url');
  return openBox(boxKey(conversationKey), dataKeyPlace(parcel, parcel.body.object), box);
}

function dataKeyPlace({ id, organization }: ParcelPlace, object: string): BoxPlace {
  return { organization, table: 'parcel', row: `${id} ${object}`, column: 'key' };
}

// ── sessions ──

type SessionPlace = { readonly organization: OrganizationName; readonly conversation: string };

/** A new cookie, what finds its session, and the conversation key under it. */
export function makeSession(
  random: Random,
  place: SessionPlace,
  conversationKey: Uint8Array,
): { readonly cookie: string; readonly hash: Uint8Array; readonly key: Uint8Array } {
  const bytes = random.bytes(KEY);
  const hash = createHash('sha256').update(bytes).digest();
  const key = makeBox(cookieKey(bytes), sessionPlace(place, hash), conversationKey, random.bytes(NONCE));
  const cookie = Buffer.from(bytes).toString('base64url');
  bytes.fill(0);
  return { cookie, hash, key };
}

/** SHA-256 of the cookie's 32 octets; null when it is none. */
export function sessionHash(cookie: string): Uint8Array | null {
  if (!COOKIE.test(cookie)) return null;
  const bytes = Buffer.from(cookie, 'base64url');
  const hash = createHash('sha256').update(bytes).digest();
  bytes.fill(0);
  return hash;
}

/** The conversation key of a session. Throws VaultError. */
export function openSessionKey(
  cookie: string,
  session: SessionPlace & { readonly hash: Uint8Array; readonly key: Uint8Array },
): Uint8Array {
  const bytes = Buffer.from(cookie, 'base64url');
  const key = cookieKey(bytes);
  bytes.fill(0);
  return openBox(key, sessionPlace(session, session.hash), session.key);
}

function cookieKey(cookie: Uint8Array) {
  const bytes = hkdf(cookie, 'sealrelay/1 session');
  const key = boxKey(bytes);
  bytes.fill(0);
  return key;
}

function sessionPlace({ organization, conversation }: SessionPlace, hash: Uint8Array): BoxPlace {
  const row = `${Buffer.from(hash).toString('hex')} ${conversation}`;
  return { organization, table: 'portal_session', row, column: 'key' };
}

function octetsOf(token: string): Buffer {
  const octets = tokenOctets(token);
  if (octets === null) throw new Error('this is no token');
  return octets;
}
