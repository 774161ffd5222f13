import { simpleParser } from 'mailparser';
import type { Address, QueueId } from '../../../src/domain/ids.ts';
import { composeDsn, type DsnMail } from '../../../src/mail/dsn.ts';
import { composeNote, type NoteMail } from '../../../src/mail/note.ts';
import { createWalker, type Part } from '../../../src/mail/walk.ts';

const AT = Date.UTC(2026, 10, 24, 15, 30);
const address = (text: string) => text as Address;
const common = {
  hostname: 'relay.example',
  to: [address('ann@clinic.example')],
  date: AT,
  messageId: '<n1@relay.example>',
  message: {
    queueId: '0123456789abcdefghijklmn' as QueueId,
    messageId: '<orig@clinic.example>',
    acceptedAt: AT - 3_600_000,
    sender: [address('ann@clinic.example')],
  },
};
const failed: DsnMail = {
  ...common,
  envelopeId: 'ENV-7',
  action: 'failed',
  recipients: [
    {
      recipient: address('bob@example.org'),
      originalRecipient: 'rfc822;robert@example.org',
      status: '5.1.1',
      diagnostic: '550 5.1.1 no such user',
    },
    { recipient: address('"a b"@example.org'), status: '4.4.1', diagnostic: 'could not be reached for 4 days' },
  ],
};
const held: NoteMail = {
  ...common,
  kind: 'held',
  toSender: true,
  recipients: [{ recipient: address('bob@example.org'), why: 'rule "phi": portal is not available in this version' }],
  admin: address('it@clinic.example'),
  timeZone: 'America/Chicago',
};

/** Parts with their decoded text, by our own walker. */
function partsOf(mail: Buffer): { part: Part; text: string }[] {
  const parts: { part: Part; text: string }[] = [];
  const walker = createWalker({
    begin: (part) => parts.push({ part, text: '' }) > 0,
    content: (part, bytes) => {
      (parts.find((one) => one.part === part) as { text: string }).text += bytes.toString('utf8');
      return true;
    },
    end: () => {},
  });
  walker.push(mail);
  walker.end();
  return parts;
}

/** Fields of message/delivery-status, group by group. */
function groupsOf(mail: Buffer): string[][] {
  const status = partsOf(mail).find(({ part }) => part.type === 'message/delivery-status');
  return (status?.text ?? '')
    .trim()
    .split('\r\n\r\n')
    .map((group) => group.split('\r\n'));
}

/** Everything that a reader of the mail can see. */
function whole(mail: Buffer): string {
  return partsOf(mail)
    .map(
      ({ part, text }) => `${part.header.fields.map((field) => `${field.name}: ${field.value}`).join('\n')}\n${text}`,
    )
    .join('\n');
}

