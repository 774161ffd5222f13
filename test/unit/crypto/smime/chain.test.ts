import { chainProblem } from '../../../../src/crypto/smime/chain.ts';
import { context, NULL, sequence, tlv } from '../../../../src/crypto/smime/der.ts';
import { PURPOSE, X509 } from '../../../../src/crypto/smime/oids.ts';
import {
  extension,
  type MailCertificate,
  type MailCertificateOptions,
  mailCertificate,
} from '../../../support/mail-pki.ts';

const now = Date.now();
const DAY = 86_400_000;
const root = mailCertificate({ name: 'Root', authority: true });
const middle = mailCertificate({ name: 'Middle', authority: true, issuer: root });

/** A leaf below an authority below the root, one of them made otherwise. */
function judge(
  other: {
    leaf?: Partial<MailCertificateOptions>;
    middle?: Partial<MailCertificateOptions>;
    root?: Partial<MailCertificateOptions>;
  },
  at = now,
): string | null {
  const top = mailCertificate({ name: 'Top', authority: true, ...other.root });
  const between = mailCertificate({ name: 'Between', authority: true, issuer: top, ...other.middle });
  const leaf = mailCertificate({ name: 'Leaf', addresses: ['ana@a.example.org'], issuer: between, ...other.leaf });
  return chainProblem(leaf.der, [between.der], [top.der], at);
}

const mailName = (text: string) => sequence(tlv(context(1, false), Buffer.from(text)));
const subtrees = (number: 0 | 1, ...bases: Buffer[]) => tlv(context(number), ...bases);
const constraints = (...parts: Buffer[]) => ({ more: [extension(X509.nameConstraints, sequence(...parts), true)] });
const directory = (certificate: MailCertificate) => sequence(tlv(context(4), certificate.subject));
const expired = { from: new Date(now - 3 * DAY), until: new Date(now - DAY) };
const future = { from: new Date(now + DAY) };

test.each<[string | null, Parameters<typeof judge>[0]]>([
  [null, {}],
  [null, { leaf: { key: 'RSA 2048' }, middle: { key: 'RSA 2048' }, root: { key: 'P-384' } }],
  ['it has expired', { leaf: expired }],
  ['it is not valid yet', { leaf: future }],
  ['a certificate of its chain has expired', { middle: expired }],
  ['a certificate of its chain has expired', { root: expired }],
  ['a certificate of its chain is not valid yet', { middle: future }],
  ['its issuer is no authority', { middle: { authority: false, usage: null } }],
  ['its issuer is not known', { middle: { usage: 0x80 } }],
  [null, { root: { authority: 1 }, middle: { authority: 0 } }],
  ['an authority of its chain may not have others below it', { root: { authority: 0 } }],
  ['an authority of its chain is not for mail', { middle: { purposes: ['1.3.6.1.5.5.7.3.1'] } }],
  [null, { middle: { purposes: [PURPOSE.any] }, root: { purposes: ['1.3.6.1.5.5.7.3.1'] } }],
  ['an authority of its chain is too weak: RSA with 1024 bits', { middle: { key: 'RSA 1024' } }],
  ['an authority of its chain is too weak: RSA with 1024 bits', { root: { key: 'RSA 1024' } }],
  ['an authority of its chain is too weak: signed with SHA-1', { middle: { hash: 'sha1' } }],
  [null, { root: { hash: 'sha1' } }],
  ['it has a critical extension that is not known', { leaf: { more: [extension('1.2.3.4', NULL, true)] } }],
  [null, { leaf: { more: [extension('1.2.3.4', NULL)] } }],
  [
    'an authority of its chain has a critical extension that is not known',
    { middle: { more: [extension('1.2.3.4', NULL, true)] } },
  ],
  // OpenSSL takes an authority with an extension that is no DER for none.
  ['its issuer is not known', { middle: { more: [extension(X509.nameConstraints, NULL, true)] } }],
])('%s (%#)', (problem, other) => {
  expect(judge(other)).toBe(problem);
});

