// DKIM against the standards' own examples and Debian's signer, and what does not count as proof though it verifies.

import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headerEnd, parseHeader } from '../../../../src/mail/header.ts';
import { BodyHash, type Canonicalization } from '../../../../src/trust/dkim/body.ts';
import { canonicalField } from '../../../../src/trust/dkim/header.ts';
import { readKey } from '../../../../src/trust/dkim/key.ts';
import { parseTags } from '../../../../src/trust/dkim/tags.ts';
import { startVerification } from '../../../../src/trust/dkim/verify.ts';
import { pieces } from '../../../fuzz/target.ts';
import { find, testWith } from '../../../support/programs.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const SECONDS = NOW / 1_000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const edwards = generateKeyPairSync('ed25519');
const p = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64');
const RSA_RECORD = `v=DKIM1; k=rsa; p=${p(rsa.publicKey)}`;
const ED_RECORD = `v=DKIM1; k=ed25519; p=${edwards.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')}`;

/** Outcomes in words: `pass clinic.example`, `fail clinic.example: expired`. */
async function verified(
  message: string | Buffer,
  records: Readonly<Record<string, string | readonly string[] | 'unknown'>>,
  domains = ['clinic.example'],
  now = NOW,
): Promise<string[]> {
  const bytes = typeof message === 'string' ? Buffer.from(message, 'latin1') : message;
  const size = headerEnd(bytes);
  const asked: string[] = [];
  const verification = startVerification(
    parseHeader(bytes.subarray(0, size)),
    new Set(domains),
    async (name) => {
      asked.push(name);
      const found = records[name] ?? [];
      return found === 'unknown' ? found : typeof found === 'string' ? [found] : found;
    },
    now,
  );
  for (const piece of pieces(bytes.subarray(size), 7, 40)) verification.body(piece);
  const outcomes = await verification.end();
  expect(asked.length).toBeLessThanOrEqual(5);
  return outcomes.map((one) => `${one.outcome} ${one.domain}${'reason' in one ? `: ${one.reason}` : ''}`);
}

const BODY = 'Your  results \tare here. \r\n\r\n\r\n';
const HEAD = [
  'From: Lee <lee@clinic.example>',
  'To: pat@there.example',
  'Subject: A   long',
  '\tsubject ',
  'Date: Tue, 24 Nov 2026 11:00:00 +0000',
  'Message-ID: <1@clinic.example>',
  '',
].join('\r\n');

type Made = {
  readonly tags?: Readonly<Record<string, string | null>>;
  readonly key?: KeyObject;
  readonly head?: string;
  readonly body?: string;
};

/** A signer of its own, relaxed/relaxed and as plain as it can be; written from the standard, not from src. */
function signed({ tags = {}, key = rsa.privateKey, head = HEAD, body = BODY }: Made = {}): string {
  const relaxedBody = body
    .replace(/[ \t]+/g, ' ')
    .replace(/ \r\n/g, '\r\n')
    .replace(/(\r\n)*$/, '\r\n');
  const bh = createHash('sha256').update(relaxedBody, 'latin1').digest('base64');
  const all: Record<string, string | null> = {
    ...{ v: '1', a: key === rsa.privateKey ? 'rsa-sha256' : 'ed25519-sha256', c: 'relaxed/relaxed' },
    ...{ d: 'clinic.example', s: 'sel', t: `${SECONDS - 60}`, h: 'From:To:Subject:Date:Message-ID', bh, ...tags },
  };
  const value = Object.entries(all)
    .flatMap(([name, one]) => (one === null ? [] : [`${name}=${one}`]))
    .join('; ');
  const relaxed = (field: string) => {
    const [, name = '', rest = ''] = /^([^:]*):([\s\S]*)$/.exec(field) ?? [];
    return `${name.toLowerCase().trim()}:${rest
      .replace(/\r\n/g, '')
      .replace(/[ \t]+/g, ' ')
      .trim()}`;
  };
  const fields = head.split(/\r\n(?![ \t])/).filter((one) => one !== '');
  const data = (all.h ?? '').split(':').map((name) => {
    const at = fields.findLastIndex((one) => one.toLowerCase().startsWith(`${name.trim().toLowerCase()}:`));
    return at < 0 ? '' : `${relaxed(fields.splice(at, 1)[0] ?? '')}\r\n`;
  });
  const octets = Buffer.from(`${data.join('')}dkim-signature:${value}; b=`, 'latin1');
  const isRsa = key.asymmetricKeyType === 'rsa';
  const signature = isRsa ? sign('sha256', octets, key) : sign(null, createHash('sha256').update(octets).digest(), key);
  return `DKIM-Signature: ${value};\r\n b=${signature.toString('base64').replace(/(.{60})/g, '$1\r\n\t')}\r\n${head}\r\n${body}`;
}

