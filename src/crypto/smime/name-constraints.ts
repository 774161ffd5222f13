// Name constraints (RFC 5280 §4.2.1.10): an authority that may issue for some names only, as companies get them. Heeded are
// those on mail addresses and on distinguished names; those on host names, URIs and IP addresses say nothing about mail.

import { addressesOf, type Certificate } from './certificate.ts';
import { childrenOf, context, type Element, explicit, oidOf, readWhole, TAG } from './der.ts';
import { X509 } from './oids.ts';

type Subtrees = { readonly addresses: readonly string[]; readonly names: readonly (readonly string[])[] };

/** True when the constraints of `authority` allow the names of the certificates below it; the leaf stands first. */
export function allowsNames(authority: Certificate, below: readonly Certificate[]): boolean {
  const extension = authority.extensions.get(X509.nameConstraints);
  if (!extension) return true;
  const parts = childrenOf(readWhole(extension.value), TAG.sequence);
  const permitted = subtreesOf(parts.find(({ tag }) => tag === context(0)));
  const excluded = subtreesOf(parts.find(({ tag }) => tag === context(1)));
  const addresses = below.slice(0, 1).flatMap(addressesOf);
  const names = below.map(({ subject }) => partsOf(readWhole(subject))).filter((name) => name.length > 0);
  return (
    addresses.every((one) => isWithin(one, permitted.addresses, excluded.addresses, addressIn)) &&
    names.every((one) => isWithin(one, permitted.names, excluded.names, nameIn))
  );
}

function isWithin<T>(
  name: T,
  permitted: readonly T[],
  excluded: readonly T[],
  isIn: (name: T, base: T) => boolean,
): boolean {
  if (excluded.some((base) => isIn(name, base))) return false;
  return permitted.length === 0 || permitted.some((base) => isIn(name, base));
}

function subtreesOf(list: Element | undefined): Subtrees {
  const bases = list ? childrenOf(list).map((subtree) => childrenOf(subtree, TAG.sequence)[0]) : [];
  return {
    addresses: bases
      .filter((base) => base?.tag === context(1, false))
      .map((base) => base!.content.toString('latin1').toLowerCase()),
    names: bases.filter((base) => base?.tag === context(4)).map((base) => partsOf(explicit(base, 4))),
  };
}

/** A mailbox, a host (`example.org`) or, with a dot in front, all hosts below it. */
function addressIn(address: string, base: string): boolean {
  if (base.includes('@')) return address === base;
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return base === '' || domain === base || (base.startsWith('.') && domain.endsWith(base));
}

function nameIn(name: readonly string[], base: readonly string[]): boolean {
  return base.every((part, i) => part === name[i]);
}

/** Relative distinguished names in a form that can be compared (RFC 5280 §7.1: without case, spaces as one). */
function partsOf(name: Element): string[] {
  return childrenOf(name, TAG.sequence).map((set) =>
    childrenOf(set, TAG.set)
      .map((attribute) => {
        const [type, value] = childrenOf(attribute, TAG.sequence);
        return `${oidOf(type)}=${textOf(value)}`;
      })
      .sort()
      .join('+'),
  );
}

const BMP_STRING = 0x1e;

function textOf(value: Element | undefined): string {
  const octets = value?.content ?? Buffer.alloc(0);
  const text =
    value?.tag === BMP_STRING && octets.length % 2 === 0
      ? Buffer.from(octets).swap16().toString('utf16le')
      : octets.toString('utf8');
  return text.toLowerCase().trim().replace(/\s+/g, ' ');
}
