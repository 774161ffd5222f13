// Streaming walk over a MIME message: octets in as they come, parts out as events. Memory is bounded whatever the size: one
// header section, one line that could be a boundary, one chunk, and 50 MB of TNEF. What is wrong, too much or ambiguous
// becomes the part's `unread` reason and the walk goes on; nothing throws for content, nothing is logged. It decodes
// transfer encodings and takes TNEF apart; what the octets mean is the handler's to know.

import type { UnreadReason } from '../domain/types.ts';
import { type Decoder, decoderFor } from './decode.ts';
import { HEADER_MAX, type HeaderSection, parseHeader } from './header.ts';
import { type Media, parseMedia } from './media.ts';
import { tnefParts } from './tnef/parts.ts';
import { isTnef } from './tnef/stream.ts';

export type WalkLimits = { readonly depth: number; readonly parts: number };
export const WALK_LIMITS: WalkLimits = { depth: 50, parts: 1_000 };

export type Part = {
  /** From 0 in order of appearance; a container counts. */
  readonly index: number;
  /** 0 for the message itself; one more for each multipart, message or TNEF around it. */
  readonly depth: number;
  /** Lower case: `text/plain`. */
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly disposition: string;
  /** Decoded; '' when none is given. */
  readonly fileName: string;
  readonly header: HeaderSection;
  /** Inside a message/rfc822 part, or attached within TNEF. */
  readonly nested: boolean;
  readonly multipart: boolean;
  /** Octets of its body as they stand in the message; of a container, what lies outside its parts; of what stood in TNEF, as
   *  it was taken out. */
  size: number;
  /** First reason why it was not read whole. */
  unread?: UnreadReason;
};

export type WalkHandler = {
  /** True when its content is wanted; else it is only searched for the next boundary. */
  readonly begin: (part: Part) => boolean;
  /** False: a container that is read as one part, its octets as they stand between the boundaries around it. */
  readonly enters?: (part: Part) => boolean;
  /** Decoded octets, good until the call returns; of a container what stands outside its parts. False: no more wanted. */
  readonly content: (part: Part, bytes: Buffer) => boolean;
  readonly end: (part: Part) => void;
};

export type Walker = {
  /** Next octets; may be reused by the caller after the call. */
  readonly push: (chunk: Buffer) => void;
  readonly end: () => void;
};

type Open = { readonly part: Part; readonly boundary: string; readonly sink: Sink; closed: boolean };
type Sink = { wanted: boolean; readonly decoder: Decoder | null; readonly child: Walk | TnefWalk | null };
type Parent = { readonly depth: number; readonly nested: boolean; readonly digest: boolean };
type Shared = { readonly handler: WalkHandler; readonly limits: WalkLimits; parts: number; held: number };

const LF = 10;
const CR = 13;
const DASH = 45;
const DELIMITER = Buffer.from('\n--');
const DASHES = Buffer.from('--');
/** A boundary has 70 characters (RFC 2046 §5.1.1); a longer line with dashes in front is text. */
const BOUNDARY_LINE_MAX = 1_000;
const EMPTY = Buffer.alloc(0);

/** A walker that tells `handler` of every part of one message. */
export function createWalker(handler: WalkHandler, limits: WalkLimits = WALK_LIMITS): Walker {
  const walk = new Walk({ handler, limits, parts: 0, held: 0 }, { depth: -1, nested: false, digest: false });
  return { push: (chunk) => walk.push(chunk), end: () => walk.end() };
}

class Walk {
  private readonly shared: Shared;
  private readonly stack: Open[] = [];
  private readonly boundaries = new Map<string, Open>();
  private state: 'header' | 'rest of header' | 'body' | 'drained' = 'header';
  private parent: Parent;
  private part: Part | null = null;
  private sink: Sink = { wanted: false, decoder: null, child: null };
  /** The next octet begins a line of a body. */
  private lineStart = true;
  private pending: Buffer = EMPTY;
  private isBase64 = false;

  constructor(shared: Shared, parent: Parent) {
    this.shared = shared;
    this.parent = parent;
  }

  push(chunk: Buffer): void {
    const data = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const at = this.run(data, false);
    this.pending = at < data.length ? Buffer.from(data.subarray(at)) : EMPTY;
  }

