// What the examiner says of the bytes of one message: the job that a worker process runs. Octets stream in; a few megabytes
// of memory whatever the size. Nothing in the content makes it throw: what cannot be read becomes coverage, and a fault of
// ours becomes the coverage `unreadable`. It logs nothing and returns no matched text, only the header values that rows
// keep in boxes.

import { isAscii } from 'node:buffer';
import type { Coverage, Examination, Findings, PartCoverage, UnreadReason, Zone } from '../domain/types.ts';
import { decodeWords, fieldValue, type HeaderSection, hasUnknownCharset, subjectTagsIn } from '../mail/header.ts';
import { isEncryptedZip, normalise, readingOf, type TextReader, textReader } from '../mail/text.ts';
import { createWalker, type Part, WALK_LIMITS, type WalkHandler, type WalkLimits } from '../mail/walk.ts';
import { createScanner, type Scanner, type TextScan } from './scan.ts';

export type ExamineLimits = WalkLimits & {
  /** Milliseconds after which no further part is begun and no further text is scanned; coverage says `time`. */
  readonly milliseconds: number;
  /** Decoded octets of text that are scanned in all. */
  readonly textOctets: number;
};
export const EXAMINE_LIMITS: ExamineLimits = { ...WALK_LIMITS, milliseconds: 30_000, textOctets: 400_000_000 };

export type ExamineOptions = {
  /** Lower case, without brackets. */
  readonly subjectTags: readonly string[];
  readonly limits?: Partial<ExamineLimits>;
  /** Monotonic milliseconds; `performance.now` when not given. */
  readonly now?: () => number;
};

/** The findings and coverage of a message that could not be examined at all (three tries, P6). */
export const UNREADABLE: Coverage = { state: 'unreadable', parts: [] };
const NO_FINDINGS: Findings = { phi: false, counts: [], places: [] };

const NOTHING = Buffer.alloc(0);
const HEAD = 24;

type Reader = { readonly text: TextReader; readonly scan: TextScan };

/** Examines mail data. Synchronous; never throws for content, only when the iteration itself does. */
export function examine(chunks: Iterable<Uint8Array>, options: ExamineOptions): Examination {
  const state = createExamination(options);
  let failed = false;
  for (const chunk of chunks) {
    // After a fault of ours the rest is still pulled, so that whoever feeds us ends properly.
    if (failed) continue;
    try {
      state.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    } catch {
      failed = true;
    }
  }
  try {
    return failed ? state.failure() : state.end();
  } catch {
    return state.failure();
  }
}

type InProgress = { push: (chunk: Buffer) => void; end: () => Examination; failure: () => Examination };

function createExamination(options: ExamineOptions): InProgress {
  const limits = { ...EXAMINE_LIMITS, ...options.limits };
  const now = options.now ?? (() => performance.now());
  const deadline = now() + limits.milliseconds;
  const scanner = createScanner();
  const coverage: PartCoverage[] = [];
  const readers = new Map<Part, Reader>();
  /** First octets of parts that are not read, until there are enough to tell an encrypted ZIP, and a signature from what says it is one. */
  const heads = new Map<Part, Buffer>();
  const facts = { subject: '', messageId: '', subjectTags: [] as string[], autoSubmitted: false, utf8Headers: false };
  let eightBit = false;
  let octets = 0;

  const overrun = (): UnreadReason | null => {
    if (octets > limits.textOctets) return 'too large';
    return now() > deadline ? 'time' : null;
  };
  const handler: WalkHandler = {
    begin: (part) => {
      if (part.index === 0) Object.assign(facts, headerFacts(part.header, options.subjectTags));
      scanHeader(scanner, part);
      const reading = readingOf(part);
      if (reading.unread) part.unread ??= reading.unread;
      const late = overrun();
      if (late) part.unread ??= late;
      if (late) return false;
      if (reading.as === 'signature') return true;
      if (reading.as === 'opaque') return reading.unread === 'format' && mayBeZip(part);
      const scan = scanner.open(zoneOf(part), part.index);
      const charset = part.parameters.get('charset') ?? '';
      const text = textReader({ type: part.type, charset, html: reading.as === 'html' }, (piece) => scan.push(piece));
      readers.set(part, { text, scan });
      return true;
    },
    content: (part, bytes) => {
      const reader = readers.get(part);
      if (!reader) {
        const head = Buffer.concat([heads.get(part) ?? NOTHING, bytes.subarray(0, HEAD)]);
        heads.set(part, head);
        if (readingOf(part).as !== 'signature' && isEncryptedZip(head)) part.unread = 'encrypted';
        return head.length < HEAD;
      }
      octets += bytes.length;
      const late = overrun();
      if (late) part.unread ??= late;
      else reader.text.push(bytes);
      return late === null;
    },
    end: (part) => {
      const reader = readers.get(part);
      const unread = reader?.text.end();
      const head = heads.get(part);
      if (head && readingOf(part).as === 'signature' && !isSignature(part, head)) part.unread ??= 'format';
      reader?.scan.end();
      readers.delete(part);
      heads.delete(part);
      if (unread) part.unread ??= unread;
      if (SIGNATURE.test(part.type) && part.size > SIGNATURE_MAX) part.unread ??= 'format';
      coverage.push(coverageOf(part));
    },
  };
  const walker = createWalker(handler, limits);
  const result = (findings: Findings, reached: Coverage): Examination => ({
    ...facts,
    findings,
    coverage: reached,
    eightBit,
  });
  return {
    push: (chunk) => {
      eightBit ||= !isAscii(chunk);
      walker.push(chunk);
    },
    end: () => {
      walker.end();
      const parts = coverage.sort((a, b) => a.part - b.part);
      const state = parts.every((part) => part.unread === undefined) ? 'full' : 'partial';
      return result(scanner.findings(), { state, parts });
    },
    failure: () => result(NO_FINDINGS, UNREADABLE),
  };
}

