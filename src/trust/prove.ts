// Which organization a message comes from, by evidence: pure over the facts of the connection, header From and envelope.
// A factor (a network, a login; later DKIM, client certificate, header secret) names the organizations that it speaks for;
// header From and a non-empty reverse-path must then belong to one of them (P8). A refusal names the factor that failed,
// never an organization.

import { type Address, domainOf, normalAddress, type OrganizationName } from '../domain/ids.ts';
import type { Priority, Reply } from '../domain/types.ts';
import { addressOctets, contains, type Network, parseNetwork } from './networks.ts';

export type Connection = { readonly ip: string; readonly listener: 'smtp' | 'submit'; readonly login?: string };
export type TrustedOrganization = {
  readonly name: OrganizationName;
  readonly domains: readonly string[];
  readonly networks: readonly Network[];
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
export type Unproven = { readonly refused: Reply; readonly because: string };

/** A factor's answer: organizations it speaks for, which senders each may use, and the evidence in words. */
type Claim = {
  readonly organization: OrganizationName;
  readonly allows: (address: string) => boolean;
  readonly words: string;
  readonly priority: Priority;
};

function refused(text: string, because: string): Unproven {
  return { refused: { code: 550, enhanced: '5.7.1', text }, because };
}

export function trustedOrganization(given: {
  readonly name: OrganizationName;
  readonly domains: readonly string[];
  readonly from: { readonly networks: readonly { readonly text: string }[] };
}): TrustedOrganization {
  const networks = given.from.networks.map(({ text }) => parseNetwork(text)).filter((one) => one !== null);
  return { name: given.name, domains: given.domains, networks };
}

export function prove(
  connection: Connection,
  from: readonly Address[],
  reversePath: string,
  organizations: readonly TrustedOrganization[],
  login: LoginFacts | null,
): Proven | Unproven {
  const claims =
    connection.listener === 'submit' ? byLogin(login, organizations) : byNetwork(connection.ip, organizations);
  if (claims.length === 0) return unclaimed(connection);
  if (from.length === 0) return refused('Header From is missing or not one that can be proven', 'header From');
  const fitting = claims.filter(({ allows }) => from.every(allows));
  if (fitting.length === 0) return refused('Header From is not a sender of this connection', 'header From');
  const proven = fitting.filter(({ allows }) => reversePath === '' || allows(reversePath));
  if (proven.length === 0) return refused('The reverse-path is not a sender of this connection', 'reverse-path');
  const [one, ...others] = proven;
  if (one === undefined || others.length > 0) return refused('The sender is not unambiguous', 'ambiguous');
  return { organization: one.organization, proof: [one.words, 'header From and reverse-path'], priority: one.priority };
}

/** Whether anything at all speaks for the connection: refuses at MAIL what no data could prove. */
export function sieve(connection: Connection, organizations: readonly TrustedOrganization[]): Unproven | null {
  if (connection.listener === 'submit') return connection.login === undefined ? unclaimed(connection) : null;
  return byNetwork(connection.ip, organizations).length > 0 ? null : unclaimed(connection);
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

function byNetwork(ip: string, organizations: readonly TrustedOrganization[]): Claim[] {
  const octets = addressOctets(ip);
  if (octets === null) return [];
  return organizations
    .filter((one) => one.networks.some((network) => contains(network, octets)))
    .map((one) => ({
      organization: one.name,
      allows: (address) => one.domains.includes(domainOf(normalAddress(address) as Address)),
      words: 'network',
      priority: 'normal',
    }));
}
