import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { boxKey } from '../../../src/crypto/box.ts';
import { paperQr, paperText, readPaper } from '../../../src/keys/paper.ts';

const secret = Buffer.alloc(32, 7);
const id = boxKey(secret).id.toString('hex');
const PINNED = [
  'key  61E75960',
  '1    0W3G E1R7 0W3G EQG5',
  '2    0W3G E1R7 0W3G EJP2',
  '3    0W3G E1R7 0W3G E9YK',
  '4    0W3G E1R7 0W3G E9BN',
  '',
].join('\n');
const PINNED_QR = 'SRK1 61E75960 0W3GE1R70W3GEQG50W3GE1R70W3GEJP20W3GE1R70W3GE9YK0W3GE1R70W3GE9BN';
const text = () => paperText(secret).toString();
const read = (typed: string) => readPaper(Buffer.from(typed));
/** The line of that number with one of its characters, counted without blanks, replaced. */
function mistyped(no: number, at: number, character: string): string {
  const lines = text().split('\n');
  const line = lines[no]!;
  const places = [...line.matchAll(/[0-9A-Z]/g)].slice(1).map(({ index }) => index);
  lines[no] = line.slice(0, places[at]) + character + line.slice(places[at]! + 1);
  return lines.join('\n');
}

test('what is printed stays as it is: paper lasts longer than a release', () => {
  expect(text()).toBe(PINNED);
  expect(paperQr(secret).toString()).toBe(PINNED_QR);
});

test('read again, as text and as the line of a QR code, whatever the case and with I, L and O for 1, 1 and 0', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (octets) => {
      const expected = { ok: true, id: boxKey(octets).id.toString('hex'), secret: Buffer.from(octets) };
      const printed = paperText(octets).toString();
      expect(read(printed)).toEqual(expected);
      expect(read(paperQr(octets).toString())).toEqual(expected);
      const careless = printed.replace(/^(\d )(.*)$/gm, (_, no: string, rest: string) => {
        return no + rest.replaceAll('1', 'l').replaceAll('0', 'o').toLowerCase();
      });
      expect(read(careless)).toEqual(expected);
    }),
  );
});

test.each([1, 2, 3, 4])('any one character of line %i mistyped: that line is named, and no other', (no) => {
  for (let at = 0; at < 16; at++) {
    const there = mistyped(no, at, '#');
    expect(read(there)).toEqual({ ok: false, wrong: [expect.stringMatching(`^line ${no} holds a character`)] });
    for (const character of '0123456789ABCDEFGHJKMNPQRSTVWXYZ') {
      const changed = mistyped(no, at, character);
      if (changed === text()) continue;
      expect(read(changed)).toEqual({ ok: false, wrong: [`line ${no} is mistyped: its check does not fit`] });
    }
  }
});

test('neighbours that changed places, lines that did, a short and a missing line', () => {
  const lines = paperText(randomBytes(32)).toString().split('\n');
  const swapped = [...lines];
  [swapped[1], swapped[2]] = [lines[2]!.replace('2', '1'), lines[1]!.replace('1', '2')];
  expect(read(swapped.join('\n'))).toMatchObject({ ok: false });
  expect(read(lines.toSpliced(3, 1).join('\n'))).toEqual({ ok: false, wrong: ['line 3 is missing'] });
  expect(read(lines.join('\n').replace(/.$/m, ''))).toEqual({
    ok: false,
    wrong: ['the line "key" has not eight hex digits'],
  });
  expect(read(lines.with(4, lines[4]!.slice(0, -1)).join('\n'))).toEqual({
    ok: false,
    wrong: ['line 4 has 15 characters: 16 are wanted'],
  });
  expect(read('')).toMatchObject({ ok: false, wrong: expect.arrayContaining(['line 1 is missing']) });
});

test('lines of two copies, or another id, are told apart from a mistyped line', () => {
  const other = paperText(Buffer.alloc(32, 8)).toString().split('\n');
  const mixed = text().split('\n').with(2, other[2]!).join('\n');
  expect(read(mixed)).toEqual({ ok: false, wrong: [expect.stringContaining(`but the id says ${id}`)] });
  expect(read(mixed.replace(/^key.*\n/, ''))).toMatchObject({ ok: true });
});

test('what is wrong is said without a character of the key', () => {
  const wrong = read(mistyped(2, 3, 'Z'));
  const line = text().split('\n')[2]!.slice(5);
  for (const group of line.split(' ')) expect(JSON.stringify(wrong)).not.toContain(group);
});
