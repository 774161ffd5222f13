// Versions in package-lock.json against the advisories known of each package: `npm audit` needs a registry that answers it, this does not.

import { readFileSync } from 'node:fs';

/** Package → first versions without a known advisory, and its name. A version below all fixed ones of its major line is refused. */
const FIXED: readonly (readonly [name: string, fixed: string, advisory: string])[] = [
  ['smtp-server', '3.21.6', 'STARTTLS plaintext race (3.19.23) and later hardening'],
  ['nodemailer', '6.9.9', 'GHSA-9h6g-pr28-7cqp ReDoS'],
  ['nodemailer', '8.0.4', 'GHSA-c7w3-x93f-qmm8 envelope.size CRLF'],
  ['nodemailer', '8.0.5', 'GHSA-vvjj-xcjg-gr5g name CRLF'],
  ['nodemailer', '8.0.8', 'GHSA-r7g4-qg5f-qqm2 OAuth2 TLS'],
  ['nodemailer', '8.0.9', 'GHSA-wqvq-jvpq-h66f, GHSA-268h-hp4c-crq3 CRLF in jsonTransport and List-*'],
  ['nodemailer', '9.0.1', 'GHSA-p6gq-j5cr-w38f raw file read and SSRF'],
  ['nodemailer', '9.0.3', 'STARTTLS response injection'],
  ['nodemailer', '10.6.0', 'GHSA-4ffr-jq9g-5ffx AUTH line ReDoS'],
  ['mailparser', '3.14.2', 'XSS in textToHtml'],
  ['openpgp', '6.1.1', 'CVE-2025-47934, GHSA-8qff-qr5q-5pr8 signature spoofing'],
  ['openpgp', '6.3.2', 'GHSA-ch3c-v47x-4pgp'],
  ['node-forge', '1.3.2', 'CVE-2025-12816, CVE-2025-66030, CVE-2025-66031'],
  ['node-forge', '1.4.0', 'CVE-2026-33891, -33894, -33895, -33896'],
  ['node-forge', '1.4.3', 'CVE-2026-85393 (through 1.4.0)'],
  ['dns-packet', '5.2.2', 'GHSA-3wcq-x3mq-6r9p memory exposure'],
  ['yaml', '2.8.3', 'stack overflow by nesting'],
  ['better-sqlite3', '13.2.0', 'older ones crash on this runtime'],
  ['node', '24.7.0', 'argon2 of node:crypto; 20 is end of life'],
];

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, { version?: string }>;
};

/** Every copy of a package in the tree, also those below other packages. */
function installed(name: string): string[] {
  return Object.entries(lock.packages)
    .filter(([path]) => path === `node_modules/${name}` || path.endsWith(`/node_modules/${name}`))
    .map(([, { version }]) => version ?? '0.0.0');
}

/** Compares `major.minor.patch`; a pre-release counts as older than its release. */
function isAtLeast(version: string, fixed: string): boolean {
  const [numbers, preRelease] = version.split('-', 2);
  const have = numbers!.split('.').map(Number);
  const want = fixed.split('.').map(Number);
  for (let i = 0; i < 3; i++) if (have[i] !== want[i]) return have[i]! > want[i]!;
  return preRelease === undefined;
}

test.each(FIXED.filter(([name]) => installed(name).length > 0))('%s is at least %s: %s', (name, fixed) => {
  expect(installed(name).filter((version) => !isAtLeast(version, fixed))).toEqual([]);
});

test.each([
  ['1.4.0', '1.4.3', false],
  ['1.4.10', '1.4.3', true],
  ['10.0.0', '9.0.3', true],
  ['9.0.3-beta.1', '9.0.3', false],
  ['5.2.2', '5.2.2', true],
])('%s against %s: %s', (version, fixed, enough) => {
  expect(isAtLeast(version, fixed)).toBe(enough);
});

test('the packages that the list is about are in the lock', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const listed = new Set(FIXED.map(([name]) => name));
  expect([...listed].filter((name) => name in dependencies && installed(name).length === 0)).toEqual([]);
  expect(installed('smtp-server')).not.toEqual([]);
});
