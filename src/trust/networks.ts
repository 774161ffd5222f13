// IP addresses and CIDR networks, compared as 16 octets; IPv4 stands in its mapped form (::ffff:a.b.c.d), so that a
// dual-stack listener and a written `40.92.0.0/15` mean the same. Pure.

/** `bits` counts in the 128-bit form: 96 more than an IPv4 prefix length. */
export type Network = { readonly octets: Uint8Array; readonly bits: number };

/** The 16 octets of an IPv4 or IPv6 address as text; null when it is none. A zone (`%eth0`) is not taken. */
export function addressOctets(text: string): Uint8Array | null {
  if (!text.includes(':')) {
    const four = ipv4(text);
    return four && Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...four);
  }
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (!dotted) return ipv6(text);
  const four = ipv4(dotted[2] ?? '');
  if (!four) return null;
  const hex = (a: number, b: number): string => ((four[a] ?? 0) * 256 + (four[b] ?? 0)).toString(16);
  return ipv6(`${dotted[1]}${hex(0, 1)}:${hex(2, 3)}`);
}

function ipv4(text: string): readonly number[] | null {
  const parts = text.split('.');
  // A leading zero is octal to some readers: not taken.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return null;
  return parts.map(Number);
}

function ipv6(text: string): Uint8Array | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return null;
  const octets = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    octets[2 * i] = value >> 8;
    octets[2 * i + 1] = value & 255;
  });
  return octets;
}

/** `192.0.2.0/24`, `2001:db8::/32` or a single address; null when it is none, or has bits set behind its prefix. */
export function parseNetwork(text: string): Network | null {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const octets = match && addressOctets(match[1] ?? '');
  if (!match || !octets) return null;
  const width = match[1]?.includes(':') ? 128 : 32;
  const prefix = match[2] === undefined ? width : Number(match[2]);
  if (prefix > width) return null;
  const bits = prefix + 128 - width;
  return octets.some((octet, i) => (octet & ~maskOf(bits, i) & 255) !== 0) ? null : { octets, bits };
}

function maskOf(bits: number, octet: number): number {
  const left = Math.min(8, Math.max(0, bits - octet * 8));
  return (0xff00 >> left) & 255;
}

export function contains(network: Network, address: Uint8Array): boolean {
  return network.octets.every((octet, i) => octet === ((address[i] ?? 0) & maskOf(network.bits, i)));
}

/** What counts as one address for bounds: an IPv4 address, or an IPv6 /64, which one client can fill at will. */
export function addressKey(text: string): string {
  const octets = addressOctets(text);
  if (!octets) return text;
  const mapped = octets.subarray(0, 10).every((octet) => octet === 0);
  return Buffer.from(mapped ? octets : octets.subarray(0, 8)).toString('hex');
}
