// Does a certificate lead to a configured root (RFC 5280 §6, as far as mail needs it)? Pure: nothing is fetched, so an issuer
// that did not come along and is no root is missing, and revocation is not known here. Says the nearest problem in words.

import type { Time } from '../../domain/ids.ts';
import { allowsMail, type Certificate, parseCertificate, pathLengthOf } from './certificate.ts';
import { SmimeError } from './error.ts';
import { keyWeaknessOf, signatureWeaknessOf } from './facts.ts';
import { allowsNames } from './name-constraints.ts';
import { X509 } from './oids.ts';

/** Certificates from leaf to root; in use are three or four. */
const PATH_MAX = 10;
/** Signatures checked for one leaf: authorities that certify each other could make endless paths. */
const CHECKS_MAX = 100;

/** Extensions that are heeded, or that restrict only what we do not ask for. */
const UNDERSTOOD: readonly string[] = [
  X509.keyUsage,
  X509.subjectAltName,
  X509.basicConstraints,
  X509.nameConstraints,
  X509.certificatePolicies,
  X509.extendedKeyUsage,
];

type Search = { readonly roots: readonly Certificate[]; readonly issuers: readonly Certificate[]; readonly now: Time };

/**
 * Why no path leads from `leaf` over `issuers` to one of `roots` (each DER), in words; null when one does. A leaf that is
 * itself among the roots is trusted by that. Checked on the path: signatures and their strength, dates, who is an authority
 * and over how many others, its purposes, its name constraints, critical extensions. The leaf's own fitness is in KeyFacts.
 */
export function chainProblem(
  leaf: Uint8Array,
  issuers: readonly Uint8Array[],
  roots: readonly Uint8Array[],
  now: Time,
): string | null {
  try {
    const certificate = parseCertificate(leaf);
    const search = { roots: roots.flatMap(readable), issuers: issuers.flatMap(readable), now };
    const own = datesProblem(certificate, now, 'it');
    if (own !== null) return own;
    if (search.roots.some(({ der }) => der.equals(certificate.der))) return null;
    if (hasUnknownDemand(certificate)) return 'it has a critical extension that is not known';
    return climb([certificate], search, { left: CHECKS_MAX });
  } catch (error) {
    if (error instanceof SmimeError) return 'a certificate of its chain is damaged';
    throw error;
  }
}

function readable(der: Uint8Array): Certificate[] {
  try {
    return [parseCertificate(der)];
  } catch {
    return [];
  }
}

/** `path` begins with the leaf and is sound as far as it goes. */
function climb(path: readonly Certificate[], search: Search, checks: { left: number }): string | null {
  const child = path.at(-1)!;
  let problem: string | null = null;
  for (const issuer of [...search.roots, ...search.issuers]) {
    if (path.some(({ der }) => der.equals(issuer.der)) || !child.x509.checkIssued(issuer.x509)) continue;
    if (path.length >= PATH_MAX || checks.left-- <= 0) return 'its chain is too long';
    const isRoot = search.roots.includes(issuer);
    const found =
      issuerProblem(issuer, path, isRoot, search.now) ?? (isRoot ? null : climb([...path, issuer], search, checks));
    if (found === null) return null;
    problem ??= found;
  }
  if (problem !== null) return problem;
  if (child.issuer.equals(child.subject)) return 'it ends at an authority that is not among the configured roots';
  return path.length === 1 ? 'its issuer is not known' : 'an issuer in its chain is not known';
}

function issuerProblem(issuer: Certificate, path: readonly Certificate[], isRoot: boolean, now: Time): string | null {
  const child = path.at(-1)!;
  const dates = datesProblem(issuer, now, 'a certificate of its chain');
  if (dates !== null) return dates;
  if (!issuer.x509.ca) return 'its issuer is no authority';
  const length = pathLengthOf(issuer);
  // RFC 5280 §4.2.1.9: neither the leaf nor what an authority issued to itself is counted.
  const between = path.slice(1).filter(({ issuer: by, subject }) => !by.equals(subject));
  if (length !== null && between.length > length) return 'an authority of its chain may not have others below it';
  if (!isRoot && !allowsMail(issuer)) return 'an authority of its chain is not for mail';
  const weak = keyWeaknessOf(issuer) ?? (isRoot ? null : signatureWeaknessOf(issuer));
  if (weak !== null) return `an authority of its chain is too weak: ${weak}`;
  if (hasUnknownDemand(issuer)) return 'an authority of its chain has a critical extension that is not known';
  if (!allowsNames(issuer, path)) return 'an authority of its chain may not issue for its names';
  if (issuer.publicKey === null || !child.x509.verify(issuer.publicKey)) return 'a signature in its chain is wrong';
  return null;
}

function datesProblem(certificate: Certificate, now: Time, what: string): string | null {
  if (now < certificate.validFrom) return `${what} is not valid yet`;
  return now > certificate.validUntil ? `${what} has expired` : null;
}

function hasUnknownDemand({ extensions }: Certificate): boolean {
  return [...extensions].some(([name, { critical }]) => critical && !UNDERSTOOD.includes(name));
}
