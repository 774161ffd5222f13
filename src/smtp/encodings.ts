// Content-Transfer-Encodings, made line by line (RFC 2045 §6.7, §6.8). Lines are latin1 strings: a character is an octet.
// Pure; logs nothing.

const WIDTH = 76;
const GROUP = 57;

/** One line of text as quoted-printable lines of at most 76 characters, without the final CR LF. */
export function quotedPrintable(line: string): string {
  const lines: string[] = [];
  let current = '';
  for (let i = 0; i < line.length; i++) {
    const char = line[i] as string;
    const isLast = i === line.length - 1;
    const plain = (char >= '!' && char <= '~' && char !== '=') || ((char === ' ' || char === '\t') && !isLast);
    const token = plain ? char : `=${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
    // One column is kept for the soft line break, but the last token of a line needs none.
    if (current.length + token.length > (isLast ? WIDTH : WIDTH - 1)) {
      lines.push(`${current}=`);
      current = '';
    }
    current += token;
  }
  lines.push(current);
  return lines.join('\r\n');
}

/** Base64 of lines joined by CR LF; the end of the last line counts only when `end` is told so. */
export class Base64Lines {
  #rest: Buffer = Buffer.alloc(0);
  #begun = false;

  /** Whole base64 lines that are ready, each with CR LF. */
  line(line: string): string {
    const bytes = Buffer.from(this.#begun ? `\r\n${line}` : line, 'latin1');
    this.#begun = true;
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = all.length - (all.length % GROUP);
    this.#rest = all.subarray(whole);
    return encodeGroups(all.subarray(0, whole));
  }

  end(withLineEnd: boolean): string {
    return encodeGroups(withLineEnd && this.#begun ? Buffer.concat([this.#rest, Buffer.from('\r\n')]) : this.#rest);
  }
}

function encodeGroups(bytes: Buffer): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += GROUP) out += `${bytes.toString('base64', i, i + GROUP)}\r\n`;
  return out;
}