const AT = 'sel._domainkey.clinic.example';

describe('examples of the standards', () => {
  test('canonical forms (RFC 6376 §3.4.5)', () => {
    const [a, b] = ['A: X\r\n', 'B : Y\t\r\n\tZ  \r\n'];
    expect([a, b].map((one) => canonicalField(one, 'relaxed'))).toEqual(['a:X\r\n', 'b:Y Z\r\n']);
    expect([a, b].map((one) => canonicalField(one, 'simple'))).toEqual([a, b]);
    const body = ' C \r\nD \t E\r\n\r\n\r\n';
    expect(hash('relaxed', body)).toBe(sha256(' C\r\nD E\r\n'));
    expect(hash('simple', body)).toBe(sha256(' C \r\nD \t E\r\n'));
  });

  test('an empty body (§3.4.3, §3.4.4)', () => {
    expect(hash('simple', '')).toBe('frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=');
    expect(hash('relaxed', '')).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
    expect(hash('relaxed', ' \r\n\t\r\n')).toBe(hash('relaxed', ''));
  });

  test('RFC 8463, appendix A: Ed25519 and RSA over one message', async () => {
    const message = [
      ...[
        'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
        ' d=football.example.com; i=@football.example.com;',
      ],
      ...[
        ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
        ' subject : date : message-id : from : subject : date;',
      ],
      ...[
        ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
        ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
      ],
      ...[' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==', 'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;'],
      ...[
        ' d=football.example.com; i=@football.example.com;',
        ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
      ],
      ...[' date : message-id : from : subject : date;', ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;'],
      ...[
        ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3',
        ' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
      ],
      ...[' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8='],
      ...[
        'From: Joe SixPack <joe@football.example.com>',
        'To: Suzie Q <suzie@shopping.example.net>',
        'Subject: Is dinner ready?',
      ],
      ...[
        'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
        'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
        '',
      ],
      ...['Hi.', '', 'We lost the game.  Are you hungry yet?', '', 'Joe.', ''],
    ].join('\r\n');
    const records = {
      'brisbane._domainkey.football.example.com': 'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
      'test._domainkey.football.example.com':
        'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
    };
    const domain = 'football.example.com';
    expect(await verified(message, records, [domain], 1_528_637_910_000)).toEqual([`pass ${domain}`, `pass ${domain}`]);
    expect(await verified(message.replace('Are you', 'are you'), records, [domain], 1_528_637_910_000)).toEqual([
      `fail ${domain}: the body was changed`,
      `fail ${domain}: the body was changed`,
    ]);
  });
});

test('what was signed passes; a change of what is covered does not', async () => {
  expect(await verified(signed(), { [AT]: RSA_RECORD })).toEqual(['pass clinic.example']);
  expect(await verified(signed({ key: edwards.privateKey }), { [AT]: ED_RECORD })).toEqual(['pass clinic.example']);
  const message = signed();
  const bad = (from: string, to: string) => verified(message.replace(from, to), { [AT]: RSA_RECORD });
  expect(await bad('results', 'result')).toEqual(['fail clinic.example: the body was changed']);
  expect(await bad('A   long', 'A short')).toEqual(['fail clinic.example: it does not fit the header section']);
  expect(await bad('A   long', 'A long')).toEqual(['pass clinic.example']);
  // The one added on top is not covered: whose mail it is must ask that there is one only.
  expect(await bad('From: Lee', 'From: Eve <eve@evil.example>\r\nFrom: Lee')).toEqual(['pass clinic.example']);
});

test('what does not count, though it verifies', async () => {
  const cases: readonly (readonly [Readonly<Record<string, string | null>>, string])[] = [
    [{ l: '10' }, 'covers part of the body (l=)'],
    [{ a: 'rsa-sha1' }, 'SHA-1'],
    [{ a: 'rsa-md5' }, 'unknown algorithm'],
    [{ v: '2' }, 'malformed'],
    [{ c: 'relaxed/strict' }, 'unknown canonicalization'],
    [{ q: 'http' }, 'unknown query method'],
    [{ h: 'To:Subject:Date' }, 'does not cover From'],
    [{ i: '@other.example' }, 'i= is not of d='],
    [{ x: `${SECONDS - 1}` }, 'expired'],
    [{ t: `${SECONDS - 86_401}` }, 'older than 24 hours'],
    [{ t: `${SECONDS + 3_700}` }, 'dated in the future'],
    [{ t: 'soon' }, 'malformed'],
    [{ t: null, h: 'From:Subject' }, 'without a time that it covers'],
    [{ s: 'a b' }, 'malformed'],
  ];
  for (const [tags, reason] of cases)
    expect([tags, await verified(signed({ tags }), { [AT]: RSA_RECORD })]).toEqual([
      tags,
      [`fail clinic.example: ${reason}`],
    ]);
  const old = HEAD.replace('24 Nov', '22 Nov');
  expect(await verified(signed({ tags: { t: null }, head: old }), { [AT]: RSA_RECORD })).toEqual([
    'fail clinic.example: older than 24 hours',
  ]);
  for (const tags of [{ t: null }, { x: `${SECONDS + 60}` }, { i: 'lee@sub.clinic.example' }, { q: 'dns/txt' }])
    expect(await verified(signed({ tags }), { [AT]: RSA_RECORD })).toEqual(['pass clinic.example']);
});

test('keys', async () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 768 }).publicKey;
  const pkcs1 = rsa.publicKey.export({ type: 'pkcs1', format: 'der' }).toString('base64');
  const record = (rest: string) => `v=DKIM1; ${rest}; p=${p(rsa.publicKey)}`;
  const cases: readonly (readonly [string | readonly string[], string])[] = [
    ['v=DKIM1; p=', 'fail clinic.example: key was revoked'],
    ['v=DKIM2; p=AAAA', 'fail clinic.example: key record is malformed'],
    [`p=${p(rsa.publicKey)}; v=DKIM1`, 'fail clinic.example: key record is malformed'],
    ['anything', 'fail clinic.example: key record is malformed'],
    ['p=AAAA', 'fail clinic.example: key is malformed'],
    [`p=${p(small)}`, 'fail clinic.example: key has less than 1024 bits'],
    [ED_RECORD, 'fail clinic.example: key is of another kind'],
    [record('h=sha1'), 'fail clinic.example: key is not for SHA-256'],
    [record('s=web'), 'fail clinic.example: key is not for mail'],
    [record('t=y'), 'fail clinic.example: key is in testing mode (t=y)'],
    [[], 'fail clinic.example: there is no key'],
    [[RSA_RECORD, RSA_RECORD], 'fail clinic.example: there are several keys'],
    [[], 'fail clinic.example: there is no key'],
    ['unknown', 'temporary clinic.example: its key cannot be looked up now'],
    [record('h=sha1:sha256; s=*; t=s; n=x'), 'pass clinic.example'],
    [`p=${pkcs1}`, 'pass clinic.example'],
    [`v = DKIM1 ; p = ${p(rsa.publicKey).replace(/(.{50})/g, '$1 ')};`, 'pass clinic.example'],
  ];
  for (const [found, expected] of cases) expect(await verified(signed(), { [AT]: found })).toEqual([expected]);
  const below = { algorithm: 'rsa', domain: 'clinic.example', identity: 'a.clinic.example' } as const;
  expect(readKey(record('t=s'), below)).toBe('key is not for subdomains (t=s)');
});