describe('a DSN', () => {
  test('is a multipart/report with a group for the message and one for each recipient (RFC 3464)', async () => {
    const mail = await composeDsn(failed);
    const parts = partsOf(mail);
    expect(parts.map(({ part }) => [part.type, part.unread])).toEqual([
      ['multipart/report', undefined],
      ['text/plain', undefined],
      ['message/delivery-status', undefined],
      ['text/rfc822-headers', undefined],
    ]);
    expect(parts[0]?.part.parameters.get('report-type')).toBe('delivery-status');
    expect(groupsOf(mail)).toEqual([
      [
        'Reporting-MTA: dns;relay.example',
        'Original-Envelope-Id: ENV-7',
        'Arrival-Date: Tue, 24 Nov 2026 14:30:00 +0000',
      ],
      [
        'Original-Recipient: rfc822;robert@example.org',
        'Final-Recipient: rfc822;bob@example.org',
        'Action: failed',
        'Status: 5.1.1',
        'Diagnostic-Code: smtp;550 5.1.1 no such user',
      ],
      [
        'Final-Recipient: rfc822;"a b"@example.org',
        'Action: failed',
        'Status: 4.4.1',
        'Diagnostic-Code: x-sealrelay;could not be reached for 4 days',
      ],
    ]);
    expect(parts[3]?.text).toBe('Message-ID: <orig@clinic.example>\r\nFrom: ann@clinic.example\r\n');
  });

  test('of a delay says until when it is tried', async () => {
    const [first] = failed.recipients;
    const mail = await composeDsn({
      ...failed,
      action: 'delayed',
      recipients: [{ ...(first as DsnMail['recipients'][number]), willRetryUntil: AT }],
    });
    expect(groupsOf(mail)[1]).toEqual(
      expect.arrayContaining(['Action: delayed', 'Will-Retry-Until: Tue, 24 Nov 2026 15:30:00 +0000']),
    );
    expect((await simpleParser(mail)).subject).toBe('Delayed mail: still being tried');
  });

  test('another reader sees the same', async () => {
    const read = await simpleParser(await composeDsn(failed), { keepDeliveryStatus: true });
    expect(read.from?.value).toEqual([{ name: 'Mail gateway', address: 'postmaster@relay.example' }]);
    expect(read.to).toMatchObject({ value: [{ address: 'ann@clinic.example' }] });
    expect(read.subject).toBe('Undelivered mail returned to sender');
    expect(read.messageId).toBe('<n1@relay.example>');
    expect(read.inReplyTo).toBe('<orig@clinic.example>');
    expect(read.date?.getTime()).toBe(AT);
    expect(read.headers.get('auto-submitted')).toBe('auto-replied');
    expect(read.text).toContain('bob@example.org\n    550 5.1.1 no such user (5.1.1)');
    expect(read.text).toContain('queue id 0123456789abcdefghijklmn at relay.example');
    const status = read.attachments.find((one) => one.contentType === 'message/delivery-status');
    expect(status?.content.toString()).toContain('Final-Recipient: rfc822;bob@example.org');
  });

  test('is 7-bit with CR LF and short lines, and gives addresses beyond ASCII as RFC 6533 §3 wants', async () => {
    const mail = await composeDsn({
      ...failed,
      message: { ...failed.message, sender: [address('jörg@clinic.example')] },
      recipients: [
        {
          recipient: address('müller+x@example.org'),
          originalRecipient: 'utf-8;müller+x@example.org',
          status: '5.1.1',
          diagnostic: '550 5.1.1 kein Postfach für müller',
        },
      ],
    });
    const text = mail.toString('latin1');
    expect(text).toMatch(/^[\x20-\x7e\r\n]*$/);
    expect(text).not.toMatch(/(?<!\r)\n|\r(?!\n)/);
    for (const line of text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
    expect(groupsOf(mail)[1]).toEqual(
      expect.arrayContaining([
        'Final-Recipient: utf-8;m\\x{FC}ller\\x{2B}x@example.org',
        'Original-Recipient: utf-8;m\\x{FC}ller+x@example.org',
      ]),
    );
    expect((await simpleParser(mail)).text).toContain('müller+x@example.org');
  });

  test('an addressee beyond ASCII is not shown to one who may not take SMTPUTF8', async () => {
    const both = await composeDsn({ ...failed, to: [address('jörg@clinic.example'), address('it@clinic.example')] });
    expect(both.toString('latin1')).toMatch(/^To: it@clinic\.example\r$/m);
    const alone = await composeDsn({ ...failed, to: [address('jörg@clinic.example')] });
    expect(alone.toString('utf8')).toMatch(/^To: .*jörg@clinic\.example>?\r$/m);
  });

  test('takes at most 200 printable characters of a reply, on one line', async () => {
    const reply = `550 5.7.1 no\r\nBcc: evil@example.org\u0007\u202e${'z'.repeat(500)}TAIL`;
    const mail = await composeDsn({
      ...failed,
      recipients: [{ recipient: address('bob@example.org'), status: '5.7.1', diagnostic: reply }],
    });
    const field = groupsOf(mail)[1]?.find((line) => line.startsWith('Diagnostic-Code')) ?? '';
    expect(field).toHaveLength('Diagnostic-Code: smtp;'.length + 200);
    expect(groupsOf(mail)).toHaveLength(2);
    expect((await simpleParser(mail)).bcc).toBeUndefined();
    expect(whole(mail)).not.toContain('TAIL');
    expect(whole(mail)).not.toMatch(/(?![\r\n])\p{C}/u);
  });

  test.each([
    '',
    'Result of Mrs. Lopez <x@y>',
    '<a b@clinic.example>',
    '<a@b>\r\nSubject: lymphoma',
    `<${'a'.repeat(300)}@b>`,
    '<ö@b>',
  ])('what is no Message-ID is not repeated: %j', async (messageId) => {
    const given = { ...common.message, messageId };
    for (const mail of [
      await composeDsn({ ...failed, message: given }),
      await composeNote({ ...held, message: given }),
    ]) {
      const text = whole(mail);
      expect(text).not.toMatch(/Lopez|lymphoma|in-reply-to|references|aaaaaaaaaaaaaaa|<a b/i);
      expect(text).toContain('message-id: <n1@relay.example>');
    }
  });
});

describe('a staff note', () => {
  test('tells the sender in plain words, in the time of the organization', async () => {
    const mail = await composeNote(held);
    const read = await simpleParser(mail);
    expect(read.subject).toBe('Your message is held and was not delivered yet');
    expect(read.headers.get('auto-submitted')).toBe('auto-replied');
    expect(read.inReplyTo).toBe('<orig@clinic.example>');
    expect(read.text).toContain('bob@example.org\n    rule "phi": portal is not available in this version');
    expect(read.text).toContain('You sent it on Tuesday, November 24, 2026 at 8:30');
    expect(read.text).toContain('ask it@clinic.example and name the queue id 0123456789abcdefghijklmn');
    expect(partsOf(mail).map(({ part }) => part.type)).toEqual(['text/plain']);
  });

  test('tells the admin alone when the sender is not told', async () => {
    const read = await simpleParser(await composeNote({ ...held, toSender: false }));
    expect(read.subject).toBe('A message is held and was not delivered yet');
    expect(read.text).toContain('by ann@clinic.example, who is not told');
    expect(read.text).toContain('sealrelay explain 0123456789abcdefghijklmn');
  });

  test('gives the words of a rule in their own language, on one line', async () => {
    const why = 'Atención: revisión\r\n\r\nBcc: x@y.example';
    const mail = await composeNote({ ...held, kind: 'warn', recipients: [{ recipient: address('b@e.example'), why }] });
    const read = await simpleParser(mail);
    expect(read.subject).toBe('About a message that you sent');
    expect(read.text).toContain('    Atención: revisión Bcc: x@y.example\n');
    expect(mail.toString('latin1')).toMatch(/^[\x20-\x7e\r\n]*$/);
  });
});
