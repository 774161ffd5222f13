// MIME entities inside S/MIME, read strictly. A decrypted text may have been changed on its way, and what a changed block
// leaves behind is noise: so nothing that is not exactly MIME is taken for it. All faults are SmimeError `damaged`.

import { isUtf8 } from 'node:buffer';
import { fieldValue, headerEnd, parseHeader } from '../../mail/header.ts';
import { type Media, parseMedia } from '../../mail/media.ts';
import { SmimeError } from './error.ts';

export type Entity = {
  readonly media: Media;
  /** Transfer encoding, lower case; '' when none is given. */
  readonly encoding: string;
  readonly body: Buffer;
};

/** RFC 2045 §5.1, with the top-level types that are registered. */
const TYPE = /^(?:text|multipart|message|application|image|audio|video|font|model|haptics)\/[a-z0-9!#$&^_.+-]{1,127}$/;
/** RFC 2046 §5.1.1. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** Header fields and body; there must be one good Content-Type. */
export function readEntity(bytes: Buffer): Entity {
  const end = headerEnd(bytes);
  const section = bytes.subarray(0, Math.max(0, end));
  const header = parseHeader(section);
  const types = header.fields.filter(({ name }) => name === 'content-type');
  const encodings = header.fields.filter(({ name }) => name === 'content-transfer-encoding');
  if (end < 0 || header.fault !== null || !isText(section) || types.length !== 1 || encodings.length > 1) {
    throw new SmimeError('damaged');
  }
  const media = parseMedia(types[0]!.value);
  if (!TYPE.test(media.value)) throw new SmimeError('damaged');
  // RFC 1847 §2: of these two alone. Elsewhere it is what a changed type left behind, and a signature would go unseen.
  if (media.parameters.has('protocol') && !/^multipart\/(?:signed|encrypted)$/.test(media.value)) {
    throw new SmimeError('damaged');
  }
  const encoding = (fieldValue(header, 'content-transfer-encoding') ?? '').toLowerCase();
  const body = bytes.subarray(end);
  // An entity that was cut off or whose boundary was changed would show less than was sent.
  if (media.value.startsWith('multipart/')) partsOf(media, body);
  return { media, encoding, body };
}

/** The octets of a body without its transfer encoding: base64 or none. */
export function decodedBody({ encoding, body }: Entity): Buffer {
  if (encoding === 'base64') return fromBase64(body);
  if (['', '7bit', '8bit', 'binary'].includes(encoding)) return body;
  throw new SmimeError('unsupported');
}

/** Nothing that is no base64 is passed over, as RFC 2045 §6.8 would have it: it is noise. */
function fromBase64(body: Buffer): Buffer {
  const text = body.toString('latin1').replace(/[ \t\r\n]+/g, '');
  const padding = text.indexOf('=');
  const isPaddedWell = padding < 0 || text.slice(padding) === '=' || text.slice(padding) === '==';
  if (text.length % 4 !== 0 || !isPaddedWell || /[^A-Za-z0-9+/=]/.test(text)) throw new SmimeError('damaged');
  return Buffer.from(text, 'base64');
}

/** The parts of a multipart, without the line end before each boundary, which belongs to that. The last must be closed. */
export function partsOf(media: Media, body: Buffer): Buffer[] {
  const boundary = media.parameters.get('boundary') ?? '';
  if (!BOUNDARY.test(boundary)) throw new SmimeError('damaged');
  const parts: Buffer[] = [];
  let from = -1;
  for (const { at, next, closes } of delimiters(body, `--${boundary}`)) {
    const before = body.subarray(Math.max(0, from), at);
    if (from >= 0) parts.push(withoutLineEnd(before));
    else if (!isText(before)) throw new SmimeError('damaged');
    from = next;
    if (!closes) continue;
    if (!isText(body.subarray(next))) throw new SmimeError('damaged');
    return parts;
  }
  throw new SmimeError('damaged');
}

type Delimiter = { readonly at: number; readonly next: number; readonly closes: boolean };

/** Lines of a boundary: nothing but spaces may stand behind it (RFC 2046 §5.1.1). */
function* delimiters(body: Buffer, delimiter: string): Iterable<Delimiter> {
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + 1)) {
    if (at > 0 && body[at - 1] !== LF) continue;
    const lineFeed = body.indexOf(LF, at);
    const next = lineFeed < 0 ? body.length : lineFeed + 1;
    const rest = body.toString('latin1', at + delimiter.length, next);
    if (/^(?:--)?[ \t]*\r?\n?$/.test(rest)) yield { at, next, closes: rest.startsWith('--') };
  }
}

const LF = 10;
const CR = 13;

function withoutLineEnd(bytes: Buffer): Buffer {
  const end = bytes.length - 1;
  return bytes.subarray(0, end > 0 && bytes[end - 1] === CR ? end - 1 : Math.max(0, end));
}

/** Characters that people write: UTF-8, and no control characters but those of lines. */
function isText(bytes: Buffer): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return isUtf8(bytes) && !/[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]/.test(bytes.toString('latin1'));
}
