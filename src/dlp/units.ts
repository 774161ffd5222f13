// The UTF-16 units of a text as an array: a loop over a string that was put together from pieces asks at each unit which piece it
// is in, which costs half as much again as the loop.

/** Valid until the next call of `unitsOf`; behind the text's length stand others. */
export type Units = Uint16Array;

let units = new Uint16Array(0);
let octets = Buffer.from(units.buffer);

/** For the one text that is looked at now. */
export function unitsOf(text: string): Units {
  if (text.length > units.length) {
    units = new Uint16Array(Math.max(text.length, LEAST));
    octets = Buffer.from(units.buffer);
  }
  octets.write(text, 'utf16le');
  return units;
}

const LEAST = 16_384;
