import fc from 'fast-check';
import { ContentError, Stuffer } from '../../../src/smtp/stuffing.ts';

function stuff(chunks: readonly Buffer[], sevenBit = false): string {
  const stuffer = new Stuffer({ sevenBit });
  const pieces = chunks.flatMap((chunk) => stuffer.push(chunk));
  return Buffer.concat([...pieces, ...stuffer.end()]).toString('latin1');
}

test.each([
  ['', ''],
  ['a\r\n', 'a\r\n'],
  ['a', 'a\r\n'],
  ['.\r\n', '..\r\n'],
  ['..\r\n.a\r\n', '...\r\n..a\r\n'],
  ['a\r\n.\r\n', 'a\r\n..\r\n'],
  ['\r\n.\r\n.\r\n', '\r\n..\r\n..\r\n'],
  ['a.\r\nb', 'a.\r\nb\r\n'],
])('%j → %j at every cut', (text, expected) => {
  const bytes = Buffer.from(text, 'latin1');
  for (let cut = 0; cut <= bytes.length; cut++)
    expect(stuff([bytes.subarray(0, cut), bytes.subarray(cut)])).toBe(expected);
});

test.each([
  'a\n',
  'a\r',
  'a\rb\r\n',
  '\n.\r\nMAIL',
  'a\r\n.\n',
  'a\0\r\n',
  '\n',
  '\r\r\n',
  'a\r\n.\r',
])('refuses %j at every cut', (text) => {
  const bytes = Buffer.from(text, 'latin1');
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(() => stuff([bytes.subarray(0, cut), bytes.subarray(cut)])).toThrow(ContentError);
  }
});

test('8-bit octets, for a peer that takes 7', () => {
  const bytes = Buffer.from('caf\u00e9\r\n', 'latin1');
  expect(stuff([bytes])).toBe('caf\u00e9\r\n');
  expect(() => stuff([bytes], true)).toThrow(ContentError);
});

test('unstuffed as RFC 5321 §4.5.2 says, it is what it was, however it was cut', () => {
  const line = fc.string({ unit: fc.constantFrom('.', 'a', ' ', '\u00ff'), maxLength: 5 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(60), { maxLength: 4 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((each) => `${each}\r\n`).join(''), 'latin1');
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const wire = stuff(at.slice(1).map((end, i) => bytes.subarray(at[i], end)));
      expect(`\r\n${wire}`).not.toContain('\r\n.\r\n');
      expect(wire.replace(/(^|\r\n)\./g, '$1')).toBe(bytes.toString('latin1'));
    }),
  );
});
