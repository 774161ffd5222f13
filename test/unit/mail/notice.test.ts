// Mails of the portal: what they say and what they never say; what comes from outside cannot end a line.

import { simpleParser } from 'mailparser';
import type { Address, QueueId } from '../../../src/domain/ids.ts';
import type { Language } from '../../../src/domain/portal.ts';
import {
  type CodeMail,
  composeCode,
  composeNotice,
  composeReceipt,
  composeReply,
  type NoticeMail,
  type PortalMail,
  type ReceiptMail,
  type ReplyMail,
} from '../../../src/mail/notice.ts';
import { maskedAddress, shownSender } from '../../../src/mail/sender.ts';

const AT = Date.UTC(2026, 10, 24, 15, 30);
const address = (text: string) => text as Address;
const TOKEN = 'abcdefghijklmnopqrstuvwxyz234567';
const organization = {
  name: 'Northside Clinic',
  languages: ['en', 'es'] as readonly Language[],
  timeZone: 'America/Chicago',
  phone: '555-0100',
  help: 'https://clinic.example/help',
  portalUrl: 'https://secure.clinic.example',
};
const common: PortalMail = {
  hostname: 'gw.clinic.example',
  organization,
  to: address('patient@oldmail.demo'),
  date: AT,
  messageId: '<n1@gw.clinic.example>',
};
const notice: NoticeMail = {
  ...common,
  from: 'Dr. Lee <lee@clinic.example>',
  token: TOKEN,
  expiresAt: AT + 30 * 86_400_000,
};
const receipt: ReceiptMail = {
  ...common,
  to: address('lee@clinic.example'),
  message: {
    queueId: '0123456789abcdefghijklmn' as QueueId,
    messageId: '<orig@clinic.example>',
    acceptedAt: AT - 60_000,
  },
  parcels: [
    { recipient: address('patient@oldmail.demo'), token: TOKEN, expiresAt: AT + 86_400_000 },
    { recipient: address('"a b"@other.demo'), token: TOKEN.replace('abc', 'zzz'), expiresAt: AT + 86_400_000 },
  ],
};
const code: CodeMail = { ...common, code: '493018', word: 'piano', lives: 900_000, language: 'en' };
const reply: ReplyMail = {
  ...common,
  to: address('lee@clinic.example'),
  recipient: address('patient@oldmail.demo'),
  subject: 'Your results',
  inReplyTo: '<orig@clinic.example>',
  text: 'Thank you.\nSee you.',
};

/** Every mail of ours on the wire. */
function expectClean(mail: Buffer): void {
  expect(mail.every((octet) => octet < 0x80)).toBe(true);
  const lines = mail.toString('latin1').split('\r\n');
  expect(lines.every((line) => line.length <= 998 && !/[\r\n\0]/.test(line))).toBe(true);
}

function headerOf(mail: Buffer): string[] {
  const text = mail.toString('latin1');
  return text.slice(0, text.indexOf('\r\n\r\n')).split(/\r\n(?![ \t])/);
}

const namesOf = (mail: Buffer) => headerOf(mail).map((field) => field.slice(0, field.indexOf(':')));

describe('a notice', () => {
  test('says who wrote, where to read it, until when, and how to check that it is real', async () => {
    const mail = await composeNotice(notice);
    expectClean(mail);
    const read = await simpleParser(mail, { skipTextToHtml: true });
    expect(read.subject).toBe('Secure message from Northside Clinic');
    expect(read.from?.value).toEqual([{ name: 'Northside Clinic', address: 'no-reply@gw.clinic.example' }]);
    expect(headerOf(mail)).toEqual(
      expect.arrayContaining([
        'To: patient@oldmail.demo',
        'Auto-Submitted: auto-generated',
        'Message-ID: <n1@gw.clinic.example>',
      ]),
    );
    const link = `https://secure.clinic.example/m/${TOKEN}`;
    const [english, spanish] = (read.text ?? '').split('-'.repeat(40)) as [string, string];
    for (const text of [english, spanish]) {
      expect(text).toContain(`\n${link}\n`);
      for (const one of ['Dr. Lee <lee@clinic.example>', 'Northside Clinic', '555-0100', 'https://clinic.example/help'])
        expect(text).toContain(one);
    }
    expect(english.replace(/\s+/g, ' ')).toContain('until Thursday, December 24, 2026 at 9:30 AM CST.');
    expect(spanish.replace(/\s+/g, ' ')).toContain('jueves, 24 de diciembre de 2026, 9:30 a.m. CST');
    expect(english).toMatch(/button[\s\S]*six digits[\s\S]*no account and no\s+password/);
    expect(spanish).toMatch(/botón[\s\S]*seis\s+dígitos[\s\S]*cuenta\s+ni\s+contraseña/);
    expect(read.attachments).toEqual([]);
  });

  test('as HTML fetches nothing, and leads only where it says', async () => {
    const { html } = await simpleParser(await composeNotice(notice));
    const text = String(html);
    expect(text).not.toMatch(
      /<(?:img|script|link|style|iframe|object|form|table)|src=|background|url\(|@import|\son\w+=/i,
    );
    const links = [...text.matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)];
    expect(links).toHaveLength(4);
    for (const [, to, shown] of links) expect(shown).toBe(to);
    expect(text).toMatch(/<html lang="en">[\s\S]*<div lang="en"[\s\S]*<div lang="es"/);
    expect(text).toContain('Dr. Lee &lt;lee@clinic.example&gt;');
  });

  test('in the languages of the organization, the first one for the subject; without a phone there is none', async () => {
    const only = { ...organization, languages: ['es'] as const, phone: null, help: null };
    const mail = await composeNotice({ ...notice, organization: only });
    const read = await simpleParser(mail);
    expect(read.subject).toBe('Mensaje seguro de Northside Clinic');
    expect(read.text).not.toMatch(/Read it|Questions|Preguntas|Ayuda/);
    const order = await simpleParser(
      await composeNotice({ ...notice, organization: { ...organization, languages: ['es', 'en'] } }),
    );
    expect(order.subject).toBe('Mensaje seguro de Northside Clinic');
    expect(order.text).toMatch(/Léalo aquí[\s\S]*Read it here/);
  });
});

