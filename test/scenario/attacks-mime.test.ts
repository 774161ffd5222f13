// MIME that is a bomb, or that two readers would read differently, through a whole gateway: it is never taken for read. Here
// what was not read is held; what policy makes of it is the operator's.

import { openWorld, SENDER, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - { name: phi, when: { finding: { phi: true } }, then: hold }
  - { name: not read, when: { coverage: [partial, unreadable] }, then: hold }
  - { name: rest, then: { deliver: [{ tls: may }] } }
`;
const NUMBERS = 'MRN 00482913, born 04/12/1961, SSN 536-22-1847: the diagnosis of type 2 diabetes stands.';

let world: World;
beforeAll(async () => {
  world = await openWorld({ policy: POLICY, domains: { 'good.test': 'usual' } });
}, 60_000);
afterAll(() => world?.close());

const message = (...lines: readonly string[]): string =>
  [
    `From: ${SENDER}`,
    'To: ann@good.test',
    'Subject: x',
    `Message-ID: <${Math.random()}@clinic.test>`,
    'MIME-Version: 1.0',
    ...lines,
    '',
  ].join('\r\n');
const mixed = (...lines: readonly string[]): string =>
  message('Content-Type: multipart/mixed; boundary=b', '', ...lines);
const part = (...lines: readonly string[]): string => ['--b', ...lines].join('\r\n');

function depth(n: number): string {
  const open = Array.from(
    { length: n },
    (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`,
  );
  return message('Content-Type: multipart/mixed; boundary=b0', '', `${open.join('')}--b${n}\r\n\r\nx`);
}

async function decided(
  data: string,
): Promise<{ rule: string | undefined; state: string | undefined; coverage: unknown }> {
  const id = await world.send({ to: ['ann@good.test'], data });
  const view = await world.reaches(id, 'held').catch(() => world.show(id));
  const [delivery] = view.deliveries;
  return {
    rule: delivery?.rule ?? undefined,
    state: delivery?.state,
    coverage: (view as { coverage?: unknown }).coverage,
  };
}

test('control: what can be read and holds nothing leaves', async () => {
  const id = await world.send({
    to: ['ann@good.test'],
    data: mixed(part('', 'lunch'), part('Content-Type: text/html', '', '<p>x'), '--b--'),
  });
  await world.reaches(id, 'delivered');
});

test('5 MB of < is a text like others', async () => {
  const data = message('Content-Type: text/html', '', `${'<'.repeat(900)}\r\n`.repeat(5_800));
  await world.reaches(await world.send({ to: ['ann@good.test'], data }), 'delivered');
});

test.each<[row: string, data: () => string]>([
  ['20,000 multiparts inside each other', () => depth(20_000)],
  ['messages inside each other', () => message(...Array(200).fill('Content-Type: message/rfc822\r\n'), '', 'x')],
  ['200,000 parts', () => mixed(`${'--b\r\n\r\nx\r\n'.repeat(200_000)}--b--`)],
  [
    '100,000 attachments',
    () => mixed(`${'--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n'.repeat(100_000)}--b--`),
  ],
])(
  'a bomb, %s: not read',
  async (_, data) => {
    expect(await decided(data())).toMatchObject({ state: 'held', rule: 'not read' });
  },
  60_000,
);

