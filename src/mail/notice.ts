// The portal's own mails: the notice to a recipient, the receipt and the reply to the sender, the code. They say who wrote
// and what to do, never anything of the message; only the reply, which goes to staff, names its subject. Composed in
// ASCII with CRLF; whatever text comes from outside loses its control characters first, so that it cannot end a line.

import MimeNode from 'nodemailer/lib/mime-node/index.js';
import type { Address, QueueId, Time } from '../domain/ids.ts';
import type { Language } from '../domain/portal.ts';
import { isAscii, msgId } from './dsn.ts';
import { mailDate } from './header.ts';
import { type Block, dateWords, WORDS } from './notice-words.ts';
import { escapeHtml } from './plain.ts';
import { oneLine } from './sender.ts';

/** What they have in common. */
export type PortalMail = {
  readonly hostname: string;
  readonly organization: {
    readonly name: string;
    /** The first one is that of the subject. */
    readonly languages: readonly Language[];
    readonly timeZone: string;
    readonly phone: string | null;
    readonly help: string | null;
    /** How its links begin: `https://secure.clinic.example`. */
    readonly portalUrl: string;
  };
  readonly to: Address;
  readonly date: Time;
  /** With angle brackets. */
  readonly messageId: string;
};
export type NoticeMail = PortalMail & {
  /** As header From shows it. */
  readonly from: string;
  readonly token: string;
  readonly expiresAt: Time;
};
export type ReceiptMail = PortalMail & {
  readonly message: {
    readonly queueId: QueueId;
    /** As it stood in its header; used only when it is a msg-id. */
    readonly messageId: string;
    readonly acceptedAt: Time;
  };
  readonly parcels: readonly { readonly recipient: Address; readonly token: string; readonly expiresAt: Time }[];
};
export type CodeMail = PortalMail & {
  /** Six digits. */
  readonly code: string;
  readonly word: string;
  /** Milliseconds. */
  readonly lives: number;
  readonly language: Language;
};
export type ReplyMail = PortalMail & {
  readonly recipient: Address;
  /** Of the message that is answered. */
  readonly subject: string;
  readonly inReplyTo: string;
  readonly text: string;
};

const NO_REPLY = 'no-reply';

/** Address in header From of what the portal writes. */
export function portalSender(hostname: string): Address {
  return `${NO_REPLY}@${hostname}` as Address;
}

/** In all languages of the organization, one below the other. */
export function composeNotice(mail: NoticeMail): Promise<Buffer> {
  const { organization } = mail;
  const name = oneLine(organization.name, 200);
  const sections = organization.languages.map((language) => ({
    language,
    blocks: WORDS[language].notice({
      organization: name,
      from: oneLine(mail.from, 320),
      url: `${organization.portalUrl}/m/${mail.token}`,
      base: `${organization.portalUrl}/`,
      until: dateWords(mail.expiresAt, language, organization.timeZone),
      phone: organization.phone === null ? null : oneLine(organization.phone, 100),
      help: organization.help,
    }),
  }));
  const subject = WORDS[firstLanguage(mail)].noticeSubject(name);
  return build(mail, { subject, automatic: 'auto-generated' }, sections);
}

/** For a whole transaction: each recipient with the link that only the sender has. */
export function composeReceipt(mail: ReceiptMail): Promise<Buffer> {
  const language = firstLanguage(mail);
  const { timeZone, portalUrl, name } = mail.organization;
  const blocks = WORDS[language].receipt({
    organization: oneLine(name, 200),
    sent: dateWords(mail.message.acceptedAt, language, timeZone),
    parcels: mail.parcels.map(({ recipient, token, expiresAt }) => ({
      recipient,
      url: `${portalUrl}/s/${token}`,
      until: dateWords(expiresAt, language, timeZone),
    })),
    queueId: mail.message.queueId,
  });
  const head = {
    subject: WORDS[language].receiptSubject,
    automatic: 'auto-replied',
    answers: mail.message.messageId,
  } as const;
  return build(mail, head, [{ language, blocks }]);
}

/** In one language, that of the page which asked. */
export function composeCode(mail: CodeMail): Promise<Buffer> {
  const { language } = mail;
  const name = oneLine(mail.organization.name, 200);
  const blocks = WORDS[language].code({
    organization: name,
    code: `${mail.code.slice(0, 3)} ${mail.code.slice(3)}`,
    word: mail.word,
    minutes: Math.round(mail.lives / 60_000),
  });
  const head = { subject: WORDS[language].codeSubject(name), automatic: 'auto-generated' } as const;
  return build(mail, head, [{ language, blocks }]);
}

