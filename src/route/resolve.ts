// Destination → the next hops in the order to try, and the names that each may show in its certificate. Asks DNS, checks
// every address against the egress rules, judges nothing about TLS. Destinations that DNS cannot answer for now are
// `unreached`, never refused, and so are those of which a resolver that cannot be believed says that they are not there
// (witness.ts). Logs nothing.
//
// The posture is the seam for what a destination publishes about itself (MTA-STS, DANE): it may strike MX hosts out and
// chooses the reference names of the rest. Until those exist every destination has the open posture.

import type { Random, Reply } from '../domain/types.ts';
import type { Egress } from '../net/egress.ts';
import { isMailDomain, normalName } from '../net/names.ts';
import type { AddressRecord, Lookup, MxRecord, Resolver } from '../net/resolver.ts';
import type { Reference } from '../net/tls.ts';
import { interleave, orderMx, shuffle } from './mx.ts';
import { createWitness } from './witness.ts';

/** One address to connect to. `references`: names of which the certificate must show one, for level `verify`. */
export type Hop = {
  readonly mx: string;
  readonly address: string;
  readonly port: number;
  readonly references: readonly Reference[];
};

export type Route =
  | { readonly kind: 'hops'; readonly hops: readonly Hop[] }
  /** Final: the destination does not exist, takes no mail or cannot be reached by rule. */
  | { readonly kind: 'refused'; readonly reply: Reply }
  | { readonly kind: 'unreached'; readonly reason: string; readonly status: string }
  /** Not from here, in this mode: to be held. */
  | { readonly kind: 'barred'; readonly reason: string };

/** Fixed next hop by configuration, for a destination. */
export type SmartHost = { readonly host: string; readonly port: number };

/** What a destination publishes about how it must be reached. */
export type Posture = {
  readonly allows: (mx: string) => boolean;
  readonly references: (destination: string, mx: string, mxAuthenticated: boolean) => readonly Reference[];
};

export type Names = Pick<Resolver, 'mx' | 'addresses'>;

export type ResolveDeps = {
  readonly resolver: Names;
  readonly egress: Egress;
  readonly random: Random;
  /** Our own names, as MX records may give them. */
  readonly ownNames: readonly string[];
  /** Port of SMTP; not 25 only where the configuration overrides it. */
  readonly port?: number;
  readonly smartHost?: (destination: string) => SmartHost | null;
  readonly posture?: (destination: string, mx: Lookup<MxRecord>) => Promise<Posture>;
};

export type ResolveRoute = (destination: string) => Promise<Route>;

const MAX_MX = 20;
const MAX_ADDRESSES_PER_MX = 5;
const MAX_HOPS = 12;

export function createResolve(deps: ResolveDeps): ResolveRoute {
  const witness = createWitness(deps.resolver);
  return async (given) => {
    const destination = normalName(given);
    const smartHost = deps.smartHost?.(destination) ?? null;
    if (smartHost !== null) return routeToSmartHost(deps, smartHost);
    // Address literals and single labels would let a recipient choose a host inside our own network.
    if (!isMailDomain(destination)) return refused(550, '5.1.2', 'recipient domain is not a valid mail domain');
    const route = await routeByMx(deps, destination);
    if (route.kind === 'hops' && route.hops.some(({ mx }) => mx !== destination)) witness.saw(destination);
    if (route.kind !== 'refused') return route;
    if (!(await witness.sees(destination))) return DISBELIEVED;
    // What was said while it could not be believed may be remembered yet.
    return routeByMx(deps, destination, 'anew');
  };
}

async function routeByMx(deps: ResolveDeps, destination: string, anew?: 'anew'): Promise<Route> {
  const found = await deps.resolver.mx(destination, anew);
  if (found.kind === 'failed') return { kind: 'unreached', reason: found.reason, status: '4.4.3' };
  if (found.kind === 'nxdomain') return refused(550, '5.1.2', 'recipient domain does not exist');
  const posture = (await deps.posture?.(destination, found)) ?? OPEN_POSTURE;
  // RFC 5321 §5.1: without MX records the domain is its own exchanger.
  if (found.kind === 'none') return routeTo(deps, { destination, hosts: [destination], posture, found, anew });
  const named = found.records.filter((mx) => mx.exchange !== '');
  // RFC 7505 §3: a null MX stands alone; beside others it means nothing.
  if (named.length === 0) return refused(556, '5.1.10', 'recipient domain accepts no mail (null MX)');
  const own = new Set(deps.ownNames.map(normalName));
  const hosts = orderMx(named, (host) => own.has(host), deps.random);
  if (hosts.length === 0) return refused(554, '5.4.6', 'mail for the recipient domain loops back to this gateway');
  return routeTo(deps, { destination, hosts: hosts.slice(0, MAX_MX), posture, found, anew });
}

