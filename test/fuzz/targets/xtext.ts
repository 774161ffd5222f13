// xtext (RFC 3461 §4) against a reading of its grammar octet by octet.

import { decodeXtext } from '../../../src/smtp/parameters.ts';
import { claim, octets, type Target } from '../target.ts';

export async function open(): Promise<Target> {
  return {
    seeds: ['QQ+2B314159', 'ann+40clinic.example', '+3D+2B+20', 'plain', ''].map(octets),
    tokens: ['+', '+2B', '+3D', '+0D', '+0A', '+00', '+7F', '+FF', '+2b', '+G0', '=', ' ', '~', '!'],
    check: (input) => {
      const text = input.toString('latin1');
      const decoded = decodeXtext(text, 500);
      const expected = naive(text);
      claim(decoded === expected, `got ${JSON.stringify(decoded)}, expected ${JSON.stringify(expected)}`);
    },
  };
}

function naive(text: string): string | null {
  if (text.length > 500) return null;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (text[i] === '+') {
      const hex = text.slice(i + 1, i + 3);
      if (hex.length < 2 || [...hex].some((digit) => !'0123456789ABCDEF'.includes(digit))) return null;
      out += String.fromCharCode(Number(`0x${hex}`));
      i += 2;
    } else if (code < 33 || code > 126 || text[i] === '=') return null;
    else out += text[i];
  }
  return [...out].every((char) => char >= ' ' && char <= '~') ? out : null;
}
