// What a person sees of a message in the portal: the text to show, made harmless, and the list of what else is in it. One
// walk over octets as they come; of a message of any size a few megabytes are kept. Nothing in the content makes it throw;
// what cannot be shown is an attachment. Logs nothing.

import { isUtf8 } from 'node:buffer';
import type { Time } from '../domain/ids.ts';
import { entersForView } from './attachment.ts';
import { charsetDecoder } from './charset.ts';
import { decodeWords, fieldValue, type HeaderSection } from './header.ts';
import { flowed, plainAsHtml, textOfHtml } from './plain.ts';
import { sanitizeMessageHtml } from './sanitize.ts';
import { contentId, formsOf, type Node, type Shown, shownOf } from './shown.ts';
import { createWalker, type Part } from './walk.ts';

export type RenderedAttachment = {
  /** For `attachmentBody`. */
  readonly part: number;
  /** One line without path or control characters, never empty. */
  readonly name: string;
  readonly type: string;
  /** Decoded octets. */
  readonly size: number;
};
export type Rendered = {
  readonly subject: string;
  /** `Dr. Lee <lee@clinic.example>`, decoded. */
  readonly from: string;
  /** Of the Date field; null when it has none that can be read. */
  readonly date: Time | null;
  /** To stand in a body, sanitized; null when there is only plain text. */
  readonly html: string | null;
  /** The plain text, or that of the HTML; '' when nothing can be shown. */
  readonly text: string;
  /** What is shown was cut at its bound; the whole part is among the attachments then. */
  readonly cut: boolean;
  readonly attachments: readonly RenderedAttachment[];
};

/** Octets kept of each part, and of all of its kind. A page escapes plain text, which takes 40 ms a megabyte. */
const BOUNDS = {
  plain: { each: 524_288, all: 1_048_576 },
  html: { each: 2_097_152, all: 4_194_304 },
  image: { each: 1_048_576, all: 5_242_880 },
} as const;
/** Characters of pictures in one text: the same may be named many times. */
const SHOWN_MAX = 8_000_000;
const IMAGE = /^image\/(?:png|jpe?g|gif|webp)$/;
const LINE_MAX = 998;

type Kept = Node & {
  readonly children: Kept[];
  size: number;
  octets: Buffer[] | null;
  held: number;
  cut: boolean;
  uri?: string;
};
type Kind = keyof typeof BOUNDS;
type Room = Record<Kind, number>;

/** Renders mail data. Synchronous; throws only what the iteration throws. */
export function renderMessage(chunks: Iterable<Uint8Array>): Rendered {
  const root = keep(chunks);
  const all = leaves(root);
  const header = root.part.header;
  const shown = shownOf(root) as (Shown & { readonly node: Kept })[];
  const images = imagesOf(root);
  const inText = new Set<Kept>();
  const htmls = shown.map((one) => (one.as === 'html' ? htmlOf(one.node, images, inText) : null));
  const texts = shown.map((one, i) => plainTextOf(one, htmls[i] ?? ''));
  const html = htmls.map((one, i) => one ?? plainAsHtml(texts[i] as string)).join('\n<hr>\n');
  const text = texts.join('\n\n');
  // HTML that is too deep for a browser is a file, as is all that was cut.
  const failed = shown.filter(({ as }, i) => as === 'html' && htmls[i] === null).map(({ node }) => node);
  const seen = new Set<Node>([...formsOf(root), ...shown.map(({ node }) => node), ...inText]);
  const isFile = (node: Kept) => !seen.has(node) || node.cut || failed.includes(node);
  return {
    subject: line(decodeWords(fieldValue(header, 'subject') ?? '')),
    from: fromOf(header),
    date: dateOf(header),
    html: htmls.some((one) => one !== null) ? html : null,
    text: text.trim() === '' ? '' : text,
    cut: failed.length > 0 || shown.some(({ node }) => node.cut) || all.some(isLast),
    attachments: all.filter((node) => isFile(node) && !isEmptyText(node)).map(attachmentOf),
  };
}

/** Behind it the walk gave up. */
function isLast({ part }: Kept): boolean {
  return part.unread === 'too many parts';
}

// ── the walk ──────────────────────────────────────────────────────────────────────────────────────────────────────

function keep(chunks: Iterable<Uint8Array>): Kept {
  const open: Kept[] = [];
  const byPart = new Map<Part, Kept>();
  const room: Room = { plain: BOUNDS.plain.all, html: BOUNDS.html.all, image: BOUNDS.image.all };
  const walker = createWalker({
    begin: (part) => {
      const node: Kept = { part, children: [], size: 0, octets: isWanted(part) ? [] : null, held: 0, cut: false };
      open.length = part.depth;
      open.at(-1)?.children.push(node);
      open.push(node);
      byPart.set(part, node);
      return true;
    },
    enters: entersForView,
    content: (part, bytes) => {
      const node = byPart.get(part) as Kept;
      node.size += bytes.length;
      take(node, bytes, room);
      return true;
    },
    end: () => {},
  });
  for (const chunk of chunks) walker.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  walker.end();
  return open[0] as Kept;
}

