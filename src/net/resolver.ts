// Our own DNS stub: asks recursive servers (dns.ts), follows aliases, checks every name and address that comes back and
// keeps answers for their TTL. Never uses dns.lookup, whose threads one slow domain could fill. It does not validate
// DNSSEC itself: the AD bit counts only from a resolver on loopback (`authenticated`). Logs nothing.

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { DecodedPacket, Answer as DnsRecord } from 'dns-packet';
import { LRUCache } from 'lru-cache';
import type { Duration, Time } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/types.ts';
import { DeadlineError } from './deadline.ts';
import { exchange, type QuestionType, type Server } from './dns.ts';
import { isLoopback } from './egress.ts';
import { isHostName, normalName, parseServer } from './names.ts';

/** `none`: the name exists and has no such record. `authenticated`: DNSSEC-validated by a resolver that we trust. */
export type Lookup<T> =
  | { readonly kind: 'found'; readonly records: readonly T[]; readonly authenticated: boolean }
  | { readonly kind: 'none'; readonly authenticated: boolean }
  | { readonly kind: 'nxdomain'; readonly authenticated: boolean }
  /** Nobody knows now: timeout, SERVFAIL, a malformed answer. `reason` in words, without the name asked. */
  | { readonly kind: 'failed'; readonly reason: string };

/** `exchange` in lower case without final dot; empty for the null MX `.` (RFC 7505). */
export type MxRecord = { readonly exchange: string; readonly preference: number };
export type AddressRecord = { readonly family: 4 | 6; readonly address: string };

/** `anew`: whatever was answered before. */
export type Resolver = {
  readonly mx: (name: string, anew?: 'anew') => Promise<Lookup<MxRecord>>;
  /** A and AAAA together; `found` when either has an address. */
  readonly addresses: (name: string, anew?: 'anew') => Promise<Lookup<AddressRecord>>;
  /** The strings of each record joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2), Latin-1. */
  readonly txt: (name: string, anew?: 'anew') => Promise<Lookup<string>>;
};

export type ResolverDeps = {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  /** `address` or `address:port`; empty or absent: the nameservers of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** For one question to one server. */
  readonly tryMs?: Duration;
  /** Questions asked in all before a lookup has failed, servers in turn. */
  readonly tries?: number;
  /** Answers kept. */
  readonly cacheSize?: number;
};

const MAX_TTL: Duration = 3_600_000;
const MAX_NEGATIVE_TTL: Duration = 300_000;
// A TTL of 0 would make each of a hundred deliveries to a domain ask again.
const MIN_TTL: Duration = 5_000;
const MAX_ALIASES = 8;

type Kept = { readonly until: Time; readonly lookup: Lookup<DnsRecord> };