test('only signatures of the domains that are asked for are tried, five at most, and only their keys looked up', async () => {
  const own = signed();
  const field = own.slice(0, own.indexOf('\r\nFrom:') + 2);
  const other = field.replace('d=clinic.example', 'd=other.example');
  expect(await verified(`${other}${own}`, { [AT]: RSA_RECORD })).toEqual(['pass clinic.example']);
  expect(await verified(field.repeat(9) + own, { [AT]: RSA_RECORD })).toEqual(Array(5).fill('pass clinic.example'));
  expect(await verified(HEAD.concat('\r\n', BODY), {})).toEqual([]);
});

test('tag lists', () => {
  expect([...(parseTags(' a = 1 ;b=; c=x=y ; ') ?? [])]).toEqual([
    ['a', '1'],
    ['b', ''],
    ['c', 'x=y'],
  ]);
  for (const text of ['a', 'a=1; a=2', '=1', '1a=1', 'a=1;;b=2', 'a=\x07'])
    expect([text, parseTags(text)]).toEqual([text, null]);
});

function hash(kind: Canonicalization, body: string, cuts = 3): string {
  const hashing = new BodyHash(kind);
  for (const piece of pieces(Buffer.from(body, 'latin1'), 5, cuts)) hashing.update(piece);
  return hashing.digest().toString('base64');
}
function sha256(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('base64');
}