  end(): void {
    const data = this.pending;
    this.pending = EMPTY;
    this.run(data, true);
    if (this.state === 'header') this.begin(data.subarray(0, 0), null);
    this.endLeaf();
    while (this.stack.length > 0) this.pop();
  }

  /** Works through `data` as far as it can; returns the offset of what has to be seen again with more octets. */
  private run(data: Buffer, final: boolean): number {
    let at = 0;
    for (;;) {
      const before = this.state;
      const parts = this.shared.parts;
      const next =
        before === 'body'
          ? this.body(data, at, final)
          : before === 'drained'
            ? data.length
            : this.header(data, at, final);
      // A message without a header section is one more header section, at the same place.
      const stuck = next === at && before === this.state && parts === this.shared.parts;
      at = next;
      if (stuck || (at >= data.length && (this.state === 'body' || this.state === 'drained'))) return at;
      if (at >= data.length && this.state === before) return at;
    }
  }

  // ── header sections ──

  private header(data: Buffer, from: number, final: boolean): number {
    let line = from;
    while (line < data.length) {
      const lineFeed = data.indexOf(LF, line);
      const tooLong = (lineFeed < 0 ? data.length : lineFeed) - from > HEADER_MAX;
      if (this.state === 'header' && tooLong) {
        if (this.begin(data.subarray(from, from + HEADER_MAX), 'too large')) this.state = 'rest of header';
        return line;
      }
      if (lineFeed < 0 && !final) {
        if (this.state === 'header') return from;
        return data.length - line < BOUNDARY_LINE_MAX ? line : data.length;
      }
      const next = lineFeed < 0 ? data.length : lineFeed + 1;
      const blank = data[line] === LF || (data[line] === CR && data[line + 1] === LF);
      if (blank) {
        this.endHeader(data.subarray(from, next), null);
        return next;
      }
      if (data[line] === DASH && data[line + 1] === DASH && this.match(data, line, next)) {
        this.endHeader(data.subarray(from, line), 'malformed');
        return line;
      }
      line = next;
    }
    if (!final) return this.state === 'header' ? from : line;
    this.endHeader(data.subarray(from, line), null);
    return line;
  }

  private endHeader(bytes: Buffer, fault: UnreadReason | null): void {
    if (this.state === 'header') this.begin(bytes, fault);
    else this.state = 'body';
    this.lineStart = true;
  }

  /** A new part, whose header section is known. Leaves the walk in the state its body is read in; false when drained. */
  private begin(bytes: Buffer, fault: UnreadReason | null): boolean {
    const { limits, handler } = this.shared;
    const part = partOf(Buffer.from(bytes), this.shared.parts++, this.parent);
    const { encoding, media, ...event } = part;
    if (fault) note(event.part, fault);
    this.state = 'body';
    this.part = event.part;
    this.isBase64 = encoding === 'base64';
    this.sink = { wanted: false, decoder: null, child: null };
    if (event.part.index >= limits.parts) {
      // Whatever else is wrong with it: behind it nothing is known of the message.
      event.part.unread = 'too many parts';
      handler.begin(event.part);
      this.state = 'drained';
      return false;
    }
    const isMessage = media.value === 'message/rfc822' || media.value === 'message/global';
    const tnef = isTnef(event.part);
    const container = (event.part.multipart || isMessage || tnef) && (handler.enters?.(event.part) ?? true);
    if (container && event.part.depth >= limits.depth) note(event.part, 'too deep');
    const decoder = decoderFor(encoding);
    if (decoder === undefined) note(event.part, 'malformed');
    const enters = container && event.part.depth < limits.depth;
    const wanted = handler.begin(event.part);
    if (enters && event.part.multipart) this.openMultipart(event.part, media, wanted, decoder ?? null);
    else if (enters && tnef) {
      const child = wanted ? new TnefWalk(this.shared, event.part) : null;
      this.sink = { wanted, decoder: decoder ?? null, child };
    } else if (enters && decoder) {
      this.sink = { wanted: true, decoder, child: new Walk(this.shared, inside(event.part)) };
    } else if (enters && isMessage) {
      handler.end(event.part);
      this.part = null;
      this.parent = inside(event.part);
      this.state = 'header';
    } else this.sink = { wanted, decoder: decoder ?? null, child: null };
    return true;
  }

