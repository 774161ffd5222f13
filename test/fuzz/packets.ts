// Changed OpenPGP data (RFC 9580 §4): packets are changed, moved, doubled and dropped as such, with right lengths.

import type { Random } from '../../src/domain/types.ts';
import { below, mutated, oneOf } from './mutate.ts';

type Packet = { tag: number; body: Buffer };

export function mutatedPackets(random: Random, seeds: readonly Buffer[]): Buffer {
  const list = packetsOf(oneOf(random, seeds));
  const others = packetsOf(oneOf(random, seeds));
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const at = below(random, list.length + 1);
    const one = list[at];
    switch (below(random, 8)) {
      case 0:
        list.splice(at, 1);
        break;
      case 1:
        list.splice(at, 0, { ...oneOf(random, others) });
        break;
      case 2:
        if (one) one.tag = below(random, 64);
        break;
      case 3:
        if (one) for (let times = oneOf(random, [1, 3, 20]); times > 0; times--) list.splice(at, 0, { ...one });
        break;
      case 4:
        if (one)
          one.body = Buffer.concat([
            one.body.subarray(0, below(random, one.body.length + 1)),
            oneOf(random, others).body,
          ]);
        break;
      default:
        if (one) one.body = flipped(random, one.body);
    }
  }
  const octets = Buffer.concat(list.map(encode));
  return random.fraction() < 0.1
    ? mutated(random, { seeds: [octets], tokens: ['\xff\xff\xff\xff\xff', '\xe0', '\x99'] })
    : octets;
}

/** Mostly a few octets: versions, algorithms, lengths of numbers, times. */
function flipped(random: Random, body: Buffer): Buffer {
  if (random.fraction() < 0.3) return mutated(random, { seeds: [body], tokens: [] }).subarray(0, 20_000);
  const copy = Buffer.from(body);
  for (let n = 1 + below(random, 3); n > 0 && copy.length > 0; n--) {
    copy[below(random, random.fraction() < 0.5 ? Math.min(24, copy.length) : copy.length)] = below(random, 256);
  }
  return copy;
}

function packetsOf(octets: Buffer): Packet[] {
  const list: Packet[] = [];
  for (let at = 0; at < octets.length; ) {
    const first = octets[at] as number;
    const isNew = (first & 0x40) !== 0;
    const [start, length] = isNew ? newLength(octets, at + 1) : oldLength(octets, at, first & 3);
    list.push({ tag: isNew ? first & 0x3f : (first & 0x3f) >> 2, body: octets.subarray(start, start + length) });
    at = start + length;
  }
  return list;
}

function newLength(octets: Buffer, at: number): [start: number, length: number] {
  const first = octets[at] as number;
  if (first < 192) return [at + 1, first];
  if (first < 224) return [at + 2, ((first - 192) << 8) + (octets[at + 1] as number) + 192];
  // Partial lengths: taken as all that is left, the marks of the later pieces within.
  return first === 255 ? [at + 5, octets.readUInt32BE(at + 1)] : [at + 1, octets.length - at - 1];
}

function oldLength(octets: Buffer, at: number, kind: number): [start: number, length: number] {
  if (kind === 3) return [at + 1, octets.length - at - 1];
  const width = 1 << kind;
  return [at + 1 + width, octets.readUIntBE(at + 1, width)];
}

function encode({ tag, body }: Packet): Buffer {
  const head = Buffer.from([0xc0 | tag, 255, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}