/** The recipient's words as plain text, from our own address: theirs would fail the alignment of DMARC. */
export function composeReply(mail: ReplyMail): Promise<Buffer> {
  const words = WORDS[firstLanguage(mail)];
  const facts = { organization: oneLine(mail.organization.name, 200), recipient: mail.recipient };
  const subject = oneLine(mail.subject, 500).replace(/^(?:\[Secure reply\]\s*|re\s*:\s*)+/i, '');
  const node = new MimeNode('text/plain; charset=utf-8', OPTIONS);
  setHeader(node, mail, {
    subject: `[Secure reply] Re: ${subject}`.trimEnd(),
    answers: mail.inReplyTo,
    from: words.replyFrom(facts),
    replyTo: mail.recipient,
  });
  node.setContent(`${crlf(mail.text)}\r\n\r\n----\r\n${words.replyFoot(facts)}\r\n`);
  return node.build();
}

function firstLanguage(mail: PortalMail): Language {
  return mail.organization.languages[0] ?? 'en';
}

// ── one mail of them ──

type Section = { readonly language: Language; readonly blocks: readonly Block[] };
type Head = {
  readonly subject: string;
  /** RFC 3834 §5; none: a person wrote it. */
  readonly automatic?: 'auto-generated' | 'auto-replied';
  /** A Message-ID as it stood in a header. */
  readonly answers?: string;
  /** Display name; default: that of the organization. */
  readonly from?: string;
  readonly replyTo?: Address;
};

const OPTIONS = { disableFileAccess: true, disableUrlAccess: true, newline: 'windows' };

function build(mail: PortalMail, head: Head, sections: readonly Section[]): Promise<Buffer> {
  const root = new MimeNode('multipart/alternative', OPTIONS);
  setHeader(root, mail, head);
  root.createChild('text/plain; charset=utf-8').setContent(sections.map(plainOf).join(`\r\n${'-'.repeat(40)}\r\n\r\n`));
  root.createChild('text/html; charset=utf-8').setContent(htmlOf(head.subject, sections));
  return root.build();
}

function setHeader(node: InstanceType<typeof MimeNode>, mail: PortalMail, head: Head): void {
  const answers = msgId(head.answers ?? '');
  node.setHeader({
    From: { name: nameOf(head.from ?? mail.organization.name), address: portalSender(mail.hostname) },
    // An address beyond ASCII would need SMTPUTF8 for the header section too; the envelope has it all the same.
    To: isAscii(mail.to) ? mail.to : 'undisclosed-recipients:;',
    ...(head.replyTo !== undefined && isAscii(head.replyTo) && { 'Reply-To': head.replyTo }),
    // What looks like an encoded word would be decoded by who reads it.
    Subject: oneLine(head.subject, 600).replaceAll('=?', '= ?'),
    Date: mailDate(mail.date),
    'Message-ID': mail.messageId,
    ...(head.automatic !== undefined && { 'Auto-Submitted': head.automatic }),
    ...(answers !== '' && { 'In-Reply-To': answers, References: answers }),
  });
}

function plainOf({ blocks }: Section): string {
  return blocks.map((block) => `${textOf(block)}\r\n`).join('\r\n');
}

function textOf(block: Block): string {
  if (typeof block === 'string') return wrapped(block);
  return 'url' in block ? oneLine(block.url, BLOCK_MAX) : `    ${oneLine(block.exact, 20)}`;
}

const BLOCK_MAX = 4_000;

/** Lines of at most 76 characters where the words allow it. */
function wrapped(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text, BLOCK_MAX).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 76) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\r\n');
}

/** Nothing is fetched by it, and every address that it leads to is the one that it shows. */
function htmlOf(title: string, sections: readonly Section[]): string {
  const [first] = sections;
  const body = sections.map(
    ({ language, blocks }, i) =>
      `<div lang="${language}" style="max-width:36em${i === 0 ? '' : ';border-top:1px solid #999;margin-top:24px;padding-top:8px'}">\r\n${blocks.map(paragraph).join('\r\n')}\r\n</div>`,
  );
  return [
    `<!DOCTYPE html>`,
    `<html lang="${first?.language ?? 'en'}"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>${escapeHtml(title)}</title></head>`,
    '<body style="margin:0;padding:16px;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:1.5">',
    ...body,
    '</body></html>',
    '',
  ].join('\r\n');
}

function paragraph(block: Block): string {
  if (typeof block === 'string') return `<p>${escapeHtml(oneLine(block, BLOCK_MAX))}</p>`;
  if ('exact' in block) return `<p style="font-size:28px;letter-spacing:2px"><b>${escapeHtml(block.exact)}</b></p>`;
  const url = escapeHtml(block.url);
  // A help page is what somebody typed into a file.
  if (!/^https:\/\/[\x21-\x7e]+$/.test(block.url)) return `<p>${escapeHtml(oneLine(block.url, BLOCK_MAX))}</p>`;
  return `<p style="overflow-wrap:anywhere"><a href="${url}">${url}</a></p>`;
}

// ── what comes from outside ──

/** A display name; what looks like an encoded word would be decoded by who reads it. */
function nameOf(text: string): string {
  return oneLine(text, 300).replaceAll('=?', '= ?');
}

/** Lines end in CRLF; no other control character but the tab. */
function crlf(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, ' ')
    .replace(/\n/g, '\r\n')
    .trimEnd();
}