test('a body cut anywhere has the hash of the whole, and megabytes of blank lines take no room', () => {
  for (const kind of ['simple', 'relaxed'] as const) {
    const body = ' a \t b\r\n\r\n \r\nc\t\r\nd  \r\n\r\n\r\ne \r\n \t\r\n';
    for (let cuts = 1; cuts < 9; cuts++) expect(hash(kind, body, cuts)).toBe(hash(kind, body, 1_000));
    expect(hash(kind, `a\r\n${'\r\n'.repeat(1_000_000)}b\r\n`, 65_536)).toBe(
      sha256(`a\r\n${'\r\n'.repeat(1_000_000)}b\r\n`),
    );
    expect(hash(kind, `a\r\n${'\r\n'.repeat(1_000_000)}`, 65_536)).toBe(sha256('a\r\n'));
  }
});

describe('what Debian’s dkimsign signed', () => {
  const scenario = testWith(['dkimsign', '/usr/lib/python3/dist-packages/nacl']);
  for (const algorithm of ['rsa-sha256', 'ed25519-sha256'] as const) {
    for (const [header, body] of [
      ['simple', 'simple'],
      ['relaxed', 'relaxed'],
      ['simple', 'relaxed'],
    ] as const) {
      scenario(`${algorithm}, ${header}/${body}`, async () => {
        const folder = mkdtempSync(join(tmpdir(), 'sealrelay-dkim-'));
        try {
          const isRsa = algorithm === 'rsa-sha256';
          const seed = edwards.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32).toString('base64');
          writeFileSync(join(folder, 'key'), isRsa ? rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }) : seed);
          const args = ['sel', 'clinic.example', join(folder, 'key'), '--signalg', algorithm];
          const kinds = ['--hcanon', header, '--bcanon', body];
          const message = execFileSync(find('dkimsign') ?? '', [...args, ...kinds], { input: `${HEAD}\r\n${BODY}` });
          expect(message.toString('latin1')).toContain(`c=${header}/${body}`);
          const record = isRsa ? RSA_RECORD : ED_RECORD;
          expect(await verified(message, { [AT]: record }, ['clinic.example'], Date.now())).toEqual([
            'pass clinic.example',
          ]);
          const changed = Buffer.from(message.toString('latin1').replace('A   long', 'A  longer'), 'latin1');
          expect(await verified(changed, { [AT]: record }, ['clinic.example'], Date.now())).toEqual([
            'fail clinic.example: it does not fit the header section',
          ]);
        } finally {
          rmSync(folder, { recursive: true });
        }
      });
    }
  }
});
