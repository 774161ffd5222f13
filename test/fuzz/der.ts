// Changed DER: elements are changed, moved, doubled and dropped as such, and the lengths around them made right again, so that
// a reader gets further than to the first of them. What an octet string holds is changed too where it is DER.

import { type Element, readElement } from '../../src/crypto/smime/der.ts';
import type { Random } from '../../src/domain/types.ts';
import { below, mutated, oneOf } from './mutate.ts';

type Node = { tag: number; content: Buffer; children: Node[] | null; indefinite: boolean; bits: boolean };

export function mutatedDer(random: Random, seeds: readonly Buffer[]): Buffer {
  const root = parse(oneOf(random, seeds));
  const other = parse(oneOf(random, seeds));
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const all = flat(root);
    change(random, oneOf(random, all), all, random.fraction() < 0.7 ? all : flat(other));
  }
  const octets = encode(root);
  // Lengths that are wrong, in one of ten.
  return random.fraction() < 0.1
    ? mutated(random, { seeds: [octets], tokens: ['\x30\x80', '\0\0', '\x84\xff\xff\xff\xff'] })
    : octets;
}

function parse(octets: Buffer): Node {
  return nodeOf(readElement(octets));
}

function nodeOf({ tag, content, indefinite }: Element): Node {
  const inner =
    tag & 0x20
      ? content
      : tag === 0x04 && content[0] === 0x30
        ? content
        : tag === 0x03 && content[1] === 0x30
          ? content.subarray(1)
          : null;
  return { tag, content, indefinite, bits: tag === 0x03, children: inner === null ? null : childrenOf(inner) };
}

function childrenOf(content: Buffer): Node[] | null {
  const children: Node[] = [];
  try {
    for (let at = 0; at < content.length; ) {
      const element = readElement(content.subarray(at));
      children.push(nodeOf(element));
      at += element.raw.length;
    }
    return children;
  } catch {
    return null;
  }
}

function flat(node: Node): Node[] {
  return [node, ...(node.children ?? []).flatMap(flat)];
}

const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x17, 0x18, 0x1f, 0x24, 0x30, 0x31, 0x80, 0x81, 0xa0, 0xa1, 0xa3,
];
const DEEP = 60;

function change(random: Random, node: Node, all: readonly Node[], others: readonly Node[]): void {
  const list = oneOf(random, all).children;
  switch (below(random, 11)) {
    case 0:
      node.tag = oneOf(random, TAGS);
      return;
    case 1:
      list?.splice(below(random, list.length + 1), 1);
      return;
    case 2:
      list?.splice(below(random, list.length + 1), 0, copyOf(oneOf(random, others)));
      return;
    case 3:
      Object.assign(node, copyOf(oneOf(random, others)));
      return;
    case 4:
      node.indefinite = true;
      return;
    case 5:
      for (let depth = oneOf(random, [1, 5, DEEP]); depth > 0; depth--)
        Object.assign(node, { tag: 0x30, children: [copyOf(node)], bits: false });
      return;
    case 6:
      node.children = null;
      node.content = Buffer.from(random.bytes(oneOf(random, [0, 1, 2, 4, 9, 200])));
      return;
    case 7:
      node.children = null;
      node.content = Buffer.alloc(oneOf(random, [0, 1, 4, 5, 1_000]), oneOf(random, [0, 0x7f, 0x80, 0xff]));
      return;
    case 8:
      for (
        let times = oneOf(random, [1, 40, 600]);
        times > 0 && list && list.length > 0 && list.length < 2_000;
        times--
      )
        list.push(copyOf(oneOf(random, list.slice(0, 9).concat(node.children ? [] : node))));
      return;
    default:
      if (node.children === null)
        node.content = mutated(random, { seeds: [node.content], tokens: [] }).subarray(0, 5_000);
  }
}

/** Not deeper or larger than it is worth. */
function copyOf(node: Node, depth = 0): Node {
  const children =
    node.children === null || depth > DEEP + 20
      ? null
      : node.children.slice(0, 700).map((child) => copyOf(child, depth + 1));
  return { ...node, children };
}

const LARGEST = 200_000;

function encode(node: Node): Buffer {
  const inner =
    node.children === null
      ? node.content
      : Buffer.concat([...(node.bits ? [Buffer.alloc(1)] : []), ...node.children.map(encode)]);
  const content = inner.subarray(0, LARGEST);
  if (node.indefinite) return Buffer.concat([Buffer.from([node.tag, 0x80]), content, Buffer.alloc(2)]);
  const { length } = content;
  const size =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : length < 0x1_0000
          ? [0x82, length >> 8, length & 255]
          : [0x83, length >> 16, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from([node.tag, ...size]), content]);
}
