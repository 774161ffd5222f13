import fc from 'fast-check';
import { REPLIES } from '../../../src/smtp/answers.ts';
import { type AuthStep, beginAuth } from '../../../src/smtp/auth.ts';

const b64 = (text: string): string => Buffer.from(text).toString('base64');

/** Plays the client's lines; gives the 334 texts and how it ended. */
function exchange(command: string, ...lines: readonly string[]): { asked: string[]; end: unknown } {
  let step: AuthStep = beginAuth(command);
  const asked: string[] = [];
  for (const line of lines) {
    if (!('ask' in step)) break;
    asked.push(Buffer.from(step.ask, 'base64').toString());
    step = step.next(line);
  }
  return { asked, end: 'refused' in step ? step.refused : 'login' in step ? step : 'asks' };
}

const OK = { login: 'printer', password: 's€cret' };
const plain = (authorize: string): string => b64(`${authorize}\0printer\0s€cret`);

test.each([
  [` PLAIN ${plain('')}`, [], [], OK],
  [` plain ${plain('printer')}`, [], [], OK],
  [' PLAIN', [plain('')], [''], OK],
  [' LOGIN', [b64('printer'), b64('s€cret')], ['Username:', 'Password:'], OK],
  [` LOGIN ${b64('printer')}`, [b64('s€cret')], ['Password:'], OK],
  [` PLAIN ${plain('other')}`, [], [], REPLIES.badLogin],
  [' PLAIN', ['*'], [''], REPLIES.authCancelled],
  [' LOGIN', [b64('printer'), '*'], ['Username:', 'Password:'], REPLIES.authCancelled],
  [' PLAIN =', [], [], REPLIES.badBase64],
  [' PLAIN a', [], [], REPLIES.badBase64],
  [' PLAIN YQ=', [], [], REPLIES.badBase64],
  [` PLAIN ${b64('\0printer')}`, [], [], REPLIES.badBase64],
  [` PLAIN ${b64('\0\0secret')}`, [], [], REPLIES.badBase64],
  [` PLAIN ${b64('\0a\0b\0c')}`, [], [], REPLIES.badBase64],
  [` PLAIN ${Buffer.from([0, 0xff, 0, 0x61]).toString('base64')}`, [], [], REPLIES.badBase64],
  [' CRAM-MD5', [], [], REPLIES.unknownMechanism],
  [' XOAUTH2 abcd', [], [], REPLIES.unknownMechanism],
  ['', [], [], REPLIES.badSyntax],
  ['PLAIN', [], [], REPLIES.badSyntax],
  [' PLAIN a b', [], [], REPLIES.badSyntax],
])('AUTH%s %j', (command, lines, asked, end) => {
  expect(exchange(command, ...lines)).toEqual({ asked, end });
});

test('any lines end in a login, a refusal or a question, never in a throw', () => {
  const line = fc.oneof(fc.string(), fc.base64String(), fc.string().map(b64));
  fc.assert(
    fc.property(fc.constantFrom(' PLAIN', ' LOGIN', ' PLAIN ='), fc.array(line, { maxLength: 3 }), (command, lines) => {
      expect(exchange(command, ...lines).end).toBeDefined();
    }),
  );
});