  private openMultipart(part: Part, media: Media, wanted: boolean, decoder: Decoder | null): void {
    const boundary = media.parameters.get('boundary') ?? '';
    this.sink = { wanted, decoder: null, child: null };
    // RFC 2045 §6.4: no encoding but the identity for a multipart; a reader that decodes it sees something else.
    if (decoder !== null || boundary.length > 70 || boundary.trimEnd() !== boundary) note(part, 'malformed');
    if (boundary === '' || this.boundaries.has(boundary)) {
      note(part, 'malformed');
      return;
    }
    const open: Open = { part, boundary, sink: this.sink, closed: false };
    this.stack.push(open);
    this.boundaries.set(boundary, open);
  }

  // ── bodies ──

  private body(data: Buffer, from: number, final: boolean): number {
    if (this.stack.length === 0) {
      this.emit(data, from, data.length);
      return data.length;
    }
    let line = from;
    if (!this.lineStart || !mayBeDashes(data, from, final)) line = nextDelimiter(data, from, this.isBase64);
    while (line >= 0) {
      const lineFeed = data.indexOf(LF, line);
      const next = lineFeed < 0 ? data.length : lineFeed + 1;
      if (lineFeed < 0 && !final && data.length - line < BOUNDARY_LINE_MAX) {
        return this.emitUpTo(data, from, line);
      }
      const match = this.match(data, line, next);
      if (match) {
        this.emitUpTo(data, from, line);
        this.turn(match.open, match.close);
        return next;
      }
      line = nextDelimiter(data, line, this.isBase64);
    }
    return this.emitUpTo(data, from, final ? data.length : heldBack(data, from), final);
  }

  /** Emits what stands before `line`, without the line end in front of it, which belongs to the boundary. */
  private emitUpTo(data: Buffer, from: number, line: number, last = false): number {
    let to = line;
    if (!last && to > from && data[to - 1] === LF) to -= to - 1 > from && data[to - 2] === CR ? 2 : 1;
    this.emit(data, from, to);
    return to;
  }

  private match(data: Buffer, line: number, next: number): { open: Open; close: boolean } | null {
    if (this.boundaries.size === 0) return null;
    const length = next - line;
    const isLong = length > BOUNDARY_LINE_MAX || (length === BOUNDARY_LINE_MAX && data[next - 1] !== LF);
    const text = data.toString('latin1', line + 2, Math.min(next, line + BOUNDARY_LINE_MAX)).trimEnd();
    const open = isLong ? undefined : this.boundaries.get(text);
    if (open) return { open, close: false };
    const closing = text.endsWith('--') && !isLong ? this.boundaries.get(text.slice(0, -2)) : undefined;
    if (closing) return { open: closing, close: true };
    // RFC 2046 §5.1.1 compares only the beginning of the line, most readers compare all of it.
    const near = this.part !== null && this.part.unread === undefined && text !== '';
    if (near && this.stack.some((entry) => text.startsWith(entry.boundary))) note(this.part as Part, 'malformed');
    return null;
  }

  /** A boundary line of `open`: what lies above it on the stack ends, a part begins or the multipart is closed. */
  private turn(open: Open, close: boolean): void {
    this.endLeaf();
    while (this.stack.at(-1) !== open) this.pop();
    if (open.closed) note(open.part, 'malformed');
    this.lineStart = true;
    if (close) {
      open.closed = true;
      this.part = open.part;
      this.sink = open.sink;
      this.state = 'body';
    } else {
      open.closed = false;
      this.part = null;
      this.parent = inside(open.part);
      this.state = 'header';
    }
  }

  private emit(data: Buffer, from: number, to: number): void {
    if (to <= from || this.part === null) return;
    this.lineStart = false;
    this.part.size += to - from;
    if (!this.sink.wanted) return;
    const raw = data.subarray(from, to);
    this.deliver(this.sink.decoder ? this.sink.decoder.push(raw) : raw);
  }

  private deliver(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.sink.child) this.sink.child.push(bytes);
    else if (!this.shared.handler.content(this.part as Part, bytes)) this.sink.wanted = false;
  }

  private endLeaf(): void {
    const { part, sink } = this;
    if (part === null || this.stack.some((open) => open.part === part)) return;
    if (sink.decoder && sink.wanted) {
      this.deliver(sink.decoder.end());
      if (sink.decoder.bad()) note(part, 'malformed');
    }
    sink.child?.end();
    this.shared.handler.end(part);
    this.part = null;
  }

  private pop(): void {
    const open = this.stack.pop() as Open;
    this.boundaries.delete(open.boundary);
    if (!open.closed) note(open.part, 'malformed');
    this.shared.handler.end(open.part);
  }
}

