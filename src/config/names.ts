// Domains, host names, mailboxes, IP addresses and networks as the configuration writes them. Pure.

import { domainToASCII } from 'node:url';
import type { Address } from '../domain/ids.ts';
import type { Reading } from './units.ts';

export type Ip = { readonly family: 4 | 6; readonly bytes: readonly number[] };

/** A network: all addresses whose first `prefix` bits are those of `bytes`. */
export type Cidr = Ip & { readonly prefix: number; readonly text: string };

/** Where a program listens or is reached: an IP address or a host name, and a port. */
export type HostPort = { readonly host: string; readonly port: number };

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** A host name or domain as A-labels in lower case; null when it is none. A single label is one too. */
export function normalDomain(text: string): string | null {
  if (text === '' || /[\s@:/\\%[\]?#]/.test(text)) return null;
  const plain = text.toLowerCase().replace(/\.$/, '');
  // URL parsing would turn `1.2` into an IP address.
  const ascii = /^[\x21-\x7e]+$/.test(plain) ? plain : domainToASCII(plain);
  if (ascii === '' || ascii.length > 253) return null;
  const labels = ascii.split('.');
  if (!labels.every((label) => LABEL.test(label))) return null;
  return /^\d+$/.test(labels.at(-1)!) ? null : ascii;
}

/** Domain of an organization or a recipient: at least two labels. */
export function readDomain(value: unknown): Reading<string> {
  if (typeof value !== 'string') return { ok: false, wrong: 'must be a domain such as clinic.example' };
  const domain = normalDomain(value);
  if (domain === null || !domain.includes('.')) {
    const part = value.includes('@') ? normalDomain(value.slice(value.lastIndexOf('@') + 1)) : null;
    return { ok: false, wrong: `"${value}" is not a domain`, ...(part ? { hint: part } : {}) };
  }
  return { ok: true, value: domain };
}

/** `example.org`, or `*.example.org` for every domain below it. */
export function readDomainPattern(value: unknown): Reading<string> {
  if (typeof value !== 'string') return { ok: false, wrong: 'must be a domain such as example.org or *.example.org' };
  const wild = value.startsWith('*.');
  const domain = readDomain(wild ? value.slice(2) : value);
  if (domain.ok) return { ok: true, value: wild ? `*.${domain.value}` : domain.value };
  return { ...domain, wrong: `"${value}" is not a domain; write example.org, or *.example.org for all below it` };
}

/** True when the domain is the pattern, or below it for `*.example.org` (which does not mean example.org itself). */
export function domainMatches(pattern: string, domain: string): boolean {
  return pattern.startsWith('*.') ? domain.endsWith(pattern.slice(1)) : pattern === domain;
}

export function readHost(value: unknown): Reading<string> {
  if (typeof value !== 'string') return { ok: false, wrong: 'must be a host name such as gw.clinic.example' };
  const host = normalDomain(value);
  return host === null ? { ok: false, wrong: `"${value}" is not a host name` } : { ok: true, value: host };
}

/** A mailbox of plain dot-string form: `it@clinic.example`. */
export function readAddress(value: unknown): Reading<Address> {
  if (typeof value !== 'string') return { ok: false, wrong: 'must be an address such as it@clinic.example' };
  const at = value.lastIndexOf('@');
  const domain = at > 0 ? normalDomain(value.slice(at + 1)) : null;
  const local = value.slice(0, Math.max(at, 0));
  if (domain === null || local.length > 64 || !/^[^\s@<>()[\]\\,;:".]+(\.[^\s@<>()[\]\\,;:".]+)*$/u.test(local)) {
    return { ok: false, wrong: `"${value}" is not an address` };
  }
  return { ok: true, value: `${local}@${domain}` as Address };
}

function ipv4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.map(Number);
}

function groups(text: string): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1 ? ipv4(part) : null;
    if (last) bytes.push(...last);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255);
    else return null;
  }
  return bytes;
}

