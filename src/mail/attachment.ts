// One part of a message as octets, for a download. Streams: one chunk in memory. Logs nothing; throws only what the
// chunks throw.

import { createWalker, type Part } from './walk.ts';

/** As `renderMessage` and `attachmentBody` walk: a message inside a message is one file. */
export function entersForView(part: Part): boolean {
  return part.multipart;
}

/**
 * Decoded octets of the part of that index, as `renderMessage` counts them; nothing when there is no such part. Stops
 * reading behind it. Text keeps its charset.
 */
export function* attachmentBody(chunks: Iterable<Uint8Array>, part: number): Generator<Buffer, void, void> {
  let found: Buffer[] = [];
  let over = false;
  const walker = createWalker({
    begin: ({ index }) => index === part,
    enters: entersForView,
    content: ({ index }, bytes) => {
      if (index === part) found.push(Buffer.from(bytes));
      return true;
    },
    end: ({ index }) => {
      over ||= index === part;
    },
  });
  for (const chunk of chunks) {
    walker.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    yield* found;
    found = [];
    if (over) return;
  }
  walker.end();
  yield* found;
}