/** Octets of TNEF that are held at once: of a stream names and code pages may stand behind what they are for. */
const TNEF_MAX = 50_000_000;
const TNEF_CHUNK = 65_536;

/** What stands in a TNEF part, one walk for each of its texts and files. */
class TnefWalk {
  private readonly shared: Shared;
  private readonly part: Part;
  private chunks: Buffer[] = [];
  private size = 0;

  constructor(shared: Shared, part: Part) {
    this.shared = shared;
    this.part = part;
  }

  push(bytes: Buffer): void {
    const taken = Buffer.from(bytes.subarray(0, TNEF_MAX - this.shared.held));
    if (taken.length < bytes.length) note(this.part, 'too large');
    this.chunks.push(taken);
    this.size += taken.length;
    this.shared.held += taken.length;
  }

  end(): void {
    const { shared, part } = this;
    const stream = Buffer.concat(this.chunks);
    this.chunks = [];
    for (const { header, body, isAttached } of tnefParts(stream, (reason) => note(part, reason))) {
      const walk = new Walk(shared, { depth: part.depth, nested: part.nested || isAttached, digest: false });
      walk.push(header);
      for (let at = 0; at < body.length; at += TNEF_CHUNK) walk.push(body.subarray(at, at + TNEF_CHUNK));
      walk.end();
      // The one behind the last says so.
      if (shared.parts > shared.limits.parts) break;
    }
    shared.held -= this.size;
  }
}

/** Keeps the first reason. */
function note(part: Part, reason: UnreadReason): void {
  part.unread ??= reason;
}

function inside(part: Part): Parent {
  const isMessage = !part.multipart;
  return { depth: part.depth, nested: part.nested || isMessage, digest: part.type === 'multipart/digest' };
}

function nextDelimiter(data: Buffer, from: number, isBase64: boolean): number {
  // A search stops at each octet that could be the first: in base64 no dash is one, while lines end all the time.
  const dashes = isBase64 ? data.indexOf(DASHES, from) : from;
  const found = dashes < 0 ? -1 : data.indexOf(DELIMITER, Math.max(from, dashes - 1));
  return found < 0 ? -1 : found + 1;
}

function mayBeDashes(data: Buffer, at: number, final: boolean): boolean {
  if (data[at] !== DASH) return false;
  return data[at + 1] === DASH || (at + 1 === data.length && !final);
}

/** Where the end of `data` begins to look like the line end and first dash before a boundary. */
function heldBack(data: Buffer, from: number): number {
  let at = data.length;
  if (at > from && data[at - 1] === DASH && (at - 1 === from || data[at - 2] === LF)) at -= 1;
  if (at > from && data[at - 1] === LF) return at;
  return at > from && data[at - 1] === CR ? at - 1 : at;
}

function partOf(bytes: Buffer, index: number, parent: Parent): { part: Part; media: Media; encoding: string } {
  const header = parseHeader(bytes);
  let unread: UnreadReason | undefined = header.fault ?? undefined;
  const only = (name: string): string | undefined => {
    const values = header.fields.filter((field) => field.name === name).map((field) => field.value);
    if (values.some((value) => value !== values[0])) unread ??= 'malformed';
    return values[0];
  };
  const given = only('content-type');
  const standard = parent.digest ? 'message/rfc822' : 'text/plain';
  let media = parseMedia(given ?? standard);
  if (!/^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(media.value)) {
    unread ??= 'malformed';
    media = { ...media, value: standard };
  }
  const disposition = parseMedia(only('content-disposition') ?? '');
  const encoding = parseMedia(only('content-transfer-encoding') ?? '').value;
  if (media.ambiguous) unread ??= 'malformed';
  const part: Part = {
    index,
    depth: parent.depth + 1,
    type: media.value,
    parameters: media.parameters,
    disposition: disposition.value,
    fileName: disposition.parameters.get('filename') ?? media.parameters.get('name') ?? '',
    header,
    nested: parent.nested,
    multipart: media.value.startsWith('multipart/'),
    size: 0,
    ...(unread === undefined ? {} : { unread }),
  };
  return { part, media, encoding };
}