/** An IP address of either family; an IPv4 address mapped into IPv6 is given back as IPv4. A zone index is refused. */
export function parseIp(text: string): Ip | null {
  const four = ipv4(text);
  if (four) return { family: 4, bytes: four };
  const halves = text.split('::');
  if (halves.length > 2 || !text.includes(':')) return null;
  const head = groups(halves[0]!);
  const tail = halves.length === 2 ? groups(halves[1]!) : [];
  if (!head || !tail) return null;
  const gap = 16 - head.length - tail.length;
  if (halves.length === 2 ? gap < 2 : gap !== 0) return null;
  const bytes = [...head, ...new Array<number>(gap).fill(0), ...tail];
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return mapped ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes };
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. Bits beyond the prefix must be zero: else a typing error hides. */
export function readCidr(value: unknown): Reading<Cidr> {
  if (typeof value !== 'string') return { ok: false, wrong: 'must be a network such as 192.0.2.0/24' };
  const [host, length, ...rest] = value.split('/');
  const ip = parseIp(host!);
  if (!ip || rest.length > 0)
    return { ok: false, wrong: `"${value}" is not a network such as 192.0.2.0/24 or 2001:db8::/32` };
  const most = ip.bytes.length * 8;
  if (length !== undefined && !/^\d{1,3}$/.test(length))
    return { ok: false, wrong: `"/${length}" is not a prefix length` };
  const prefix = length === undefined ? most : Number(length);
  if (prefix > most) return { ok: false, wrong: `"/${length}" is longer than the ${most} bits of the address` };
  const masked = ip.bytes.map((byte, index) => byte & mask(prefix, index));
  if (masked.some((byte, index) => byte !== ip.bytes[index])) {
    const hint = ip.family === 4 ? { hint: `${masked.join('.')}/${prefix}` } : {};
    return { ok: false, wrong: `"${value}" has bits set beyond /${prefix}`, ...hint };
  }
  return { ok: true, value: { ...ip, prefix, text: value } };
}

function mask(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

/** True when the address lies in the network; an unreadable address lies in none. */
export function cidrContains(cidr: Cidr, address: string): boolean {
  const ip = parseIp(address);
  if (!ip || ip.family !== cidr.family) return false;
  return ip.bytes.every((byte, index) => (byte & mask(cidr.prefix, index)) === cidr.bytes[index]);
}

/** True when an address lies in both. */
export function overlap(one: Cidr, other: Cidr): boolean {
  const prefix = Math.min(one.prefix, other.prefix);
  if (one.family !== other.family) return false;
  return one.bytes.every((byte, index) => ((byte ^ (other.bytes[index] ?? 0)) & mask(prefix, index)) === 0);
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  const ip = parseIp(address);
  if (!ip) return false;
  return ip.family === 4 ? ip.bytes[0] === 127 : ip.bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

export function readIp(value: unknown): Reading<string> {
  if (typeof value === 'string' && parseIp(value)) return { ok: true, value: value.toLowerCase() };
  return { ok: false, wrong: `${typeof value === 'string' ? `"${value}"` : 'this'} is not an IP address` };
}

/** `host:port`, `192.0.2.1:25`, `[2001:db8::1]:25`; without port where `port` gives one. */
export function readHostPort(value: unknown, port?: number, onlyIp = false): Reading<HostPort> {
  const example = onlyIp ? '127.0.0.1:53' : 'mail.example.org:25';
  if (typeof value !== 'string') return { ok: false, wrong: `must be written as ${example}` };
  const bare = parseIp(value) ? [value, value, undefined] : null;
  const match = bare ?? /^\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?$/.exec(value) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(value);
  const host = match ? (parseIp(match[1]!) ? match[1]!.toLowerCase() : onlyIp ? null : normalDomain(match[1]!)) : null;
  if (!match || host === null) return { ok: false, wrong: `"${value}" must be written as ${example}` };
  const number = match[2] === undefined ? port : Number(match[2]);
  if (number === undefined) return { ok: false, wrong: `"${value}" has no port; write it as ${example}` };
  if (number < 1 || number > 65535) return { ok: false, wrong: `port ${number} is not between 1 and 65535` };
  return { ok: true, value: { host, port: number } };
}