function kindOf({ type }: Part): Kind | null {
  if (IMAGE.test(type)) return 'image';
  if (type === 'text/plain') return 'plain';
  return type === 'text/html' || type === 'application/xhtml+xml' ? 'html' : null;
}

function isWanted(part: Part): boolean {
  const kind = kindOf(part);
  return kind === 'image' ? contentId(part) !== '' : kind !== null;
}

/** A text is kept up to its bound; a picture whole or not at all. */
function take(node: Kept, bytes: Buffer, room: Room): void {
  const kind = kindOf(node.part);
  if (node.octets === null || kind === null) return;
  const left = Math.min(BOUNDS[kind].each - node.held, room[kind]);
  if (kind === 'image' && bytes.length > left) {
    room.image += node.held;
    node.octets = null;
    return;
  }
  const kept = bytes.subarray(0, left);
  if (kept.length < bytes.length) node.cut = true;
  if (kept.length > 0) node.octets.push(Buffer.from(kept));
  node.held += kept.length;
  room[kind] -= kept.length;
}

/** Parts with content of their own; of a multipart that has no parts, what stands in it. */
function leaves(node: Kept): Kept[] {
  if (node.children.length > 0) return node.children.flatMap(leaves);
  return node.part.multipart && node.size === 0 ? [] : [node];
}

/** Left over by programs that put an empty text around a file. */
function isEmptyText(node: Kept): boolean {
  return node.size <= 2 && node.part.type === 'text/plain' && node.part.fileName === '';
}

// ── texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function htmlOf(node: Kept, images: ReadonlyMap<string, Kept>, used: Set<Kept>): string | null {
  let room = SHOWN_MAX;
  return sanitizeMessageHtml(textOf(node), {
    image: (id) => {
      const found = images.get(id);
      if (!found?.octets) return null;
      found.uri ??= `data:${found.part.type};base64,${Buffer.concat(found.octets).toString('base64')}`;
      if (found.uri.length > room) return null;
      room -= found.uri.length;
      used.add(found);
      return found.uri;
    },
  });
}

function imagesOf(root: Kept): Map<string, Kept> {
  const images = leaves(root).filter(({ part, octets }) => IMAGE.test(part.type) && octets !== null);
  return new Map(images.map((node) => [contentId(node.part), node]));
}

function plainTextOf({ node, as, plain }: Shown, html: string): string {
  const from = as === 'plain' ? [node] : plain;
  const text = from.map((one) => flowed(textOf(one as Kept), one.part.parameters)).join('\n\n');
  return as === 'plain' || text.trim() !== '' ? text : textOfHtml(html);
}

/** By its charset, that of its `meta`, or what the octets are. */
function textOf(node: Kept): string {
  let octets = Buffer.concat(node.octets ?? []);
  if (node.cut) octets = octets.subarray(0, octets.findLastIndex((octet) => octet < 0x80) + 1);
  const declared = node.part.parameters.get('charset') ?? '';
  const inside = /<meta[^>]{1,200}charset\s*=\s*["']?([\w-]{1,40})/i.exec(octets.toString('latin1', 0, 2_048));
  const charset = declared || (node.part.type === 'text/plain' ? '' : (inside?.[1] ?? ''));
  const guess = charset === '' && !isUtf8(octets) ? 'windows-1252' : charset;
  return charsetDecoder(guess, octets).decode(octets, true).replaceAll('\0', '').replace(/\r\n?/g, '\n');
}

// ── header fields and names ───────────────────────────────────────────────────────────────────────────────────────

/** One line: no controls, and no marks that turn the direction of what follows (a name `exe.pdf` that is `fdp.exe`). */
function line(text: string): string {
  const plain = text.toWellFormed().replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  return plain
    .replace(/[\u202A-\u202E\u2066-\u2069\u200E\u200F]/g, '')
    .trim()
    .slice(0, LINE_MAX);
}

function fromOf(header: HeaderSection): string {
  const text = line(decodeWords(fieldValue(header, 'from') ?? ''));
  return text.replace(/^"((?:[^"\\]|\\.)*)"/, (_, name: string) => name.replace(/\\(.)/g, '$1'));
}

function dateOf(header: HeaderSection): Time | null {
  const at = Date.parse((fieldValue(header, 'date') ?? '').replace(/\([^()]*\)/g, ''));
  return Number.isFinite(at) ? at : null;
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'message/rfc822': '.eml',
  'text/plain': '.txt',
  'text/html': '.html',
  'text/calendar': '.ics',
  'application/pdf': '.pdf',
  'image/png': '.png',
  'image/jpeg': '.jpg',
  'image/gif': '.gif',
  'image/webp': '.webp',
};
const NAME_MAX = 150;

function attachmentOf({ part, size }: Kept): RenderedAttachment {
  return { part: part.index, name: nameOf(part), type: part.type, size };
}

function nameOf({ fileName, type, index }: Part): string {
  const name = line(fileName.replace(/^.*[\\/]/s, '')).replace(/^\.+/, '');
  if (name === '') return `part-${index}${EXTENSIONS[type] ?? ''}`;
  if (name.length <= NAME_MAX) return name;
  const extension = /\.\w{1,10}$/.exec(name)?.[0] ?? '';
  return `${name.slice(0, NAME_MAX - extension.length).toWellFormed()}${extension}`;
}
