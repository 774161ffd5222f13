// Every reply that the listener itself gives, by name; a text never holds anything that a client or an error said.

import type { Reply } from '../domain/types.ts';

function reply(code: number, enhanced: string, text: string): Reply {
  return { code, enhanced, text };
}

export const REPLIES = {
  bye: reply(221, '2.0.0', 'Bye'),
  ok: reply(250, '2.0.0', 'OK'),
  chunkTaken: reply(250, '2.0.0', 'Chunk taken'),
  senderOk: reply(250, '2.1.0', 'Sender OK'),
  recipientOk: reply(250, '2.1.5', 'Recipient OK'),
  help: reply(214, '2.0.0', 'See RFC 5321'),
  cannotVerify: reply(252, '2.1.5', 'Cannot verify, but will take mail for it'),
  tlsReady: reply(220, '2.0.0', 'Ready to start TLS'),
  authenticated: reply(235, '2.7.0', 'Authentication successful'),

  stopping: reply(421, '4.3.2', 'Service is stopping, try again later'),
  closed: reply(421, '4.3.0', 'Service not available, closing connection'),
  tooManySessions: reply(421, '4.7.0', 'Too many sessions, try again later'),
  tooManyFromAddress: reply(421, '4.7.0', 'Too many connections from your address, try again later'),
  tooManyErrors: reply(421, '4.7.0', 'Too many errors'),
  tooManyFailures: reply(421, '4.7.0', 'Too many failed authentications, try again later'),
  timeout: reply(421, '4.4.2', 'Timeout, closing connection'),
  tooSlow: reply(421, '4.4.2', 'Mail data too slow, closing connection'),
  sessionOver: reply(421, '4.4.2', 'Session has lasted too long, connect again'),
  http: reply(421, '4.7.0', 'This is not an HTTP server'),
  failed: reply(451, '4.3.0', 'Local error in processing'),
  tooManyRecipients: reply(452, '4.5.3', 'Too many recipients in this transaction'),

  unknown: reply(500, '5.5.1', 'Command not recognized'),
  bareLineEnd: reply(500, '5.5.2', 'Bare CR, LF or NUL in a command'),
  lineTooLong: reply(500, '5.5.2', 'Command line too long'),
  notText: reply(500, '5.5.2', 'Command is not valid text'),
  noParameters: reply(501, '5.5.4', 'This command takes no parameters'),
  badHost: reply(501, '5.5.4', 'Bad or missing host name'),
  badSyntax: reply(501, '5.5.4', 'Bad command syntax'),
  badSender: reply(501, '5.1.7', 'Bad sender address syntax'),
  badRecipient: reply(501, '5.1.3', 'Bad recipient address syntax'),
  badParameter: reply(501, '5.5.4', 'Bad parameter'),
  badChunk: reply(501, '5.5.4', 'BDAT without the size of its chunk, closing connection'),
  badBase64: reply(501, '5.5.2', 'Cannot decode the response'),
  authCancelled: reply(501, '5.7.0', 'Authentication cancelled'),
  notImplemented: reply(502, '5.5.1', 'Command not implemented'),
  helloFirst: reply(503, '5.5.1', 'Send EHLO first'),
  mailFirst: reply(503, '5.5.1', 'Send MAIL first'),
  rcptFirst: reply(503, '5.5.1', 'Send RCPT first'),
  betweenChunks: reply(503, '5.5.1', 'Not between the chunks of a message'),
  nestedMail: reply(503, '5.5.1', 'Sender already given'),
  inTransaction: reply(503, '5.5.1', 'Not during a mail transaction'),
  alreadyTls: reply(503, '5.5.1', 'TLS is already active'),
  alreadyAuthenticated: reply(503, '5.5.1', 'Already authenticated'),
  earlyData: reply(503, '5.5.1', 'Mail data sent before it was asked for'),
  unknownMechanism: reply(504, '5.5.4', 'Unknown authentication mechanism'),
  tlsFirst: reply(530, '5.7.0', 'Must issue a STARTTLS command first'),
  loginFirst: reply(530, '5.7.0', 'Authentication required'),
  badLogin: reply(535, '5.7.8', 'Authentication credentials invalid'),
  badDestination: reply(550, '5.1.2', 'No mail is taken for an address literal or a domain of one label'),
  bareInData: reply(550, '5.5.2', 'Bare CR or LF in mail data'),
  bareCrInChunk: reply(550, '5.6.0', 'Bare CR in mail data'),
  nulInData: reply(550, '5.6.0', 'NUL in mail data'),
  tooLarge: reply(552, '5.3.4', 'Message exceeds the size limit'),
  needsUtf8: reply(553, '5.6.7', 'Address needs SMTPUTF8'),
  earlyTalker: reply(554, '5.5.1', 'Spoke before the greeting'),
  noRecipients: reply(554, '5.5.1', 'No valid recipients'),
  unknownParameter: reply(555, '5.5.4', 'Parameter not recognized'),
} as const satisfies Record<string, Reply>;

/** What stands on the wire, with CRLF. RFC 2034 §4: an enhanced status code in every reply but 3yz, greeting, EHLO. */
export function replyLine(reply: Reply): string {
  return `${reply.code}${reply.enhanced === '' ? '' : ` ${reply.enhanced}`} ${printable(reply.text)}\r\n`;
}

/** Reply for a code that smtp-server's own code would send; its text is never used. */
export function replyForCode(code: number): Reply {
  if (code === 421) return REPLIES.closed;
  if (code === 220) return REPLIES.tlsReady;
  if (code === 221) return REPLIES.bye;
  return code >= 500 ? REPLIES.badSyntax : REPLIES.failed;
}

// A control character in a reply would be a second reply; RFC 5321 §4.2 wants printable ASCII.
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 480);
}