/** id-signedData, behind the tag and length of the sequence that it begins (RFC 5652 §3 and §5.1). */
const SIGNED_DATA = Buffer.from('06092a864886f70d010702', 'hex');
const SIGNATURE = /^application\/(?:x-)?(?:pgp|pkcs7)-(?:signature|keys)$/;
/** A signature with its certificates; what claims to be one and is longer counts as unread. */
const SIGNATURE_MAX = 40_000;

/** A file of another name is opened as what its name says. */
function isSignature({ fileName }: Part, head: Buffer): boolean {
  const at = head.indexOf(SIGNED_DATA);
  return head[0] === 0x30 && at >= 2 && at <= 6 && (fileName === '' || /\.p7s$/i.test(fileName));
}

function coverageOf(part: Part): PartCoverage {
  const { index, type, size, unread } = part;
  return unread === undefined ? { part: index, type, size } : { part: index, type, size, unread };
}

function mayBeZip(part: Part): boolean {
  return /zip|octet-stream/.test(part.type) || /\.zip$/i.test(part.fileName);
}

function zoneOf(part: Part): Zone {
  return part.nested || part.fileName !== '' || part.disposition === 'attachment' ? 'attachment' : 'body';
}

// ── header sections ───────────────────────────────────────────────────────────────────────────────────────────────

function headerFacts(header: HeaderSection, tags: readonly string[]) {
  const subjects = header.fields.filter((field) => field.name === 'subject').map((field) => decodeWords(field.value));
  return {
    subject: subjects[0] ?? '',
    messageId: fieldValue(header, 'message-id') ?? '',
    subjectTags: [...new Set(subjects.flatMap((subject) => subjectTagsIn(subject, tags)))],
    autoSubmitted: isAutoSubmitted(header),
    utf8Headers: header.fields.some((field) => !isAscii(field.raw)),
  };
}

/** RFC 3834 §2 and the older marks of mass mail. */
function isAutoSubmitted(header: HeaderSection): boolean {
  const auto = (fieldValue(header, 'auto-submitted') ?? 'no').toLowerCase();
  if (!/^no\b/.test(auto)) return true;
  if (/^(?:bulk|junk|list)\b/i.test(fieldValue(header, 'precedence') ?? '')) return true;
  return header.fields.some((field) => field.name === 'list-id' || field.name === 'list-unsubscribe');
}

/** Fields of transport and of machines: no words of people in them. */
const MACHINE_FIELDS =
  /^(?:received|return-path|delivered-to|date|message-id|in-reply-to|references|mime-version|content-(?:type|transfer-encoding|id|disposition|language|location)|dkim-.*|domainkey.*|arc-.*|authentication-results.*|received-spf|auto-submitted|precedence|list-.*|x-ms-.*|x-microsoft-.*|x-forefront.*|x-exchange.*|x-originat.*|x-google.*|x-gm-.*|x-received|x-mailer|user-agent|x-spam.*|x-mimeole|thread-index|accept-language|x-priority|importance|feedback-id|x-tm-.*|x-proofpoint.*|x-virus.*|x-barracuda.*|x-mimecast.*)$/;

function scanHeader(scanner: Scanner, part: Part): void {
  const lines: string[] = [];
  for (const { name, value } of part.header.fields) {
    if (MACHINE_FIELDS.test(name)) continue;
    if (hasUnknownCharset(value)) part.unread ??= 'charset';
    const text = normalise(decodeWords(value));
    if (name === 'subject' && !part.nested) scanner.add('subject', part.index, text);
    else lines.push(`${name}: ${text}`);
  }
  // A name in an address line is no patient; only numbers and words of the rest matter.
  if (lines.length > 0) scanner.add(part.nested ? 'attachment' : 'header', part.index, lines.join('\n\n'));
  if (part.fileName !== '') scanner.add('file_name', part.index, normalise(part.fileName).replace(/[_.]+/g, ' '));
}
