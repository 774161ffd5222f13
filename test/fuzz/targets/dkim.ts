// DKIM: signatures and key records from anybody. What was signed verifies; what is changed in what is covered does not; nothing throws.

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { headerEnd, parseHeader } from '../../../src/mail/header.ts';
import { BodyHash } from '../../../src/trust/dkim/body.ts';
import { canonicalField, signedOctets } from '../../../src/trust/dkim/header.ts';
import { readKey } from '../../../src/trust/dkim/key.ts';
import { parseTags } from '../../../src/trust/dkim/tags.ts';
import { startVerification } from '../../../src/trust/dkim/verify.ts';
import { asMailData, claim, lines, numberOf, pieces, type Target } from '../target.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const DOMAIN = 'clinic.example';

export async function open(): Promise<Target> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const octets = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const record = `v=DKIM1; k=ed25519; p=${octets.toString('base64')}`;
  const tags = `v=1; a=ed25519-sha256; c=relaxed/simple; d=${DOMAIN}; s=x; t=${NOW / 1_000}; h=From : Subject:From;`;
  return {
    seeds: [
      lines(
        'From: a@clinic.example',
        'Subject: A  b',
        '\tc ',
        `DKIM-Signature: ${tags}`,
        ' bh=AAAA; b=AA',
        ' AA',
        '',
        'x  y ',
        '',
      ),
      lines(`dkim-signature:${tags} l=3; x=9; q=dns/txt; i=@${DOMAIN}; bh=;b=`, 'From : x', '', '', ''),
      Buffer.from(record),
    ],
    tokens: [
      'DKIM-Signature: ',
      'b=',
      'bh=',
      'h=',
      'c=simple/relaxed;',
      'a=rsa-sha256;',
      'p=',
      ';',
      ':',
      '=',
      ' \t',
      '\r\n ',
      '\r\n\r\n',
      'From: ',
    ],
    check: async (input) => {
      const text = input.toString('latin1');
      parseTags(text);
      for (const algorithm of ['rsa', 'ed25519'] as const)
        readKey(text, { algorithm, domain: DOMAIN, identity: DOMAIN });
      const message = asMailData(input);
      bodies(message);
      await known(message, record);
      await roundTrip(message, privateKey, record);
    },
  };
}

/** The hash does not depend on where the body is cut, and is that of the form made at once. */
function bodies(body: Buffer): void {
  const text = body.toString('latin1');
  const relaxed = text
    .replace(/[ \t]+/g, ' ')
    .replaceAll(' \r\n', '\r\n')
    .replace(/ $/, '');
  for (const [kind, given] of [
    ['simple', text],
    ['relaxed', relaxed],
  ] as const) {
    const cut = new BodyHash(kind);
    for (const piece of pieces(body, numberOf(body), 20)) cut.update(piece);
    const whole = new BodyHash('simple');
    const content = given.replace(/(?:\r\n)+$/, '');
    if (kind === 'relaxed' && content === '') continue;
    whole.update(Buffer.from(`${content}\r\n`, 'latin1'));
    claim(cut.digest().equals(whole.digest()), `${kind}: the hash depends on the cut`);
  }
}

/** As it came: whatever it says, it is not signed by the key. */
async function known(message: Buffer, record: string): Promise<void> {
  const outcomes = await outcomesOf(message, record);
  claim(outcomes.length <= 5 && !outcomes.includes('pass'), 'a forgery passed');
}

async function outcomesOf(message: Buffer, record: string): Promise<string[]> {
  const header = parseHeader(message);
  for (const { raw } of header.fields) {
    const once = canonicalField(raw.toString('latin1'), 'relaxed');
    claim(canonicalField(once, 'relaxed') === once, 'relaxed twice is not relaxed');
    claim(!/[\r\n\t]| {2}/.test(once.slice(0, -2)), 'not relaxed');
  }
  const verification = startVerification(header, new Set([DOMAIN]), async () => [record], NOW);
  verification.body(message.subarray(header.size));
  return (await verification.end()).map(({ outcome }) => outcome);
}

/** The input as header section and body of a message that is signed properly. */
async function roundTrip(input: Buffer, key: KeyObject, record: string): Promise<void> {
  const end = headerEnd(input);
  const given = input.subarray(0, Math.max(0, end - 2));
  const rest = end < 0 ? input : input.subarray(end);
  const hash = new BodyHash('relaxed');
  hash.update(rest);
  const value = `v=1; a=ed25519-sha256; c=simple/relaxed; d=${DOMAIN}; s=x; t=${NOW / 1_000}; h=from:subject:to; bh=${hash.digest().toString('base64')}; b=`;
  const head = Buffer.concat([lines(`From: a@${DOMAIN}`), given]);
  const unsigned = Buffer.concat([Buffer.from(`DKIM-Signature: ${value}\r\n`), head, lines('')]);
  const header = parseHeader(unsigned);
  const [own] = header.fields;
  if (own === undefined || header.size !== unsigned.length) return;
  const octets = signedOctets(header.fields, own, ['from', 'subject', 'to'], 'simple');
  const signature = sign(null, createHash('sha256').update(octets).digest(), key).toString('base64');
  const whole = (body: Buffer) =>
    Buffer.concat([Buffer.from(`DKIM-Signature: ${value}${signature}\r\n`), head, lines(''), body]);
  claim((await outcomesOf(whole(rest), record))[0] === 'pass', 'what was signed does not verify');
  const longer = Buffer.concat([rest, lines('x')]);
  claim((await outcomesOf(whole(longer), record))[0] === 'fail', 'more text, and it verifies');
}
