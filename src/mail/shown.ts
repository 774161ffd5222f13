// Which parts of a message a person is shown, as mail programs choose (RFC 2046 §5.1, RFC 2387): the last alternative that
// can be shown, the root of what is related, the signed part, and of all else the texts in their order. Pure.

import { fieldValue } from './header.ts';
import type { Part } from './walk.ts';

/** A part with the parts inside it. */
export type Node = { readonly part: Part; readonly children: readonly Node[] };

export type Shown = {
  readonly node: Node;
  readonly as: 'html' | 'plain';
  /** The same as plain text, where the message has that too. */
  readonly plain: readonly Node[];
};

/** Texts to show, in order. */
export function shownOf(node: Node): Shown[] {
  return choose(node, true);
}

function choose(node: Node, isBody: boolean): Shown[] {
  const { part, children } = node;
  switch (part.type) {
    case 'multipart/alternative':
      return lastOf(children.map((child) => choose(child, true)));
    case 'multipart/related':
      return rootOf(node).flatMap((root) => choose(root, isBody));
    case 'multipart/signed':
      return children.slice(0, 1).flatMap((child) => choose(child, isBody));
    case 'multipart/encrypted':
      return [];
    default:
      if (part.multipart) return children.flatMap((child, i) => choose(child, isBody && i === 0));
      return leaf(node, isBody);
  }
}

/** A text with a file name is a file, except where the body stands. */
function leaf(node: Node, isBody: boolean): Shown[] {
  const { type, disposition, fileName } = node.part;
  const as = type === 'text/html' || type === 'application/xhtml+xml' ? 'html' : type === 'text/plain' ? 'plain' : null;
  if (as === null || disposition === 'attachment' || (fileName !== '' && !isBody)) return [];
  return [{ node, as, plain: [] }];
}

/** The last one that shows something; the plain texts of the others come along as its other form. */
function lastOf(forms: readonly (readonly Shown[])[]): Shown[] {
  const possible = forms.filter((form) => form.length > 0);
  const last = possible.pop() ?? [];
  const plain = possible.findLast((form) => form.every(({ as }) => as === 'plain')) ?? [];
  return last.map((one, i) => (i === 0 && one.as === 'html' ? { ...one, plain: plain.map(({ node }) => node) } : one));
}

function rootOf({ part, children }: Node): readonly Node[] {
  const start = part.parameters.get('start');
  const named = start === undefined ? undefined : children.find((child) => contentId(child.part) === bare(start));
  return [named ?? children[0]].filter((child) => child !== undefined);
}

/** Content-ID without angle brackets; '' when there is none. */
export function contentId(part: Part): string {
  return bare(fieldValue(part.header, 'content-id') ?? '');
}

function bare(id: string): string {
  return id.trim().replace(/^<|>$/g, '');
}

/** Texts that need no place of their own among the attachments: another form of what is shown. */
export function formsOf(node: Node): Node[] {
  const inside = node.children.flatMap(formsOf);
  if (node.part.type !== 'multipart/alternative') return inside;
  return [...inside, ...node.children.flatMap((child) => choose(child, true).map((shown) => shown.node))];
}
