// winmail.dat through a whole gateway: what it holds decides what becomes of the mail, and what cannot be read of it is not
// taken for clean. Our encoder is checked by Debian's `tnef`, which other people's mail is read with.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTnef } from '../../src/mail/tnef/stream.ts';
import { testWith } from '../support/programs.ts';
import { compressRtf, PR, type TnefMessage, tnef } from '../support/tnef.ts';
import { openWorld, PHI, SENDER, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - { name: phi, when: { finding: { phi: true } }, then: hold }
  - { name: not read, when: { coverage: [partial, unreadable] }, then: hold }
  - { name: rest, then: { deliver: [{ tls: may }] } }
`;
const ROWS = Buffer.from('mrn,dob,diagnosis\r\n00482913,04/12/1961,E11.9\r\n00482914,05/12/1962,I10\r\n');
const LUNCH: TnefMessage = {
  subject: 'Lunch',
  properties: [
    [PR.body, 'See you at noon.'],
    [PR.rtf, compressRtf('{\\rtf1\\ansi\\fromhtml1{\\*\\htmltag64 <p>}See you at noon.{\\*\\htmltag72 </p>}}')],
    [PR.internetCodePage, 65001],
  ],
  recipients: [[[PR.displayName, 'Ann']]],
  attachments: [{ title: 'menu.txt', data: Buffer.from('soup, salad') }],
};
const FULL: TnefMessage = {
  ...LUNCH,
  body: 'The body.',
  properties: [...(LUNCH.properties ?? []), [PR.html, Buffer.from('<p>The body.</p>')]],
  attachments: [
    { title: 'LAB~1.CSV', data: ROWS, properties: [[PR.attachLongName, 'lab results.csv']] },
    { title: 'inner.bin', properties: [[PR.attachData, { message: tnef(LUNCH) }]] },
    { title: 'octets.bin', data: Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) & 255)) },
  ],
};

let world: World;
const folder = mkdtempSync(join(tmpdir(), 'sealrelay-tnef-'));
beforeAll(async () => {
  world = await openWorld({ policy: POLICY, domains: { 'good.test': 'usual' } });
}, 60_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await world?.close();
});

async function send(stream: Buffer): Promise<string> {
  const data = [
    ...[`From: ${SENDER}`, 'To: ann@good.test', 'Subject: x', `Message-ID: <${Math.random()}@clinic.test>`],
    ...['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'Hello.', '--b'],
    ...[
      'Content-Type: application/ms-tnef; name="winmail.dat"',
      'Content-Disposition: attachment; filename="winmail.dat"',
    ],
    ...['Content-Transfer-Encoding: base64', '', stream.toString('base64').replace(/.{76}/g, '$&\r\n'), '--b--', ''],
  ];
  return await world.send({ to: ['ann@good.test'], data: data.join('\r\n') });
}

async function held(stream: Buffer): Promise<string | undefined> {
  const id = await send(stream);
  const view = await world.reaches(id, 'held');
  return view.deliveries[0]?.rule ?? undefined;
}

test('one that holds nothing leaves', async () => {
  await world.reaches(await send(tnef(LUNCH)), 'delivered');
});

test.each<[where: string, given: TnefMessage]>([
  ['the body', { ...LUNCH, body: PHI }],
  ['the HTML', { ...LUNCH, properties: [[PR.html, Buffer.from(`<p>${PHI}</p>`)]] }],
  ['the RTF', { ...LUNCH, properties: [[PR.rtf, compressRtf(`{\\rtf1\\ansi ${PHI}\\par}`)]] }],
  ['a table that is attached', { attachments: [{ title: 'a.csv', data: ROWS }] }],
  [
    'a message in it',
    { attachments: [{ title: 'a', properties: [[PR.attachData, { message: tnef({ body: PHI }) }]] }] },
  ],
  [
    'a table in a message in it',
    { attachments: [{ title: 'a', properties: [[PR.attachData, { message: tnef(FULL) }]] }] },
  ],
])('PHI in %s is found', async (_, given) => {
  expect(await held(tnef(given))).toBe('phi');
});

const head = tnef({});
const loop = Buffer.from(head);
loop.writeUInt32LE(0xffff_fff0, 11);
test.each<[what: string, stream: Buffer]>([
  ['cut', tnef(LUNCH).subarray(0, -20)],
  ['of lengths that lead back', loop],
  ['no TNEF', Buffer.from('x')],
  ['with a PDF', tnef({ attachments: [{ title: 'a.pdf', data: Buffer.from('%PDF-1.7') }] })],
  [
    '60 deep',
    Array.from({ length: 60 }).reduce<Buffer>(
      (inner) => tnef({ attachments: [{ title: 'a', properties: [[PR.attachData, { message: inner }]] }] }),
      head,
    ),
  ],
  ['of 2,000 files', tnef({ attachments: Array(2_000).fill({ title: 'a.txt', data: Buffer.from('x') }) })],
])('%s: not read', async (_, stream) => {
  expect(await held(stream)).toBe('not read');
});

testWith(['tnef'])('tnef reads the same of it as we do', async () => {
  const bytes = tnef(FULL);
  writeFileSync(join(folder, 'winmail.dat'), bytes);
  mkdirSync(join(folder, 'out'));
  const options = ['-f', join(folder, 'winmail.dat'), '-C', join(folder, 'out'), '--save-body=body', '--body-pref=ALL'];
  execFileSync('tnef', options, { stdio: 'pipe' });
  const theirs = Object.fromEntries(
    readdirSync(join(folder, 'out')).map((name) => [name, readFileSync(join(folder, 'out', name))]),
  );
  const ours = readTnef(bytes, (reason) => expect(reason).toBe(''));
  const [lab, inner, octets] = ours.files;
  expect(Object.keys(theirs).sort()).toEqual([
    'body.html',
    'body.rtf',
    'body.txt',
    'inner.bin',
    'lab results.csv',
    'octets.bin',
  ]);
  expect(theirs['lab results.csv']).toEqual(lab?.data);
  expect(theirs['octets.bin']).toEqual(octets?.data);
  // It leaves the interface identifier in front.
  expect(theirs['inner.bin']?.subarray(16)).toEqual(inner?.data);
  expect(theirs['body.rtf']?.toString()).toContain('{\\*\\htmltag64 <p>}See you at noon.');
  expect(theirs['body.txt']?.toString()).toContain('The body.');
  expect(theirs['body.html']?.toString()).toBe('<p>The body.</p>');
});
