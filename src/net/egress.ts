// Which addresses the gateway may connect to for mail. DNS of strangers names the addresses, so this is the wall between a
// recipient's domain and our own network (SSRF). Logs nothing.

import { BlockList, isIP } from 'node:net';

export type EgressMode = 'live' | 'evaluation';

export type Egress = {
  readonly mode: EgressMode;
  /** Null when a connection to `address`, found under the name `host`, is allowed; else why not, in words. */
  readonly refusal: (address: string, host: string) => string | null;
  /** Port that the configuration overrides for it; null: the usual one. */
  readonly portOf: (address: string, host: string) => number | null;
};

const LOOPBACK = blockList([
  ['127.0.0.0', 8],
  ['::1', 128],
]);

// RFC 6890 and the IANA special-purpose registries: what cannot be a mail server on the Internet.
const SPECIAL_V4 = blockList([
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]);

// Only global unicast counts at all; inside it, what wraps an IPv4 address (Teredo, 6to4) or stands in books.
const GLOBAL_V6 = blockList([['2000::', 3]]);
const SPECIAL_V6 = blockList([
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]);

function blockList(ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4');
  return list;
}

/** True for 127/8 and ::1. A v4-mapped address counts as neither: it is never needed and often a disguise. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  if (family === 6 && address.toLowerCase().startsWith('::ffff:')) return false;
  return family !== 0 && LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** True for an address that a server on the Internet can have. */
export function isPublic(address: string): boolean {
  // A zone (`fe80::1%eth0`) makes isIP say 6; no public address has one.
  if (address.includes('%')) return false;
  const family = isIP(address);
  if (family === 4) return !SPECIAL_V4.check(address, 'ipv4');
  return family === 6 && GLOBAL_V6.check(address, 'ipv6') && !SPECIAL_V6.check(address, 'ipv6');
}

/** One entry of `overrides.hosts`: by name, by address or network (`10.1.0.0/16`), or both (then both must fit). */
export type EgressHost = { readonly name?: string; readonly address?: string; readonly port?: number };

type Matcher = { readonly fits: (address: string, host: string) => boolean; readonly port: number | null };

function matcherOf(host: EgressHost): Matcher {
  const { name, address } = host;
  const list = address === undefined ? null : networkList(address);
  return {
    port: host.port ?? null,
    fits: (at, named) =>
      (name !== undefined || list !== null) &&
      (name === undefined || name.toLowerCase() === named.toLowerCase()) &&
      (list === null || list.check(at, isIP(at) === 6 ? 'ipv6' : 'ipv4')),
  };
}

function networkList(text: string): BlockList {
  const [network = '', prefix] = text.split('/');
  return blockList([[network, prefix === undefined ? (isIP(network) === 6 ? 128 : 32) : Number(prefix)]]);
}

/**
 * `live`: public addresses only. `evaluation`: loopback, and what `hosts` (from `overrides:`) names. In live mode `hosts`
 * must be empty: overrides are refused there. Throws when it is not, or when an address is none.
 */
export function createEgress(deps: { readonly mode: EgressMode; readonly hosts?: readonly EgressHost[] }): Egress {
  const hosts = (deps.hosts ?? []).map(matcherOf);
  if (deps.mode === 'live' && hosts.length > 0) throw new Error('egress: hosts cannot be named in live mode');
  const named = (address: string, host: string): Matcher | undefined =>
    isIP(address) === 0 ? undefined : hosts.find((each) => each.fits(address, host));
  return {
    mode: deps.mode,
    portOf: (address, host) => named(address, host)?.port ?? null,
    refusal: (address, host) => {
      if (deps.mode === 'live') return isPublic(address) ? null : 'address is not a public one';
      return isLoopback(address) || named(address, host) !== undefined ? null : 'evaluation mode';
    },
  };
}
