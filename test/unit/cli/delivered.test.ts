import { stringify } from 'csv-stringify/sync';
import { isKnown, readKnown } from '../../../src/cli/backup/delivered.ts';

const ID = '06eu6q7m018hvf387vdagn10';
const OTHER = '06eu6q7m008hbbvap24ar9d8';
const row = (delivery: string, state: string) => ({
  ...{ accepted: '2026-11-24T08:00:00Z', queueId: ID, delivery, organization: 'Lee, "Kim" & Co', sender: '=1' },
  ...{ recipient: 'a@b.test', state },
});
const csv = (...rows: object[]) => stringify(rows, { header: true, escape_formulas: true });
const asked = (delivery: string, messageId: string | null = null) => ({
  delivery,
  queueId: delivery.slice(0, 24),
  messageId,
});

test.each([
  ['a queue id: all its recipients', `${ID}\n`, [true, true, false]],
  ['a delivery id: one', `# of the other side\r\n\r\n  ${ID}.1\r\n`, [false, true, false]],
  ['a Message-ID', '<1@clinic.test>', [true, false, false]],
  ['a Message-ID without brackets', '1@clinic.test\n2@clinic.test', [true, false, false]],
  ['CSV: what ended', csv(row(`${ID}.0`, 'delivered'), row(`${ID}.1`, 'held')), [true, false, false]],
  ['CSV of other ends', csv(row(`${ID}.0`, 'bounced'), row(`${ID}.1`, 'noticed')), [true, true, false]],
  [
    'JSON',
    [row(`${ID}.1`, 'dropped'), row(`${ID}.0`, 'ready')].map((one) => JSON.stringify(one)).join('\n'),
    [false, true, false],
  ],
  ['nothing', '\n', [false, false, false]],
])('%s', (_, text, wanted) => {
  const known = readKnown(text);
  const all = [asked(`${ID}.0`, '<1@clinic.test>'), asked(`${ID}.1`), asked(`${OTHER}.0`, '<3@clinic.test>')];
  expect(all.map((one) => isKnown(known, one))).toEqual(wanted);
});

test.each([
  ['words', `${ID}\nnot an id`, 'line 2'],
  ['an id that is none', `${ID}.99999`, 'line 1'],
  ['JSON of something else', '{"a":1}', 'line 1'],
  ['CSV of something else', 'a,b\n1,2', 'line 1'],
  ['half a line of CSV', `delivery,state\n${ID.slice(3)},delivered`, 'line 2'],
])('refused by its number, never quoted: %s', (_, text, words) => {
  expect(() => readKnown(text)).toThrow(words);
  expect(() => readKnown(text)).not.toThrow('not an id');
});
