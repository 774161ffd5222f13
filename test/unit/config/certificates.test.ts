// Certificates are judged when the configuration is read, so that a wrong one names its key and not a fault of OpenSSL.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineDeps } from '../../../src/config/files.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { problemText } from '../../../src/config/problem.ts';
import { selfMadeCertificate } from '../../../src/crypto/certificate.ts';
import { makeCa } from '../../support/pki.ts';

const DAY = 86_400_000;
const ca = makeCa();
const good = ca.issue({ names: ['gw.clinic.example', 'secure.clinic.example'] });
const other = ca.issue({ names: ['127.0.0.1.example'] });
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-config-'));
  mkdirSync(join(folder, 'policies'));
  writeFileSync(join(folder, 'policies/default.yaml'), 'version: 1\nrules: [{name: all, then: {deliver: [tls]}}]\n');
  put('good.pem', good.chain);
  put('good.key', good.key);
  put('other.key', other.key);
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(name: string, text: string): void {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
}

const BASE = `version: 1
mode: evaluation
hostname: gw.clinic.example
organizations: [{ name: Clinic, domains: [clinic.example], from: { networks: [192.0.2.0/28] } }]
`;

type Said = { readonly problems: readonly string[]; readonly warnings: readonly string[] };

async function check(text: string, after = 0): Promise<Said> {
  writeFileSync(join(folder, 'gateway.yaml'), BASE + text);
  const deps = { ...machineDeps(), env: {}, cwd: folder, now: () => Date.now() + after };
  const loaded = await loadConfig('gateway.yaml', deps);
  const words = (all: Parameters<typeof problemText>[0][]) =>
    all.map((one) => problemText(one).replace(/^\S+ /, '').replaceAll(`${folder}/`, ''));
  return 'problems' in loaded
    ? { problems: words([...loaded.problems]), warnings: [] }
    : { problems: [], warnings: words([...loaded.warnings]) };
}

const LISTEN = 'listen: { smtp: {}, portal: {} }\n';
const pair = (cert: string, key: string) => `${LISTEN}certificates: { portal: { cert: ${cert}, key: ${key} } }\n`;

test('a pair that fits, is valid and names the host is taken without a word', async () => {
  const text = `${pair('good.pem', 'good.key')}portal: { url: "https://secure.clinic.example" }\n`;
  expect(await check(text)).toEqual({ problems: [], warnings: [] });
});

test.each([
  ['good.pem', 'other.key', 'key: other.key is not the key of that certificate'],
  ['good.key', 'good.pem', 'cert: good.key holds a private key, not a certificate'],
  ['good.pem', 'good.pem', 'key: good.pem holds a certificate, not a private key'],
  ['text.pem', 'good.key', 'cert: text.pem holds no whole PEM certificate'],
  ['cut.pem', 'good.key', 'cert: cut.pem holds no whole PEM certificate'],
  ['bent.pem', 'good.key', 'cert: bent.pem certificate 1 in it cannot be read'],
  ['good.pem', 'text.pem', 'key: text.pem holds no PEM private key (BEGIN PRIVATE KEY)'],
  ['good.pem', 'locked.key', 'key: locked.key asks for a passphrase; keep the key without one, mode 0600'],
  ['good.pem', 'bent.key', 'key: bent.key holds a private key that cannot be read'],
])('%s with %s: %s', async (cert, key, said) => {
  put('text.pem', 'my certificate\n');
  put('cut.pem', good.cert.slice(0, 300));
  put('bent.pem', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
  put('bent.key', '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n');
  put('locked.key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n');
  const { problems } = await check(pair(cert, key));
  expect(problems).toEqual([expect.stringContaining(`certificates.portal.${said}`)]);
});

test('dates and names are warnings: mail goes on', async () => {
  const text = `${pair('good.pem', 'good.key')}portal: { url: "https://mail.clinic.example" }\n`;
  const [name] = (await check(text)).warnings;
  expect(name).toBe(
    'certificates.portal.cert: good.pem does not name mail.clinic.example (portal.url): browsers and mail servers refuse it there',
  );
  expect((await check(text, 5_000 * DAY)).warnings.join()).toMatch(/good\.pem expired on \d{4}-\d\d-\d\d: browsers/);
  expect((await check(text, -5_000 * DAY)).warnings.join()).toMatch(/good\.pem is valid only from \d{4}-\d\d-\d\d on/);
});

test('an address is named as one, also by the self-made certificate', async () => {
  const made = selfMadeCertificate('127.0.0.1', Date.now());
  put('made.pem', made.cert);
  put('made.key', made.key);
  const text = (host: string) => `${pair('made.pem', 'made.key')}portal: { url: "https://${host}" }\n`;
  expect(await check(text('127.0.0.1'))).toEqual({ problems: [], warnings: [] });
  expect((await check(text('[::1]'))).warnings.join()).toContain('does not name ::1 (portal.url)');
});

test('the listeners’ certificate names the portal’s host where it has none of its own', async () => {
  const text = `${LISTEN}certificates: { files: { cert: good.pem, key: good.key } }\n`;
  expect((await check(text)).warnings).toEqual([]);
  const url = 'portal: { url: "https://pick.clinic.example" }\n';
  expect((await check(text + url)).warnings.join()).toContain('does not name pick.clinic.example (portal.url)');
});

test('links that lead elsewhere than the listener', async () => {
  const at = (port: number, rest: string) => `listen: { smtp: {}, portal: { port: ${port} } }\n${rest}`;
  expect((await check(at(8443, 'portal: { url: "https://secure.clinic.example:8443" }\n'))).warnings).toEqual([]);
  expect((await check(at(8443, 'portal: { url: "https://secure.clinic.example" }\n'))).warnings).toEqual([
    expect.stringMatching(/^portal\.url: links lead to port 443 .* listen\.portal is on 8443/),
  ]);
  expect((await check(at(8443, ''))).warnings).toEqual([
    expect.stringMatching(/^listen\.portal\.port: links lead to port 443 \(https:\/\/gw\.clinic\.example\)/),
  ]);
  expect((await check('listen: { smtp: {} }\nportal: { url: "https://secure.clinic.example" }\n')).warnings).toEqual([
    'portal.url: there is no listen.portal: nobody can follow a link',
  ]);
});

test('an authority for S/MIME that is none', async () => {
  put('text.pem', 'my certificate\n');
  const text = 'listen: { smtp: {} }\nprotection: { smime: { roots: [good.pem, text.pem] } }\n';
  expect((await check(text)).problems).toEqual(['protection.smime.roots[1]: text.pem holds no whole PEM certificate']);
});
