import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, play } from './play.ts';

const folder = import.meta.dirname;
const dialogues = readdirSync(folder)
  .filter((name) => name.endsWith('.smtp'))
  .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const)
  .filter(([, text]) => !text.startsWith('@ gateway'));

describe('dialogues with the listener', () => {
  test.each(dialogues)('%s', async (_, text) => {
    expect(await play(text)).toBeNull();
  });
});

describe('a dialogue that goes otherwise fails', () => {
  test.each([
    ['another reply', 'S: 220 *\nC: NOOP\nS: 500 *', 'line 3, S: 500 *: got 250 2.0.0 OK'],
    ['a second reply', 'S: 220 *\nC: QUIT\nCLOSED', 'line 3, CLOSED: got 221 2.0.0 Bye'],
    ['no end', 'S: 220 *\nC: QUIT\nS: 221 *\nS: 250 *', 'line 4, S: 250 *: got the end'],
    ['no message', 'S: 220 *\nMESSAGE x', 'line 2, MESSAGE x: got none'],
    ['a word that is not known', 'S: 220 *\nWHAT 1', 'line 2, WHAT 1: not understood'],
    ['one of many', 'S: 220 *\n*3 C: NOOP\n*2 S: 250 *\nS: 221 *', 'line 4, S: 221 *: got 250 2.0.0 OK'],
    [
      'other recipients',
      'S: 220 *\nR: HELO a\\r\\nMAIL FROM:<>\\r\\nRCPT TO:<a@b.example>\\r\\nDATA\\r\\n\n*3 S: 250 *\nS: 354 *\nC: .\nS: 250 *\nENVELOPE {"recipients":[{"address":"b@b.example"}]}',
      'line 7, ENVELOPE {"recipients":[{"address":"b@b.example"}]}: got *',
    ],
  ])('%s', async (_, text, expected) => {
    const wrong = await play(text);
    expect(expected.endsWith('*') ? wrong?.startsWith(expected.slice(0, -1)) : wrong).toBe(
      expected.endsWith('*') ? true : expected,
    );
  });

  test.each(['250 OK', '500 4.5.1 no', '421 4.7.0', '250-2.0.0 a', '220 hello', '250 2.0'])('no code in %s', (line) => {
    expect(hasCode(line)).toBe(false);
  });
});
