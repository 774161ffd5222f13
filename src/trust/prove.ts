// Which organization a message comes from, by evidence: pure over the facts of the connection, header From and envelope.
// A factor (a network, a login; later client certificate, header secret) names the organizations that it speaks for;
// header From and a non-empty reverse-path must then belong to one of them (P8). A network that others share only makes
// candidates, which DKIM has to prove (shared.ts). A refusal names the factor that failed, never an organization.

import { type Address, domainOf, normalAddress, type OrganizationName } from '../domain/ids.ts';
import type { Priority, Reply } from '../domain/types.ts';
import { addressOctets, contains, type Network, parseNetwork } from './networks.ts';

export type Connection = { readonly ip: string; readonly listener: 'smtp' | 'submit'; readonly login?: string };
export type TrustedOrganization = {
  readonly name: OrganizationName;
  readonly domains: readonly string[];
  readonly networks: readonly Network[];
  /** Networks that others share, and the d= of signatures that prove which of them it is. */
  readonly shared: { readonly networks: readonly Network[]; readonly dkim: readonly string[] } | null;
};
/** What is known of the login that SMTP AUTH proved. */
export type LoginFacts = {
  readonly organization: OrganizationName;
  /** Addresses, or `@domain` for a whole domain. */
  readonly from: readonly string[];
  readonly priority: Priority;
};

export type Proven = {
  readonly organization: OrganizationName;
  readonly proof: readonly string[];
  readonly priority: Priority;
};
/** Proven when a signature says so too. */
export type Candidate = {
  readonly organization: OrganizationName;
  readonly priority: Priority;
  readonly needs: 'DKIM';
};
export type Unproven = { readonly refused: Reply; readonly because: string };

/** A factor's answer: organizations it speaks for, which senders each may use, and the evidence in words. */
type Claim = {
  readonly organization: OrganizationName;
  readonly allows: (address: string) => boolean;
  readonly words: string;
  readonly priority: Priority;
  readonly needs?: 'DKIM';
};

export function refused(text: string, because: string): Unproven {
  return { refused: { code: 550, enhanced: '5.7.1', text }, because };
}

export function trustedOrganization(given: {
  readonly name: OrganizationName;
  readonly domains: readonly string[];
  readonly from: {
    readonly networks: readonly Written[];
    readonly shared?: { readonly networks: readonly Written[]; readonly dkim: readonly string[] };
  };
}): TrustedOrganization {
  const { networks, shared } = given.from;
  return {
    name: given.name,
    domains: given.domains,
    networks: parsed(networks),
    shared: shared === undefined ? null : { networks: parsed(shared.networks), dkim: shared.dkim },
  };
}

type Written = { readonly text: string };

function parsed(networks: readonly Written[]): Network[] {
  return networks.map(({ text }) => parseNetwork(text)).filter((one) => one !== null);
}

export function prove(
  connection: Connection,
  from: readonly Address[],
  reversePath: string,
  organizations: readonly TrustedOrganization[],
  login: LoginFacts | null,
): Proven | Candidate | Unproven {
  const claims =
    connection.listener === 'submit' ? byLogin(login, organizations) : byNetwork(connection, organizations);
  if (claims.length === 0) return unclaimed(connection);
  if (from.length === 0) return refused('Header From is missing or not one that can be proven', 'header From');
  const fitting = claims.filter(({ allows }) => from.every(allows));
  if (fitting.length === 0) return refused('Header From is not a sender of this connection', 'header From');
  const proven = fitting.filter(({ allows }) => reversePath === '' || allows(reversePath));
  if (proven.length === 0) return refused('The reverse-path is not a sender of this connection', 'reverse-path');
  const [one, ...others] = proven;
  if (one === undefined || others.length > 0) return refused('The sender is not unambiguous', 'ambiguous');
  const { organization, priority, needs, words } = one;
  if (needs !== undefined) return { organization, priority, needs };
  return { organization, proof: [words, SENDERS], priority };
}

/** What header From and the reverse-path prove. */
export const SENDERS = 'header From and reverse-path';

/** The organizations that share the network of that connection with others. */
export function sharing(connection: Connection, organizations: readonly TrustedOrganization[]): TrustedOrganization[] {
  const those = organizations.filter(({ shared }) => shared !== null);
  const octets = those.length === 0 || connection.listener === 'submit' ? null : addressOctets(connection.ip);
  return octets === null ? [] : those.filter(({ shared }) => shared?.networks.some((one) => contains(one, octets)));
}

/** Whether anything at all speaks for the connection: refuses at MAIL what no data could prove. */
export function sieve(connection: Connection, organizations: readonly TrustedOrganization[]): Unproven | null {
  if (connection.listener === 'submit') return connection.login === undefined ? unclaimed(connection) : null;
  return byNetwork(connection, organizations).length > 0 ? null : unclaimed(connection);
}

function unclaimed(connection: Connection): Unproven {
  return connection.listener === 'submit'
    ? refused('This login may not send', 'login')
    : refused('Relaying from this address is not permitted', 'network');
}

function byLogin(login: LoginFacts | null, organizations: readonly TrustedOrganization[]): Claim[] {
  const organization = organizations.find((one) => one.name === login?.organization);
  if (login === null || organization === undefined) return [];
  const list = login.from.map(normalAddress);
  const allows = (address: string): boolean => {
    const normal = normalAddress(address);
    const domain = domainOf(normal as Address);
    return organization.domains.includes(domain) && (list.includes(normal) || list.includes(`@${domain}`));
  };
  return [{ organization: login.organization, allows, words: 'SMTP AUTH', priority: login.priority }];
}

function byNetwork(connection: Connection, organizations: readonly TrustedOrganization[]): Claim[] {
  const octets = addressOctets(connection.ip);
  if (octets === null) return [];
  const claim = ({ name, domains }: TrustedOrganization, words: string) => ({
    organization: name,
    allows: (address: string) => domains.includes(domainOf(normalAddress(address) as Address)),
    words,
    priority: 'normal' as const,
  });
  const sharers = sharing(connection, organizations);
  // What others share proves nothing, whoever calls it its own too.
  if (sharers.length > 0) return sharers.map((one) => ({ ...claim(one, 'shared network'), needs: 'DKIM' }));
  const owners = organizations.filter((one) => one.networks.some((network) => contains(network, octets)));
  return owners.map((one) => claim(one, 'network'));
}