type Exchangers = {
  readonly destination: string;
  readonly hosts: readonly string[];
  readonly posture: Posture;
  readonly found: { readonly authenticated: boolean };
  readonly anew: 'anew' | undefined;
};

async function routeTo(
  deps: ResolveDeps,
  { destination, hosts, posture, found: { authenticated }, anew }: Exchangers,
): Promise<Route> {
  const allowed = hosts.filter(posture.allows);
  const looked = await Promise.all(allowed.map((host) => deps.resolver.addresses(host, anew)));
  const found = looked.map((lookup) => addressesInOrder(lookup, deps.random));
  const all = allowed.flatMap((mx, i) =>
    (found[i] ?? []).map(({ address }) => ({
      mx,
      address,
      port: deps.egress.portOf(address, mx) ?? deps.port ?? 25,
      references: posture.references(destination, mx, authenticated),
    })),
  );
  if (all.length === 0) return routeOfNone(destination, hosts, looked);
  return withinEgress(deps.egress, all);
}

/** No host has an address: for now when any question failed, else for good. */
function routeOfNone(destination: string, hosts: readonly string[], looked: readonly Lookup<AddressRecord>[]): Route {
  const failure = looked.find((lookup) => lookup.kind === 'failed');
  if (failure !== undefined) return { kind: 'unreached', reason: failure.reason, status: '4.4.3' };
  if (looked.length === 0) {
    return {
      kind: 'unreached',
      reason: 'the policy of the recipient domain allows none of its MX hosts',
      status: '4.4.4',
    };
  }
  const implicit = hosts.length === 1 && hosts[0] === destination;
  return implicit
    ? refused(550, '5.1.2', 'recipient domain has no mail exchanger and no address')
    : refused(550, '5.4.4', 'no mail exchanger of the recipient domain has an address');
}

async function routeToSmartHost(deps: ResolveDeps, smartHost: SmartHost): Promise<Route> {
  const mx = normalName(smartHost.host);
  const lookup = await literalOrLookup(deps.resolver, mx);
  // A smart host is ours to configure: a missing name is a fault here, and no reason to bounce.
  if (lookup.kind === 'failed') return { kind: 'unreached', reason: lookup.reason, status: '4.4.3' };
  if (lookup.kind !== 'found') return { kind: 'unreached', reason: 'smart host has no address', status: '4.4.3' };
  const references: Reference[] = [{ name: mx, source: 'smart host' }];
  const hops = addressesInOrder(lookup, deps.random).map(({ address }) => ({
    mx,
    address,
    port: smartHost.port,
    references,
  }));
  // Its name comes from the configuration and not from a stranger's DNS: in live mode it may stand in our own network.
  return deps.egress.mode === 'live' ? { kind: 'hops', hops } : withinEgress(deps.egress, hops);
}

async function literalOrLookup(resolver: Pick<Resolver, 'addresses'>, name: string): Promise<Lookup<AddressRecord>> {
  // RFC 6761 §6.3: never asked of a server.
  const host = name === 'localhost' ? '127.0.0.1' : name;
  const family = /^[0-9.]+$/.test(host) ? 4 : host.includes(':') ? 6 : null;
  if (family === null) return resolver.addresses(host);
  return { kind: 'found', records: [{ family, address: host }], authenticated: false };
}

function addressesInOrder(lookup: Lookup<AddressRecord>, random: Random): AddressRecord[] {
  if (lookup.kind !== 'found') return [];
  const mixed = shuffle(lookup.records, random);
  const of = (family: 4 | 6): AddressRecord[] => mixed.filter((record) => record.family === family);
  return interleave(of(4), of(6)).slice(0, MAX_ADDRESSES_PER_MX);
}

function withinEgress(egress: Egress, hops: readonly Hop[]): Route {
  const open = hops.filter((hop) => egress.refusal(hop.address, hop.mx) === null);
  if (open.length > 0) return { kind: 'hops', hops: open.slice(0, MAX_HOPS) };
  if (egress.mode === 'evaluation') return { kind: 'barred', reason: 'evaluation mode' };
  return refused(550, '5.4.4', 'recipient domain points to an address that is not public');
}

const DISBELIEVED: Route = {
  kind: 'unreached',
  reason: 'the DNS server knows neither the recipient domain nor what it knew before',
  status: '4.4.3',
};

/** What RFC 5321 alone allows: any MX, verified by the recipient domain or by the MX's own name. */
const OPEN_POSTURE: Posture = {
  allows: () => true,
  references: (destination, mx, mxAuthenticated) => {
    const own: Reference = { name: destination, source: 'recipient domain' };
    if (mx === destination) return [own];
    return [own, { name: mx, source: mxAuthenticated ? 'MX, signed DNS' : 'MX, unsigned DNS' }];
  },
};

function refused(code: number, enhanced: string, text: string): Route {
  return { kind: 'refused', reply: { code, enhanced, text } };
}