const NAMES = 'an authority of its chain may not issue for its names';
test.each<[string | null, string, MailCertificateOptions['more']]>([
  [null, 'its host', constraints(subtrees(0, mailName('a.example.org'))).more],
  [null, 'hosts below', constraints(subtrees(0, mailName('.Example.org'))).more],
  [null, 'its mailbox', constraints(subtrees(0, mailName('b@x.org'), mailName('ana@a.example.org'))).more],
  [null, 'host names only', constraints(subtrees(0, sequence(tlv(context(2, false), Buffer.from('x.org'))))).more],
  [NAMES, 'the host above', constraints(subtrees(0, mailName('example.org'))).more],
  [NAMES, 'another host', constraints(subtrees(0, mailName('.ample.org'), mailName('x.org'))).more],
  [
    NAMES,
    'it excluded',
    constraints(subtrees(0, mailName('.example.org')), subtrees(1, mailName('a.example.org'))).more,
  ],
  [NAMES, 'all excluded', constraints(subtrees(1, mailName(''))).more],
  [null, 'its name', constraints(subtrees(0, directory(mailCertificate({ name: 'LEAF' })))).more],
  [NAMES, 'another name', constraints(subtrees(0, directory(root))).more],
  [NAMES, 'its name excluded', constraints(subtrees(1, directory(mailCertificate({ name: ' leaf' })))).more],
])('name constraints: %s for %s', (problem, _, more) => {
  expect(judge({ middle: { more: more! } })).toBe(problem);
});

test('where it ends', () => {
  const leaf = mailCertificate({ name: 'Leaf', issuer: middle });
  const other = mailCertificate({ name: 'Other', authority: true });
  const problem = (issuers: MailCertificate[], roots: MailCertificate[], one = leaf) =>
    chainProblem(
      one.der,
      issuers.map(({ der }) => der),
      roots.map(({ der }) => der),
      now,
    );
  expect(problem([middle], [other, root])).toBeNull();
  // An authority that is trusted itself need not lead further; one that is no root of its own neither.
  expect(problem([], [middle])).toBeNull();
  expect(problem([middle, root], [other])).toBe('it ends at an authority that is not among the configured roots');
  expect(problem([middle], [])).toBe('an issuer in its chain is not known');
  expect(problem([root], [root])).toBe('its issuer is not known');
  expect(problem([], [])).toBe('its issuer is not known');
  expect(problem([], [leaf])).toBeNull();
  const self = mailCertificate({ name: 'Self' });
  expect(problem([], [], self)).toBe('it ends at an authority that is not among the configured roots');
  expect(problem([], [self], self)).toBeNull();
  const old = mailCertificate({ name: 'Old', ...expired });
  expect(problem([], [old], old)).toBe('it has expired');
});

test('the same name and another key is not the issuer', () => {
  const impostor = mailCertificate({ name: 'Middle', authority: true });
  const leaf = mailCertificate({ name: 'Leaf', issuer: impostor });
  expect(chainProblem(leaf.der, [middle.der], [root.der], now)).toBe('a signature in its chain is wrong');
  // Beside the right one it does no harm.
  const good = mailCertificate({ name: 'Leaf', issuer: middle });
  expect(chainProblem(good.der, [impostor.der, middle.der], [root.der], now)).toBeNull();
});

test('authorities that certify each other end', () => {
  const a = mailCertificate({ name: 'A', authority: true });
  const b = mailCertificate({ name: 'B', authority: true });
  const crossed = [
    mailCertificate({ name: 'A', authority: true, issuer: b }),
    mailCertificate({ name: 'B', authority: true, issuer: a }),
  ];
  const leaf = mailCertificate({ name: 'Leaf', issuer: a });
  const issuers = [...crossed, ...crossed, a, b].map(({ der }) => der);
  expect(chainProblem(leaf.der, issuers, [root.der], now)).not.toBeNull();
});

test('a chain of any length, and too many ways, end in words', () => {
  let last = root;
  const long = Array.from({ length: 12 }, (_, i) => {
    last = mailCertificate({ name: `Level ${i}`, authority: true, issuer: last });
    return last.der;
  });
  const leaf = mailCertificate({ name: 'Leaf', issuer: last });
  expect(chainProblem(leaf.der, long, [root.der], now)).toBe('its chain is too long');
  const many = Array.from(
    { length: 120 },
    () => mailCertificate({ name: 'Middle', authority: true, issuer: root }).der,
  );
  const other = mailCertificate({ name: 'Leaf', issuer: middle });
  expect(chainProblem(other.der, many, [root.der], now)).toBe('its chain is too long');
});

test('what is no certificate', () => {
  expect(chainProblem(Buffer.from('x'), [], [root.der], now)).toBe('a certificate of its chain is damaged');
  const leaf = mailCertificate({ name: 'Leaf', issuer: middle });
  expect(chainProblem(leaf.der, [Buffer.from('x'), middle.der], [Buffer.alloc(0), root.der], now)).toBeNull();
});
