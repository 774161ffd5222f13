import fc from 'fast-check';
import {
  algorithmOf,
  childrenOf,
  head,
  octetString,
  octetsOf,
  oid,
  oidOf,
  readElement,
  readWhole,
  sequence,
  setOf,
} from '../../../../src/crypto/smime/der.ts';
import { SmimeError } from '../../../../src/crypto/smime/error.ts';

const hex = (text: string) => Buffer.from(text.replace(/ /g, ''), 'hex');

test.each([
  ['1.2.840.113549.1.7.1', '06 09 2a 86 48 86 f7 0d 01 07 01'],
  ['2.16.840.1.101.3.4.1.42', '06 09 60 86 48 01 65 03 04 01 2a'],
  ['2.5.29.37.0', '06 04 55 1d 25 00'],
  ['1.3.132.1.11.1', '06 06 2b 81 04 01 0b 01'],
])('names: %s', (dotted, octets) => {
  expect(oid(dotted)).toEqual(hex(octets));
  expect(oidOf(readWhole(hex(octets)))).toBe(dotted);
});

test.each([
  [0x7f, '04 7f'],
  [0x80, '04 81 80'],
  [0x1234, '04 82 12 34'],
  [157_286_400, '04 84 09 60 00 00'],
  [0x1_0000_0000, '04 85 01 00 00 00 00'],
])('a length of %i', (length, octets) => {
  expect(head(4, length)).toEqual(hex(octets));
});

test('a SET OF is in the order of its octets', () => {
  expect(setOf(hex('04 02 00 01'), hex('02 01 05'), hex('02 01 03'))).toEqual(
    hex('31 0a 02 01 03 02 01 05 04 02 00 01'),
  );
});

test('octet strings in pieces, of indefinite length, one in another', () => {
  const pieces = hex('24 80 04 02 61 62 24 80 04 01 63 00 00 04 00 00 00');
  const element = readWhole(pieces);
  expect(element.indefinite).toBe(true);
  expect(octetsOf(element).toString()).toBe('abc');
  expect(octetsOf(readWhole(hex('a0 80 04 01 61 00 00')), 0x80).toString()).toBe('a');
  expect(childrenOf(readElement(Buffer.concat([sequence(pieces, oid('1.2.3')), hex('ff')])))).toHaveLength(2);
});

test.each([
  ['nothing', ''],
  ['a tag alone', '30'],
  ['a length that is cut off', '30 82 01'],
  ['a content that is cut off', '30 03 02 01'],
  ['an indefinite length without end', '30 80 02 01 01'],
  ['an indefinite length of a primitive', '04 80 00 00'],
  ['a length of many octets', '04 88 00 00 00 00 00 00 00 01 61'],
  ['a long tag', '1f 81 01 00'],
  ['more behind it', '02 01 01 00'],
  ['nesting without end', '30 80 '.repeat(5_000)],
])('damaged: %s', (_, octets) => {
  expect(() => readWhole(hex(octets))).toThrow(new SmimeError('damaged'));
});

test.each(['06 00', '06 02 2a 86', '06 0a 2a ff ff ff ff ff ff ff ff 7f'])('damaged names: %s', (octets) => {
  expect(() => oidOf(readWhole(hex(octets)))).toThrow(new SmimeError('damaged'));
});

test('whatever comes is read or damaged', () => {
  const read = (octets: Uint8Array) => {
    try {
      const element = readWhole(Buffer.from(octets));
      if ((element.tag & 0x20) !== 0) for (const child of childrenOf(element)) read(child.raw);
      if (element.tag === 0x30) algorithmOf(element);
    } catch (error) {
      expect(error).toBeInstanceOf(SmimeError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), read));
  fc.assert(
    fc.property(fc.nat(40), fc.nat(255), (at, octet) => {
      const whole = sequence(oid('1.2.840.113549.1.7.1'), octetString(Buffer.alloc(20)), sequence(oid('1.2.3')));
      whole[at % whole.length] = octet;
      read(whole);
    }),
  );
});
