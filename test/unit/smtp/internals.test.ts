// What src/smtp replaces or calls in smtp-server beyond its documented surface, held by the hash of its source text. A session of ours
// is only as safe as these parts are what they were when they were read.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import * as connection from 'smtp-server/lib/smtp-connection.js';
import tlsOptions from 'smtp-server/lib/tls-options.js';

const WHAT_TO_DO = `smtp-server changed where src/smtp depends on it. Before you write new hashes here:
1. Read the difference of the functions named (dist/esm of both versions) and its CHANGELOG.
2. replaced: does the new text do something that src/smtp/session.ts or listener.ts must now do itself (a bound, a check, a listener)?
3. used: are the socket, the parser and the fields _socket, _parser, _closing, _upgrading, _ready, secure, remoteAddress, remotePort set
   and cleared when they were? Does upgrade() still retire the parser of the clear session, call _armTimeout with the TLS socket before
   the handshake and _resetSession after it, and can nothing write in between? Does close() still bound a half-closed socket?
4. Run npm test -- test/dialogue test/contract/smtp-server, all green, then set VERSION and the hashes from the difference above.`;

const VERSION = '3.21.6';

/** Ours stands in its place. */
const REPLACED = {
  'SMTPConnection._armTimeout': 'b8bc04964752b32f',
  'SMTPConnection._createParser': '15ca8c360137e06a',
  'SMTPConnection._onClose': '097b8d221da5c5ad',
  'SMTPConnection._resetSession': '2bf7682ca13869a0',
  'SMTPConnection.close': '4b80aaabd134a732',
  'SMTPConnection.init': '1265a7d7ca8f5510',
  'SMTPConnection.send': 'c33568c0111a58b2',
  'SMTPServer.connect': '9818ea13a1c36459',
};

/** Ours calls it, or it runs between two parts of ours. */
const USED = {
  'SMTPConnection.constructor': 'b1cdb290baadcff9',
  'SMTPConnection._onCloseEvent': '66ef4e7f2f7250b0',
  'SMTPConnection._onError': 'ddcc47e46ea941e0',
  'SMTPConnection._refuse': '7f256c60bb62c27c',
  'SMTPConnection._setListeners': 'cf07ab6f47db09ac',
  'SMTPConnection.upgrade': '6a3fa8a3ee413745',
  'SMTPServer.constructor': '88948c3dec5d9851',
  'SMTPServer._acceptSocket': 'f4c69396f94c5c50',
  'SMTPServer._expectsProxyHeader': 'b900129fbb5a986c',
  'SMTPServer._handleProxy': 'b52456c48b0458fe',
  'SMTPServer._resolveSNI': '2552460a41b8377f',
  'SMTPServer._setListeners': '39220ba3884ce6ff',
  'SMTPServer.listen': '49ff231070e0c193',
  'SMTPServer.onClose': '76ebb64d11408250',
  'SMTPServer.onSecure': 'e7fd7542d67fb024',
  'SMTPServer.updateSecureContext': '643afa2b7bfe4d0d',
  createTLSSocketOptions: '9ce1bcf2ec240fcd',
  normalizeTLSError: '3048f100df4cf873',
  tlsOptions: '92355b3213faac9a',
  verifyPeerCertificate: 'de5408c9e412eadb',
};

type Class = { readonly name: string; readonly prototype: object };
const { SMTPConnection } = connection;
const CLASSES: Readonly<Record<string, Class>> = { SMTPConnection, SMTPServer };
const FUNCTIONS: Readonly<Record<string, unknown>> = { ...connection, tlsOptions };

/** Source text as it stands in the package; of a constructor, from its name to the first method. */
function textOf(name: string): string {
  const [owner = '', method] = name.split('.');
  if (method === undefined) return String(FUNCTIONS[owner]);
  const { prototype } = CLASSES[owner]!;
  const methods = Object.getOwnPropertyNames(prototype).filter((one) => one !== 'constructor');
  const find = (one: string): unknown => Object.getOwnPropertyDescriptor(prototype, one)?.value;
  if (method !== 'constructor') return String(find(method));
  const text = String(CLASSES[owner]);
  return text.slice(text.indexOf('constructor('), text.indexOf(String(find(methods[0]!))));
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Names whose text is not the one that was read. */
function changed(expected: Readonly<Record<string, string>>, text = textOf): string[] {
  return Object.entries(expected)
    .map(([name, hash]) => [name, hash, hashOf(text(name))] as const)
    .filter(([, hash, now]) => hash !== now)
    .map(([name, hash, now]) => `${name}: ${hash} → ${now}`);
}

test('is what it was when it was read', () => {
  const { version } = createRequire(import.meta.url)('smtp-server/package.json') as { version: string };
  const faults = [
    ...(version === VERSION ? [] : [`version: ${VERSION} → ${version}`]),
    ...changed(REPLACED).map((one) => `replaced ${one}`),
    ...changed(USED).map((one) => `used ${one}`),
  ];
  if (faults.length > 0) throw new Error(`${WHAT_TO_DO}\n\n${faults.join('\n')}`);
});

test('one changed character is seen, and a part that is gone', () => {
  const upgrade = { 'SMTPConnection.upgrade': USED['SMTPConnection.upgrade'] };
  expect(changed(upgrade)).toEqual([]);
  expect(changed(upgrade, (name) => textOf(name).replace('isClosed = true', 'isClosed = !0'))).toHaveLength(1);
  expect(changed({ 'SMTPConnection._gone': hashOf('function') })).toHaveLength(1);
});

test('each constructor is whole', () => {
  expect(textOf('SMTPConnection.constructor')).toContain('this._closed = false;');
  expect(textOf('SMTPServer.constructor')).toContain('this._setListeners();');
});

// What ours touches is read from ours, so that this list cannot fall behind.
test('all that session.ts and listener.ts override or call stands in a list', () => {
  const listed = new Set(Object.keys({ ...REPLACED, ...USED }));
  const uses = (file: string, owner: Class, pattern: RegExp): string[] => {
    const text = readFileSync(join(import.meta.dirname, '../../../src/smtp', file), 'utf8');
    const names = [...text.matchAll(pattern)].map((match) => match[1]!);
    const own = names.filter((name) => typeof (owner.prototype as Record<string, unknown>)[name] === 'function');
    return [...new Set(own.filter((name) => Object.hasOwn(owner.prototype, name)))].map(
      (name) => `${owner.name}.${name}`,
    );
  };
  const found = [
    ...uses('session.ts', SMTPConnection, /(?:override |this\.|super\.)(\w+)\(/g),
    ...uses('listener.ts', SMTPServer as unknown as Class, /(?:override |(?<!server\.)server\.|super\.)(\w+)\(/g),
  ];
  expect(found.length).toBeGreaterThan(8);
  expect(found.filter((name) => !listed.has(name))).toEqual([]);
});
