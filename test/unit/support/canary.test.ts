import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCanaries, findCanariesIn } from '../../support/canary.ts';

const CANARY = 'Zoë Quimby=4711 née';

test.each([
  ['raw', `xx${CANARY}yy`],
  ['raw', CANARY.toUpperCase().replace('Ë', 'ë').replace('É', 'é')],
  ['base64+0', Buffer.from(`abc${CANARY}tail`).toString('base64')],
  ['base64+1', Buffer.from(`a${CANARY}`).toString('base64')],
  ['base64+2', Buffer.from(`ab${CANARY}t`).toString('base64')],
  ['base64+0', Buffer.from(CANARY).toString('base64').replace(/.{5}/g, '$&\r\n')],
  ['quoted-printable', 'Zo=C3=AB Qui=\r\nmby=3D4711 n=C3=A9e'],
  ['hex', Buffer.from(CANARY).toString('hex')],
  ['quoted-printable', 'Zo=C3=AB Quimby=3D4711 n=C3=A9e'],
  ['encoded-word q', '=?utf-8?q?Zo=C3=AB_Quimby=3D4711_n=C3=A9e?='],
  ['percent', `?name=${encodeURIComponent(CANARY)}`],
  ['utf16le', Buffer.from(`x${CANARY}`, 'utf16le')],
  ['utf16be', Buffer.from(`x${CANARY}`, 'utf16le').swap16()],
])('%s is found', (form, bytes) => {
  expect(findCanariesIn(bytes, [CANARY]).map((leak) => leak.form)).toContain(form);
});

test.each(['', 'Zoe Quimby', Buffer.from(CANARY).toString('base64').slice(4)])('nothing in %j', (text) => {
  expect(findCanariesIn(text, [CANARY])).toEqual([]);
});

test('files below a folder, across the edge of a chunk, name and offset', () => {
  const folder = mkdtempSync(join(tmpdir(), 'canary-'));
  try {
    mkdirSync(join(folder, 'deep'));
    const offset = 4 * 1024 * 1024 - 5;
    writeFileSync(join(folder, 'deep/file'), Buffer.concat([Buffer.alloc(offset, 120), Buffer.from(CANARY)]));
    writeFileSync(join(folder, 'clean'), 'nothing');
    const leaks = findCanaries([folder, join(folder, 'missing')], [CANARY]);
    expect(leaks.filter(({ form }) => form === 'raw')).toEqual([
      { file: join(folder, 'deep/file'), offset, canary: CANARY, form: 'raw' },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a short canary would match by chance', () => {
  expect(() => findCanariesIn('x', ['short'])).toThrow('too short');
});
