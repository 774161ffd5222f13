// Base64 in lines of 76 (RFC 2045 §6.8) from a stream of octets.

/** Octets of a line, lines of a block: a block comes out at a time. */
const LINE = 57;
const LINES = 1024;
const BLOCK = LINE * LINES;
const ENCODED = 76;
const CRLF = Buffer.from('\r\n');

/** The octets as base64 with CRLF after every line, the last one too; each piece is the receiver's to keep. */
export function* base64Lines(octets: Iterable<Uint8Array>): Iterable<Buffer> {
  const block = Buffer.allocUnsafe(BLOCK);
  const encoded = Buffer.allocUnsafe(ENCODED * LINES);
  let filled = 0;
  for (const chunk of octets) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(BLOCK - filled, chunk.length - at);
      block.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled === BLOCK) {
        yield lined(block, encoded);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield lined(block.subarray(0, filled), encoded);
}

function lined(octets: Buffer, encoded: Buffer): Buffer {
  const length = encoded.write(octets.toString('base64'), 'latin1');
  const lines = Math.ceil(length / ENCODED);
  const out = Buffer.allocUnsafe(length + 2 * lines);
  for (let line = 0, to = 0; line < lines; line++) {
    to += encoded.copy(out, to, line * ENCODED, Math.min(length, (line + 1) * ENCODED));
    to += CRLF.copy(out, to);
  }
  return out;
}
