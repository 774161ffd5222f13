// Charsets of text parts as streams: octets in, text out. Never throws; a charset that nobody knows, or that the octets
// belie, is told, because another reader may see another text.

import { StringDecoder } from 'node:string_decoder';

export type CharsetDecoder = (bytes: Buffer, last: boolean) => string;
export type Charset = { readonly decode: CharsetDecoder; readonly unknown: boolean };

/** Octets of the beginning that are enough for `charsetDecoder`. */
export const CHARSET_HEAD = 8;

type Decoding = InstanceType<typeof TextDecoder>;

/** A byte order mark goes before what was declared; an unknown charset is read as Latin-1 and told. */
export function charsetDecoder(declared: string, head: Buffer): Charset {
  const mark = markOf(head);
  const label = mark ?? declared.trim().toLowerCase();
  if (['', 'utf-8', 'utf8', 'us-ascii', 'ascii', 'ansi_x3.4-1968'].includes(label)) {
    return { decode: utf8Decoder(), unknown: false };
  }
  try {
    const decoder = new TextDecoder(label);
    if (mark !== null || !decoder.encoding.startsWith('utf-16')) return { decode: stream(decoder), unknown: false };
    const shown = shownBy(head.subarray(0, CHARSET_HEAD)) ?? decoder.encoding;
    const decode = shown === 'utf-8' ? utf8Decoder() : stream(new TextDecoder(shown));
    return { decode, unknown: shown !== decoder.encoding };
  } catch {
    return { decode: (bytes) => bytes.toString('latin1'), unknown: true };
  }
}

function stream(decoder: Decoding): CharsetDecoder {
  return (bytes, last) => decoder.decode(bytes, { stream: !last });
}

/** StringDecoder makes one-byte strings of ASCII and is many times faster than a streaming TextDecoder. */
function utf8Decoder(): CharsetDecoder {
  const decoder = new StringDecoder('utf8');
  let first = true;
  return (bytes, last) => {
    const text = last ? decoder.end(bytes) : decoder.write(bytes);
    const skip = first && text.charCodeAt(0) === 0xfeff;
    first &&= text === '';
    return skip ? text.slice(1) : text;
  };
}

function markOf(head: Buffer): string | null {
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 'utf-8' : null;
}

/** What octets that say they are UTF-16 look like: our letters have a zero in front or behind, and without any zero they
 *  are ASCII. */
function shownBy(head: Buffer): 'utf-16be' | 'utf-16le' | 'utf-8' | null {
  const front = head.filter((octet, i) => octet === 0 && i % 2 === 0).length;
  const behind = head.filter((octet, i) => octet === 0 && i % 2 === 1).length;
  if (front !== behind) return front > behind ? 'utf-16be' : 'utf-16le';
  return /^[\t\n\r\x20-\x7e]+$/.test(head.toString('latin1')) ? 'utf-8' : null;
}
