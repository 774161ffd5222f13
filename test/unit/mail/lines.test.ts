// Line ends and control octets, against a search octet by octet, at every alignment and every cut.

import { Controls, lineCheck } from '../../../src/mail/lines.ts';
import { seeded } from '../../support/random.ts';

const OCTETS = [0, 9, 10, 13, 14, 46, 65, 127, 128, 141, 255];

test('every octet value is found or passed by, at every alignment', () => {
  for (let octet = 0; octet < 256; octet++) {
    for (let offset = 0; offset < 4; offset++) {
      for (let place = 0; place < 9; place++) {
        const chunk = Buffer.alloc(24, 0xff).subarray(offset, offset + 9);
        chunk.fill(65);
        chunk[place] = octet;
        expect([octet, offset, new Controls(chunk).from(0)]).toEqual([octet, offset, octet <= 13 ? place : 9]);
      }
    }
  }
});

test('what stands around the chunk is not looked at', () => {
  for (let offset = 0; offset < 8; offset++) {
    for (let length = 0; length < 12; length++) {
      const chunk = Buffer.alloc(32)
        .subarray(offset, offset + length)
        .fill(65);
      for (let at = 0; at <= length; at++) expect(new Controls(chunk).from(at)).toBe(length);
    }
  }
});

test('a search from anywhere finds what one octet by octet finds', () => {
  const random = seeded(20_261_124);
  for (let round = 0; round < 2_000; round++) {
    const offset = Math.floor(random.fraction() * 8);
    const chunk = Buffer.alloc(64).subarray(offset, offset + Math.floor(random.fraction() * 40));
    for (let i = 0; i < chunk.length; i++) {
      chunk[i] = random.fraction() < 0.7 ? 65 : OCTETS[Math.floor(random.fraction() * OCTETS.length)]!;
    }
    const controls = new Controls(chunk);
    for (let at = 0; at <= chunk.length; at++) {
      const found = chunk.findIndex((octet, i) => i >= at && octet <= 13);
      expect(controls.from(at)).toBe(found < 0 ? chunk.length : found);
    }
  }
});

test('the first fault of a line end is found however the octets are cut', () => {
  const cases: readonly [string, string | null][] = [
    ['a\r\nb\r\n', null],
    ['a\tb\r\n\tc\x01d\r\n', null],
    ['a\rb\r\n', 'bare CR'],
    ['a\nb\r\n', 'bare LF'],
    ['a\r\r\nb', 'bare CR'],
    ['a\r\n\nb', 'bare LF'],
    ['\na', 'bare LF'],
    ['a\0b\r\n', 'NUL'],
    ['abc\r', 'bare CR'],
  ];
  for (const [text, fault] of cases) {
    for (let cut = 0; cut <= text.length; cut++) {
      const check = lineCheck();
      check.push(Buffer.from(text.slice(0, cut)));
      check.push(Buffer.from(text.slice(cut)));
      expect([text, cut, check.end()]).toEqual([text, cut, fault]);
    }
  }
});

test('a line of more than 998 octets is told, also over chunks', () => {
  for (const [length, overlong] of [
    [998, false],
    [999, true],
  ] as const) {
    for (const cut of [0, 1, 500, length, length + 1]) {
      const line = Buffer.from(`a\r\n${'x'.repeat(length)}\r\n`);
      const check = lineCheck();
      check.push(line.subarray(0, cut));
      check.push(line.subarray(cut));
      expect([length, cut, check.overlong()]).toEqual([length, cut, overlong]);
    }
  }
});