test('a receipt names each recipient with the link that only the sender has', async () => {
  const mail = await composeReceipt(receipt);
  expectClean(mail);
  const read = await simpleParser(mail);
  const text = (read.text ?? '').replace(/[ \n]+/g, ' ');
  for (const one of receipt.parcels) {
    expect(text).toContain(`${one.recipient} can read it until`);
    expect(text).toContain(` https://secure.clinic.example/s/${one.token} `);
  }
  expect(text).not.toContain('/m/');
  expect(headerOf(mail)).toEqual(
    expect.arrayContaining([
      'To: lee@clinic.example',
      'In-Reply-To: <orig@clinic.example>',
      'References: <orig@clinic.example>',
      'Auto-Submitted: auto-replied',
    ]),
  );
});

describe('a code mail', () => {
  test.each(['en', 'es'] as const)('has the code in its body only: %s', async (language) => {
    const mail = await composeCode({ ...code, language });
    expectClean(mail);
    expect(headerOf(mail).join('\n')).not.toMatch(/493|018|piano/);
    const read = await simpleParser(mail);
    expect(read.text).toContain('\n    493 018\n');
    expect(read.text).toContain('piano');
    expect(read.text).toContain('15 min');
    expect(read.text).toMatch(language === 'en' ? /Nobody from us asks for it/ : /Nadie de nosotros se lo pedirá/);
    expect(String(read.html)).toContain('<b>493 018</b>');
    expect(String(read.html)).not.toContain('<a ');
  });
});

describe('a reply', () => {
  test('threads under the message and goes back to the recipient', async () => {
    const mail = await composeReply(reply);
    expectClean(mail);
    const read = await simpleParser(mail);
    expect(read.subject).toBe('[Secure reply] Re: Your results');
    expect(read.from?.value[0]?.address).toBe('no-reply@gw.clinic.example');
    expect(read.from?.value[0]?.name).toContain('patient@oldmail.demo');
    expect(read.replyTo?.value).toEqual([{ name: '', address: 'patient@oldmail.demo' }]);
    expect(read.text).toMatch(/^Thank you\.\nSee you\.\n\n----\nWritten in the secure portal/);
    expect(headerOf(mail)).toEqual(
      expect.arrayContaining(['In-Reply-To: <orig@clinic.example>', 'References: <orig@clinic.example>']),
    );
    // A person wrote it: absence notes may answer.
    expect(namesOf(mail)).not.toContain('Auto-Submitted');
  });

  test.each([
    ['Re: Your results', '[Secure reply] Re: Your results'],
    ['RE: re : Your results', '[Secure reply] Re: Your results'],
    ['[Secure reply] Re: Your results', '[Secure reply] Re: Your results'],
    ['', '[Secure reply] Re:'],
    ['Año nuevo', '[Secure reply] Re: Año nuevo'],
  ])('to %j', async (subject, expected) => {
    expect((await simpleParser(await composeReply({ ...reply, subject }))).subject).toBe(expected);
  });

  test('any text stays text', async () => {
    const text = 'a\r\n.\r\nFrom b\rc\0d\u0085e ñ 😀 \ud800\r\n\r\n--_NmP-1\r\nContent-Type: text/html\r\n\r\n<b>x</b>';
    const mail = await composeReply({ ...reply, text });
    expectClean(mail);
    const read = await simpleParser(mail);
    expect(read.html).toBe(false);
    expect(read.text).toContain('a\n.\nFrom b\nc d e ñ 😀 \ufffd\n\n--_NmP-1\nContent-Type: text/html\n\n<b>x</b>');
    const long = await composeReply({ ...reply, text: 'x'.repeat(20_000) });
    expectClean(long);
    expect((await simpleParser(long)).text).toContain('x'.repeat(20_000));
  });
});

