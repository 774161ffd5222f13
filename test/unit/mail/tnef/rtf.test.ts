import fc from 'fast-check';
import { decompressRtf, rtfText } from '../../../../src/mail/tnef/rtf.ts';
import { compressRtf, plainRtf } from '../../../support/tnef.ts';

const MAX = 1_000_000;

function unpacked(bytes: Buffer, max = MAX): [text: string, ...said: string[]] {
  const said: string[] = [];
  const out = decompressRtf(bytes, max, (reason) => said.push(reason));
  return [out.toString('latin1'), ...said];
}

function read(rtf: string | Buffer): { text: string; html: string | null; said: string[] } {
  const said: string[] = [];
  const bytes = typeof rtf === 'string' ? Buffer.from(rtf, 'latin1') : rtf;
  return { ...rtfText(bytes, (reason) => said.push(reason)), said };
}

describe('compressed', () => {
  // [MS-OXRTFCP] §4.1 and §4.2.
  test.each<[hex: string, text: string]>([
    [
      '2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0',
      '{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n',
    ],
    ['1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0', '{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}'],
  ])('the example of the specification, %#', (hex, text) => {
    expect(unpacked(Buffer.from(hex, 'hex'))).toEqual([text]);
    expect(unpacked(compressRtf(text))).toEqual([text]);
  });

  test('what was compressed comes back, also beyond the window', () => {
    const long = '{\\rtf1 '.concat(...Array.from({ length: 3_000 }, (_, i) => `row ${i} of many `), '}');
    expect(unpacked(compressRtf(long))).toEqual([long]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        const text = Buffer.from(octets);
        expect(unpacked(compressRtf(text))).toEqual([text.toString('latin1')]);
      }),
    );
  });

  test('the uncompressed form', () => {
    expect(unpacked(plainRtf('{\\rtf1 x}'))).toEqual(['{\\rtf1 x}']);
  });

  const whole = compressRtf('{\\rtf1 WXYZWXYZWXYZWXYZWXYZ and more of it}');
  test('cut at every offset: what stood before, and it is said', () => {
    const [text] = unpacked(whole);
    for (let at = 0; at < whole.length - 2; at++) {
      const [part, ...said] = unpacked(whole.subarray(0, at));
      expect(text.startsWith(part)).toBe(true);
      expect(said).toContain('malformed');
    }
  });

  const changed = (at: number, octets: string | Buffer): Buffer => {
    const bytes = Buffer.concat([whole, Buffer.alloc(Math.max(0, at - whole.length + 3))]);
    Buffer.from(octets).copy(bytes, at);
    return bytes;
  };
  test.each<[what: string, bytes: Buffer, reason: string]>([
    ['another size than told', changed(4, '\x07'), 'malformed'],
    ['octets behind the end', changed(whole.length, 'SSN'), 'malformed'],
    ['a kind that nobody knows', changed(8, 'LZXu'), 'format'],
  ])('%s: said', (_, bytes, reason) => {
    expect(unpacked(bytes)).toContain(reason);
  });

  test('zeros behind the end, or another checksum, are nothing', () => {
    const [text] = unpacked(whole);
    expect(unpacked(changed(whole.length, '\0\0\0'))).toEqual([text]);
    expect(unpacked(changed(12, '\x01\x02'))).toEqual([text]);
  });

  test('no more comes out than may', () => {
    const bomb = compressRtf('a'.repeat(20_000));
    expect(bomb.length).toBeLessThan(3_000);
    const [text, ...said] = unpacked(bomb, 1_000);
    expect(text.length).toBeLessThanOrEqual(1_000);
    expect(said).toEqual(['too large']);
  });
});

describe('text', () => {
  test.each<[rtf: string, text: string]>([
    ['{\\rtf1\\ansi hello}', 'hello'],
    ['{\\rtf1 SSN 536-22\\par\r\n-1847\\tab x\\line y}', 'SSN 536-22\n-1847\tx\ny'],
    ['{\\rtf1 5{\\b 3}6{\\i -2}2-1847}', '536-22-1847'],
    ["{\\rtf1\\ansicpg1251 \\'cf\\'f0}", 'Пр'],
    ["{\\rtf1\\ansicpg932 \\'93\\'fa\\'96{\\b x}}", '日\ufffdx'],
    ["{\\rtf1\\deff0{\\fonttbl{\\f0\\fnil Arial;}{\\f1\\fcharset204 Arial;}}caf\\'e9 {\\f1 \\'cf}\\'e9}", 'café Пé'],
    ['{\\rtf1\\uc1 \\u8364?5 \\u-10179?\\u-8704?}', '€5 😀'],
    ["{\\rtf1{\\uc2 \\u8364\\'80x5}\\u8364?6}", '€5€6'],
    ['{\\rtf1\\uc0 \\u8364 5}', '€5'],
    ['{\\rtf1 a\\~b\\_c\\-d\\{e\\}\\\\}', 'a b-cd{e}\\'],
    ['{\\rtf1\\trowd a\\cell b\\cell\\row c}', 'a\tb\t\nc'],
    ['{\\rtf1{\\info{\\title T}}{\\colortbl;\\red0;}{\\*\\generator Riched20;}{\\stylesheet{Normal;}}x}', 'Tx'],
    ['{\\rtf1{\\shp{\\*\\shpinst{\\shptxt in a shape}}}}', 'in a shape'],
    [
      '{\\rtf1{\\field{\\*\\fldinst HYPERLINK "http://a.example/?ssn=1"}{\\fldrslt here}}}',
      'HYPERLINK "http://a.example/?ssn=1"here',
    ],
    ['{\\rtf1 a\\constructor b\\valueof c}', 'abc'],
    ['{\\rtf1 open {\\b and never closed', 'open and never closed'],
    ['{\\rtf1 a}}}} b', 'a b'],
  ])('%s', (rtf, text) => {
    expect(read(rtf)).toEqual({ text, html: null, said: [] });
  });

  test('HTML that was put into it, and what only the RTF has', () => {
    const rtf =
      '{\\rtf1\\ansi\\fromhtml1 \\deff0{\\*\\htmltag19 <html>}{\\*\\htmltag64 <p title="x">}\\htmlrtf {\\b \\htmlrtf0 SSN 536{\\*\\htmltag84 <b>}-22&{\\*\\htmltag92 </b>}-1847\\htmlrtf  only here}\\htmlrtf0 {\\*\\htmltag84 &nbsp;}\\\'e9{\\*\\htmltag72 </p>}}';
    expect(read(rtf)).toEqual({
      text: 'SSN 536-22&-1847 only hereé',
      html: '<html><p title="x">SSN 536<b>-22&amp;</b>-1847&nbsp;é</p>',
      said: [],
    });
  });

  test.each<[what: string, rtf: string, reason: string]>([
    ['no RTF', 'hello', 'format'],
    ['a picture', '{\\rtf1{\\pict\\pngblip 89504e47}x}', 'format'],
    ['an object', '{\\rtf1{\\object{\\*\\objdata 0105}}x}', 'format'],
    ['octets', '{\\rtf1\\bin4 abcdx}', 'format'],
    ['a code page that no decoder is for', "{\\rtf1\\ansicpg437 \\'82}", 'charset'],
    ['groups without end', `{\\rtf1 x${'{'.repeat(2_000)}`, 'too deep'],
  ])('%s: said', (_, rtf, reason) => {
    expect(read(rtf).said).toContain(reason);
  });

  test('a length of octets that goes beyond the end ends', () => {
    expect(read('{\\rtf1 a\\bin999999999 b').text).toBe('a');
  });
});