export function createResolver(deps: ResolverDeps): Resolver {
  const servers = serversOf(deps.servers ?? []);
  const cache = new LRUCache<string, Kept>({ max: deps.cacheSize ?? 10_000 });
  const underway = new Map<string, Promise<Lookup<DnsRecord>>>();

  async function records(name: string, type: QuestionType, anew?: 'anew', depth = 0): Promise<Lookup<DnsRecord>> {
    const key = `${type} ${name}`;
    const kept = anew === undefined ? cache.get(key) : undefined;
    if (kept !== undefined && kept.until > deps.clock.now()) return kept.lookup;
    // Two names that are aliases of each other would wait for each other here, so only first questions are shared.
    if (depth > 0) return fetchRecords(name, type, anew, depth);
    const asking = underway.get(key);
    if (asking !== undefined) return asking;
    const answer = fetchRecords(name, type, anew, depth).finally(() => underway.delete(key));
    underway.set(key, answer);
    return answer;
  }

  async function fetchRecords(
    name: string,
    type: QuestionType,
    anew: 'anew' | undefined,
    depth: number,
  ): Promise<Lookup<DnsRecord>> {
    const answer = await askServers(deps, servers, name, type);
    if ('reason' in answer) return { kind: 'failed', reason: answer.reason };
    const read = readAnswer(answer.packet, name, type, answer.trusted);
    let lookup = read.lookup;
    if (read.alias !== null) {
      if (depth >= MAX_ALIASES) return { kind: 'failed', reason: 'too many aliases' };
      const target = await records(read.alias, type, anew, depth + 1);
      lookup =
        'authenticated' in target ? { ...target, authenticated: target.authenticated && answer.trusted } : target;
    }
    if (lookup.kind !== 'failed') {
      cache.set(`${type} ${name}`, { until: deps.clock.now() + read.ttl, lookup });
    }
    return lookup;
  }

  return {
    mx: async (given, anew) => {
      const name = normalName(given);
      if (!isHostName(name)) return { kind: 'nxdomain', authenticated: false };
      return readMx(await records(name, 'MX', anew));
    },
    addresses: async (given, anew) => {
      const name = normalName(given);
      if (!isHostName(name)) return { kind: 'nxdomain', authenticated: false };
      const [v4, v6] = await Promise.all([records(name, 'A', anew), records(name, 'AAAA', anew)]);
      return mergeAddresses(readAddresses(v4, 4), readAddresses(v6, 6));
    },
    txt: async (given, anew) => {
      const name = normalName(given);
      if (!isHostName(name)) return { kind: 'nxdomain', authenticated: false };
      return readTxt(await records(name, 'TXT', anew));
    },
  };
}

/** Nameservers of /etc/resolv.conf, at most three as in libc. */
export function systemServers(text = readFileSync('/etc/resolv.conf', 'utf8')): string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((found) => found[1] ?? '').slice(0, 3);
}

function serversOf(configured: readonly string[]): Server[] {
  const own = configured.length > 0;
  const parsed = (own ? configured : systemServers()).map((text) => parseServer(text, 53));
  const servers = parsed.filter((server) => server !== null);
  if (servers.length === 0 || (own && servers.length < parsed.length)) {
    throw new Error('resolver: every DNS server must be an IP address, with or without a port');
  }
  return servers;
}

type Asked = { readonly packet: DecodedPacket; readonly trusted: boolean } | { readonly reason: string };

async function askServers(
  deps: ResolverDeps,
  servers: readonly Server[],
  name: string,
  type: QuestionType,
): Promise<Asked> {
  let reason = 'no DNS server';
  for (let i = 0; i < Math.max(deps.tries ?? 3, servers.length); i++) {
    const server = servers[i % servers.length];
    if (server === undefined) break;
    try {
      const packet = await exchange(deps, server, name, type, deps.tryMs ?? 3_000);
      const rcode = rcodeOf(packet);
      if (rcode === 'NOERROR' || rcode === 'NXDOMAIN') {
        // What a resolver beyond loopback says about DNSSEC, anyone on the path may have said.
        return { packet, trusted: packet.flag_ad && isLoopback(server.address) };
      }
      reason = `DNS server answered ${rcode}`;
    } catch (error) {
      reason = error instanceof DeadlineError ? 'DNS timeout' : 'DNS server unreachable or its answer malformed';
    }
  }
  return { reason };
}

function rcodeOf(packet: DecodedPacket): string {
  return (packet as DecodedPacket & { rcode?: string }).rcode ?? 'NOERROR';
}

type Read = { readonly lookup: Lookup<DnsRecord>; readonly ttl: Duration; readonly alias: string | null };

/** Follows the aliases inside one answer; `alias` when the chain leaves it and the target must be asked for. */
function readAnswer(packet: DecodedPacket, name: string, type: QuestionType, authenticated: boolean): Read {
  const answers = packet.answers ?? [];
  let owner = name;
  let ttl = MAX_TTL;
  for (let hops = 0; hops <= MAX_ALIASES; hops++) {
    const own = answers.filter((record) => 'data' in record && normalName(record.name) === owner);
    const found = own.filter((record) => record.type === type);
    if (found.length > 0) {
      return { lookup: { kind: 'found', records: found, authenticated }, ttl: lifetime(found, ttl), alias: null };
    }
    const alias = own.find((record) => record.type === 'CNAME');
    if (alias === undefined) return readNegative(packet, owner === name ? null : owner, authenticated, ttl);
    const target = normalName(String('data' in alias ? alias.data : ''));
    if (!isHostName(target)) return failed('alias to an invalid name');
    ttl = lifetime([alias], ttl);
    owner = target;
  }
  return failed('too many aliases');
}