test.each<[row: string, data: string]>([
  ['a boundary that never comes', mixed('--c', '', 'x', '--c--')],
  ['a boundary that is not closed', mixed(part('', 'x'))],
  ['a boundary that begins another one', mixed(part('', 'x'), '--bb', '', 'y', '--b--')],
  ['two Content-Types', message('Content-Type: text/plain', 'Content-Type: text/html', '', 'x')],
  ['two encodings', message('Content-Transfer-Encoding: base64', 'Content-Transfer-Encoding: 7bit', '', 'eA==')],
  [
    'a boundary by RFC 2231',
    message('Content-Type: multipart/mixed; boundary*0=b; boundary*1=c', '', '--bc', '', 'x', '--bc--'),
  ],
  [
    'a boundary in a comment',
    message('Content-Type: multipart/mixed; (boundary=c) boundary=b', '', part('', 'x'), '--b--'),
  ],
  [
    'a multipart in base64',
    message(
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Transfer-Encoding: base64',
      '',
      part('', 'x'),
      '--b--',
    ),
  ],
  ['an encoding that nobody knows', message('Content-Transfer-Encoding: x-uuencode', '', 'begin 644 a', 'end')],
  ['base64 that is none', message('Content-Transfer-Encoding: base64', '', 'eA=eA*=')],
  ['UTF-7', message('Content-Type: text/plain; charset=utf-7', '', '+AGEAYg-')],
  ['a subject in UTF-7', message('X-Note: =?utf-7?q?+AGEAYg-?=', '', 'x')],
  ['UUencode in a text', message('', 'begin 644 a.doc', '#86)C', '`', 'end')],
  ['yEnc in a text', message('', '=ybegin line=128 size=3 name=a', 'abc', '=yend size=3')],
  ['TNEF', mixed(part('Content-Type: application/ms-tnef; name=winmail.dat', '', 'eJ8+'), '--b--')],
  ['an armoured ciphertext', message('', '-----BEGIN PGP MESSAGE-----', '', 'xA==', '-----END PGP MESSAGE-----')],
  [
    'a ZIP',
    mixed(
      part('Content-Type: application/zip', 'Content-Transfer-Encoding: base64', '', 'UEsDBBQAAQAIAAAAAAAAAAAA'),
      '--b--',
    ),
  ],
  ['a PDF that says it is a text', message('Content-Type: text/plain', '', '%PDF-1.7')],
  [
    'UTF-16 that says it is ASCII',
    message('Content-Type: text/plain', 'Content-Transfer-Encoding: base64', '', 'ZgBvAG8AIABiAGEAcgA='),
  ],
  ['a part of a message', message('Content-Type: message/partial; id=a; number=1; total=2', '', 'x')],
  [
    'a body elsewhere',
    message('Content-Type: message/external-body; access-type=URL; URL="http://127.0.0.1/"', '', 'x'),
  ],
])('%s: not read', async (_, data) => {
  expect(await decided(data)).toMatchObject({ state: 'held', rule: 'not read' });
});

test.each<[row: string, data: string]>([
  ['before the first boundary', mixed(NUMBERS, part('', 'x'), '--b--')],
  ['behind the last boundary', mixed(part('', 'x'), '--b--', NUMBERS)],
  ['in a message in a message', mixed(part('Content-Type: message/rfc822', '', 'Subject: y', '', NUMBERS), '--b--')],
  [
    'in a message in base64',
    mixed(
      part(
        'Content-Type: message/rfc822',
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from(`Subject: y\r\n\r\n${NUMBERS}`).toString('base64'),
      ),
      '--b--',
    ),
  ],
  [
    'in quoted-printable, cut amid each number',
    message('Content-Transfer-Encoding: quoted-printable', '', NUMBERS.replace(/(\d\d)(\d)/g, '$1=\r\n$2')),
  ],
  ['in HTML, cut by tags', message('Content-Type: text/html', '', NUMBERS.replace(/(\d\d)(\d)/g, '$1<b></b>$2'))],
  [
    'in HTML, in entities',
    message(
      'Content-Type: text/html',
      '',
      NUMBERS.replace(/\d/g, (digit) => `&#x3${digit};`),
    ),
  ],
  ['in a comment of HTML', message('Content-Type: text/html', '', `<p>x</p><!-- ${NUMBERS} -->`)],
  [
    'in full-width digits',
    message(
      'Content-Type: text/plain; charset=utf-8',
      '',
      Buffer.from(NUMBERS.replace(/\d/g, (d) => String.fromCharCode(0xff10 + Number(d)))).toString('latin1'),
    ),
  ],
  [
    'with zero-width spaces',
    message(
      'Content-Type: text/plain; charset=utf-8',
      '',
      Buffer.from(NUMBERS.replace(/(\d)(\d)/g, '$1\u200b$2')).toString('latin1'),
    ),
  ],
  [
    'in UTF-16',
    message(
      'Content-Type: text/plain; charset=utf-16le',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(NUMBERS, 'utf16le').toString('base64').replace(/.{76}/g, '$&\r\n'),
    ),
  ],
])('what is %s is found', async (_, data) => {
  expect(await decided(data)).toMatchObject({ state: 'held', rule: 'phi' });
});
