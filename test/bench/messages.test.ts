import { examine } from '../../src/dlp/examine.ts';
import { carriesPhi, makeMessages, SHAPES } from './messages.ts';

const FINAL_DOT = 3;

// e is b for more recipients.
test.each(
  SHAPES.filter((shape) => shape !== 'e'),
)('shape %s: every fourth message carries PHI, the others none', (shape) => {
  const found = makeMessages(shape).map(
    (message) => examine([message.subarray(0, -FINAL_DOT)], { subjectTags: [] }).findings.phi,
  );
  expect(found).toEqual(found.map((_, i) => carriesPhi(i)));
});

test('they are the same octets each time', () => {
  expect(Buffer.concat(makeMessages('b')).equals(Buffer.concat(makeMessages('b')))).toBe(true);
});