describe('what comes from outside ends no line', () => {
  const EVIL = [
    'x\r\nBcc: victim@example.org',
    'x\nBcc: victim@example.org\n\nbody',
    'x\rBcc: victim@example.org',
    'x\u2028Bcc: victim@example.org',
    'x" <a@b.example>, "y',
    '=?utf-8?Q?x=0D=0ABcc:_victim@example.org?=',
    '<script>alert(1)</script>',
    'javascript:alert(1)',
    'x\u202Egpj.exe',
    `${'x'.repeat(5_000)}`,
    '',
  ];
  const FIELDS =
    /^(?:From|To|Reply-To|Subject|Date|Message-ID|Auto-Submitted|In-Reply-To|References|MIME-Version|Content-Type|Content-Transfer-Encoding)$/;

  test.each(EVIL)('%j', async (evil) => {
    const org = { ...organization, name: evil, phone: evil, help: evil };
    const mails = await Promise.all([
      composeNotice({ ...notice, organization: org, from: evil }),
      composeReceipt({ ...receipt, organization: org, message: { ...receipt.message, messageId: evil } }),
      composeCode({ ...code, organization: org, word: evil }),
      composeReply({ ...reply, organization: org, subject: evil, inReplyTo: evil }),
    ]);
    for (const mail of mails) {
      expectClean(mail);
      const names = namesOf(mail);
      expect(names.filter((name) => !FIELDS.test(name))).toEqual([]);
      expect(new Set(names).size).toBe(names.length);
      const read = await simpleParser(mail);
      expect(read.from?.value).toHaveLength(1);
      expect(read.from?.value[0]?.address).toBe('no-reply@gw.clinic.example');
      expect(read.subject ?? '').not.toMatch(/[\r\n\u202e]/);
      expect(read.bcc).toBeUndefined();
      expect(String(read.html)).not.toContain('<script');
      expect(String(read.html)).not.toMatch(/href="(?!https:\/\/secure\.clinic\.example\/)/);
    }
  });

  test('an address beyond ASCII stands in the envelope alone', async () => {
    const mail = await composeNotice({ ...notice, to: address('josé@correo.example') });
    expectClean(mail);
    expect(headerOf(mail)).toContain('To: "undisclosed-recipients":;');
    const back = await composeReply({ ...reply, recipient: address('josé@correo.example') });
    expectClean(back);
    expect(namesOf(back)).not.toContain('Reply-To');
    expect((await simpleParser(back)).text).toContain('josé@correo.example');
  });
});

describe('a sender as it is shown', () => {
  const lee = address('lee@clinic.example');
  test.each([
    ['Dr. Lee <lee@clinic.example>', 'Dr. Lee <lee@clinic.example>'],
    ['"Lee, Dr." <lee@clinic.example>', 'Lee, Dr. <lee@clinic.example>'],
    ['=?UTF-8?Q?Dr=2E_Mu=C3=B1oz?= <lee@clinic.example>', 'Dr. Muñoz <lee@clinic.example>'],
    ['lee@clinic.example', 'lee@clinic.example'],
    ['"ceo@bank.example" <lee@clinic.example>', 'lee@clinic.example'],
    ['=?UTF-8?B?Y2VvQGJhbmsuZXhhbXBsZQ==?= <lee@clinic.example>', 'lee@clinic.example'],
    ['"a <b> c" <lee@clinic.example>', 'a b c <lee@clinic.example>'],
    ['Dr. Lee <other@clinic.example>', 'Dr. Lee <lee@clinic.example>'],
    ['=?utf-8?Q?x=0D=0Ay?= <lee@clinic.example>', 'x y <lee@clinic.example>'],
    ['', 'lee@clinic.example'],
    [`"${'x'.repeat(300)}" <lee@clinic.example>`, `${'x'.repeat(100)} <lee@clinic.example>`],
  ])('%j', (value, expected) => {
    expect(shownSender(value, lee)).toBe(expected);
  });

  test.each([
    ['patient@oldmail.demo', 'p•••@oldmail.demo'],
    ['"a b"@oldmail.demo', 'a•••@oldmail.demo'],
    ['p@oldmail.demo', '•••@oldmail.demo'],
  ])('masked: %s', (given, expected) => {
    expect(maskedAddress(address(given))).toBe(expected);
  });
});
