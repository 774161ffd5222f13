// Base32 of RFC 4648 §6 in lower case and without padding: what tokens and ids are written in.

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Eight characters for five octets: 32 for the 20 of a token. */
export function base32(octets: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    held = (held << 8) | octet;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
    held &= 31;
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31];
}

/** The 20 octets of a token; null where it is none. */
export function tokenOctets(token: string): Buffer | null {
  if (!/^[a-z2-7]{32}$/.test(token)) return null;
  const octets = Buffer.alloc(20);
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const character of token) {
    held = (held << 5) | ALPHABET.indexOf(character);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    octets[at++] = held >> bits;
    held &= 255;
  }
  return octets;
}
