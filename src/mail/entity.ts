// A message taken apart for encryption: the header fields that stay outside, and the MIME entity that goes inside, with the
// fields that it protects (RFC 9788). Pure; holds the header section only, bodies stream past it.

import { fieldValue, HEADER_MAX, headerEnd, parseHeader, stripSubjectTags } from './header.ts';

/** What a reader may see of a subject outside the encryption (RFC 9788 §2.1, `hcp_baseline`). */
const OBSCURED = 'Subject: [...]\r\n';

/** Fields for people: they stand inside too, where nobody on the way can read or change them. */
const PROTECTED: ReadonlySet<string> = new Set([
  'subject',
  'from',
  'to',
  'cc',
  'reply-to',
  'date',
  'message-id',
  'in-reply-to',
  'references',
]);
/** As much for people as the subject is, and mostly a copy of it: where that is obscured they stand inside only
 *  (RFC 9788 §3.2.1; Outlook and Exchange write Thread-Topic). */
const INSIDE_ONLY: ReadonlySet<string> = new Set(['comments', 'keywords', 'thread-topic']);

export type EntityOptions = {
  /** Subject tags to take out, lower case. */
  readonly tags: readonly string[];
  readonly subject: 'obscure' | 'keep';
};

export type Entity = {
  /** Fields that stay outside, each with its line end; no MIME fields and no blank line. */
  readonly outside: Buffer;
  /** Header section of the entity, blank line included. */
  readonly inside: Buffer;
};

/** Takes a header section (with its blank line, or without when the message has no body) apart. */
export function entityOf(section: Buffer, { tags, subject }: EntityOptions): Entity {
  const edited = stripSubjectTags(section, tags) ?? section;
  const header = parseHeader(edited);
  const outside: Buffer[] = [];
  const content: Buffer[] = [];
  const inside: Buffer[] = [];
  const shown: Buffer[] = [];
  let end = 0;
  let isBroken = false;
  for (const { name, raw } of header.fields) {
    const at = raw.byteOffset - edited.byteOffset;
    isBroken ||= at !== end;
    end = at + raw.length;
    if (name === 'mime-version') continue;
    if (name.startsWith('content-')) {
      if (name !== 'content-type') content.push(ended(raw));
      continue;
    }
    // Behind a line that is no field many readers see the body already: `Diagnosis: …` may be a line of it.
    if ((subject === 'obscure' && INSIDE_ONLY.has(name)) || (isBroken && !PROTECTED.has(name))) {
      inside.push(ended(raw));
      continue;
    }
    const out = name === 'subject' && subject === 'obscure' ? Buffer.from(OBSCURED) : ended(raw);
    outside.push(out);
    if (!PROTECTED.has(name)) continue;
    inside.push(ended(raw));
    // RFC 9788 §2.2.1: what stood outside when it was encrypted, so that a change of it shows.
    shown.push(Buffer.concat([Buffer.from('HP-Outer: '), out]));
  }
  const type = Buffer.from(`Content-Type: ${typeOf(fieldValue(header, 'content-type'))}\r\n`);
  return {
    outside: Buffer.concat(outside),
    inside: Buffer.concat([...inside, ...shown, type, ...content, Buffer.from('\r\n')]),
  };
}

/** The type of the entity, with the parameter that says that its fields are the message's own (RFC 9788 §2.1.1). */
function typeOf(value: string | undefined): string {
  const given = value ?? '';
  // A regular expression for it takes time with the square of their number.
  let end = given.length;
  while (end > 0 && /[;\s]/.test(given[end - 1] as string)) end -= 1;
  const type = given.slice(0, end) || 'text/plain; charset=us-ascii';
  return `${type.replace(/;\s*/g, ';\r\n\t')};\r\n\thp="cipher"`;
}

function ended(raw: Buffer): Buffer {
  return raw.at(-1) === 10 ? raw : Buffer.concat([raw, Buffer.from('\r\n')]);
}

/** Splits mail data into its header section and the rest; the rest may be read once. */
export function splitHead(chunks: Iterable<Buffer>): { head: Buffer; rest: Iterable<Buffer> } {
  const source = chunks[Symbol.iterator]();
  let head: Buffer = Buffer.alloc(0);
  for (;;) {
    const next = source.next();
    const searched = head.length;
    if (!next.done) head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    const end = headerEnd(head, searched);
    // Accept refused a longer header section.
    if (end < 0 && !next.done && head.length <= HEADER_MAX + 65_536) continue;
    const cut = end < 0 ? head.length : end;
    return { head: head.subarray(0, cut), rest: following(head.subarray(cut), source) };
  }
}

function* following(first: Buffer, source: Iterator<Buffer>): Generator<Buffer, void, void> {
  try {
    if (first.length > 0) yield first;
    for (let next = source.next(); !next.done; next = source.next()) yield next.value;
  } finally {
    source.return?.();
  }
}
