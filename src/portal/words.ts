// Reference words: one stands on the page that asked for a code and in the mail that carries it. Each is a plain word in
// English and Spanish alike, written without accents, and none could pass for a part of the code.

import { randomInt } from 'node:crypto';

export const REFERENCE_WORDS: readonly string[] = [
  ...['actor', 'agenda', 'album', 'alfalfa', 'animal', 'arena', 'banana', 'banjo'],
  ...['bolero', 'cactus', 'canal', 'candor', 'carnaval', 'casino', 'cereal', 'chocolate'],
  ...['cobra', 'collar', 'color', 'coral', 'cordial', 'delta', 'drama', 'editor'],
  ...['festival', 'flamenco', 'formal', 'gala', 'global', 'guru', 'hotel', 'idea'],
  ...['judo', 'kayak', 'kiwi', 'koala', 'laser', 'local', 'mambo', 'mango'],
  ...['manual', 'metal', 'metro', 'motor', 'mural', 'musical', 'natural', 'normal'],
  ...['opera', 'orca', 'panda', 'panorama', 'pasta', 'patio', 'piano', 'pizza'],
  ...['plaza', 'polar', 'puma', 'radar', 'radio', 'solar', 'tango', 'zebra'],
];

export function referenceWord(): string {
  return REFERENCE_WORDS[randomInt(REFERENCE_WORDS.length)] as string;
}