function readNegative(packet: DecodedPacket, alias: string | null, authenticated: boolean, ttl: Duration): Read {
  const soa = (packet.authorities ?? []).find((record) => record.type === 'SOA');
  const seconds = soa === undefined ? 60 : Math.min(soa.ttl ?? 60, soa.data.minimum ?? 60);
  const negative = Math.max(MIN_TTL, Math.min(seconds * 1000, MAX_NEGATIVE_TTL, ttl));
  // RFC 2308 §2.1: the rcode is about the end of the chain.
  if (rcodeOf(packet) === 'NXDOMAIN')
    return { lookup: { kind: 'nxdomain', authenticated }, ttl: negative, alias: null };
  const none: Lookup<DnsRecord> = { kind: 'none', authenticated };
  return { lookup: none, ttl: negative, alias: soa === undefined ? alias : null };
}

function failed(reason: string): Read {
  return { lookup: { kind: 'failed', reason }, ttl: 0, alias: null };
}

function lifetime(records: readonly DnsRecord[], cap: Duration): Duration {
  const seconds = records.map((record) => ('ttl' in record ? (record.ttl ?? 0) : 0));
  return Math.max(MIN_TTL, Math.min(cap, ...seconds.map((ttl) => ttl * 1000)));
}

function readMx(lookup: Lookup<DnsRecord>): Lookup<MxRecord> {
  if (lookup.kind !== 'found') return lookup;
  const records = lookup.records.flatMap((record) => {
    if (record.type !== 'MX') return [];
    const exchange = normalName(record.data.exchange);
    const valid = exchange === '' || (isHostName(exchange) && isIP(exchange) === 0);
    return valid ? [{ exchange, preference: record.data.preference ?? 0 }] : [];
  });
  // Only names that cannot be: as good as no answer, and nothing that a sender could be told is final.
  if (records.length === 0) return { kind: 'failed', reason: 'MX records hold no valid name' };
  return { kind: 'found', records, authenticated: lookup.authenticated };
}

function readTxt(lookup: Lookup<DnsRecord>): Lookup<string> {
  if (lookup.kind !== 'found') return lookup;
  const records = lookup.records.flatMap((record) => {
    if (record.type !== 'TXT') return [];
    const strings = Array.isArray(record.data) ? record.data : [record.data];
    return [strings.map((one) => Buffer.from(one as Uint8Array | string).toString('latin1')).join('')];
  });
  return { kind: 'found', records, authenticated: lookup.authenticated };
}

function readAddresses(lookup: Lookup<DnsRecord>, family: 4 | 6): Lookup<AddressRecord> {
  if (lookup.kind !== 'found') return lookup;
  const records = lookup.records.flatMap((record) => {
    const address = 'data' in record ? String(record.data) : '';
    return isIP(address) === family ? [{ family, address }] : [];
  });
  return { kind: 'found', records, authenticated: lookup.authenticated };
}

function mergeAddresses(v4: Lookup<AddressRecord>, v6: Lookup<AddressRecord>): Lookup<AddressRecord> {
  const records = [v4, v6].flatMap((lookup) => (lookup.kind === 'found' ? lookup.records : []));
  const authenticated = [v4, v6].every((lookup) => lookup.kind !== 'failed' && lookup.authenticated);
  // One family answers, the other fails: what is known is used.
  if (records.length > 0) return { kind: 'found', records, authenticated };
  if (v4.kind === 'failed') return v4;
  if (v6.kind === 'failed') return v6;
  if (v4.kind === 'nxdomain' || v6.kind === 'nxdomain') return { kind: 'nxdomain', authenticated };
  return { kind: 'none', authenticated };
}
