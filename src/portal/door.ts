// Which organization a host belongs to, what a link's door shows, and whether it is open. Changes nothing.

import type { OrganizationName, Time } from '../domain/ids.ts';
import type { Grant, GrantKind, Parcel, ParcelState } from '../domain/portal.ts';
import { maskedAddress } from '../mail/sender.ts';
import { type Line, type OrganizationSettings, organizationOf } from '../relay/line.ts';
import type { Parcels } from '../store/parcels/port.ts';
import type { Door, Portal } from './portal.ts';
import { isToken, locatorOf } from './tokens.ts';

/** The form in which hosts are compared: lower case, no final dot, the port only where it is not the scheme's own. */
export function normalHost(host: string, scheme = 'https:'): string {
  // A URL would read more than a host out of other characters.
  if (!/^[\w.:[\]-]{1,260}$/.test(host)) return '';
  try {
    return new URL(`${scheme}//${host}`).host.replace(/\.(?=:|$)/, '');
  } catch {
    return '';
  }
}

function isHostOf({ portalUrl }: Pick<OrganizationSettings, 'portalUrl'>, host: string): boolean {
  const { protocol, host: own } = new URL(portalUrl);
  const asked = normalHost(host, protocol);
  return asked !== '' && asked === normalHost(own, protocol);
}

/** What a page without a link may say: of organizations that share a host, only what they have in common. */
export function hostView(line: Pick<Line, 'settings'>, host: string): ReturnType<Portal['host']> {
  const [first, ...others] = line.settings().organizations.filter((one) => isHostOf(one, host));
  if (first === undefined) return null;
  const { name, languages, phone, help } = first;
  if (others.length === 0) return { name, languages, phone, help };
  const all = [first, ...others];
  return {
    name: normalHost(host),
    languages: [...new Set(all.flatMap((one) => one.languages))],
    phone: all.every((one) => one.phone === phone) ? phone : null,
    help: all.every((one) => one.help === help) ? help : null,
  };
}

export type Found = {
  readonly organization: OrganizationSettings;
  readonly grant: Grant;
  readonly parcel: Parcel;
};

/** Null alike for what is no token, for one that nobody made, and on another host. */
export async function findDoor(
  line: Pick<Line, 'settings'>,
  parcels: Pick<Parcels, 'grant' | 'ofConversation'>,
  asked: { readonly host: string; readonly kind: GrantKind; readonly token: string },
): Promise<Found | null> {
  if (!isToken(asked.token)) return null;
  const grant = await parcels.grant(locatorOf(asked.token));
  if (grant === null || grant.kind !== asked.kind) return null;
  const organization = organizationAt(line, grant.organization, asked.host);
  if (organization === null) return null;
  const [parcel] = await parcels.ofConversation(grant.conversation);
  return parcel === undefined ? null : { organization, grant, parcel };
}

/** The organization, when that is a host of it. */
export function organizationAt(
  line: Pick<Line, 'settings'>,
  name: OrganizationName,
  host: string,
): OrganizationSettings | null {
  const organization = organizationOf(line, name);
  return organization !== undefined && isHostOf(organization, host) ? organization : null;
}

/** The state as it is now, also before the sweep writes it down. */
export function stateAt(parcel: Pick<Parcel, 'state' | 'expiresAt'>, now: Time): ParcelState {
  const { state } = parcel;
  const waits = state === 'waiting' || state === 'opened' || state === 'replied';
  return waits && parcel.expiresAt <= now ? 'expired' : state;
}

/** A recipient may read until it expires; its sender may extend it after that too. */
export function isOpen(kind: GrantKind, parcel: Pick<Parcel, 'state' | 'expiresAt'>, now: Time): boolean {
  const state = stateAt(parcel, now);
  if (state === 'retracted' || state === 'deleted') return false;
  return kind === 'sender' || state !== 'expired';
}

export function doorOf(kind: GrantKind, organization: OrganizationSettings, parcel: Parcel, now: Time): Door {
  const { name, languages, timeZone, phone, help } = organization;
  const mailbox = kind === 'link' ? parcel.recipient : (parcel.sender as Parcel['recipient']);
  return {
    kind,
    organization: { name, languages, timeZone, phone, help },
    from: parcel.from,
    masked: maskedAddress(mailbox),
    state: stateAt(parcel, now),
    expiresAt: parcel.expiresAt,
  };
}
