// The mail data as they leave: our Received line in front, listed subject tags taken out of the header section, the rest
// as it was accepted. Nothing is copied: the stored body is opened and streamed.

import type { Delivery, Message } from '../domain/types.ts';
import { HEADER_MAX, headerEnd, receivedLine, stripSubjectTags } from '../mail/header.ts';
import { BodyError } from '../store/bodies/port.ts';
import { isOurs, type Line } from './line.ts';

export type Outgoing = {
  readonly size: number;
  /** May be opened again for the next hop. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** True when the stored body did not open: the connection was dropped before the dot. */
  readonly broken: () => boolean;
};

export function outgoing(line: Line, message: Message, deliveries: readonly Delivery[]): Outgoing {
  const trace = isOurs(message) ? Buffer.alloc(0) : traceLine(line, message, deliveries);
  const tags = message.examination?.subjectTags ?? [];
  let broken = false;
  async function* open(): AsyncGenerator<Uint8Array> {
    if (trace.length > 0) yield trace;
    try {
      const body = line.bodies.open(message.organization, message.body);
      yield* tags.length === 0 ? body : withoutTags(body, tags);
    } catch (error) {
      if (error instanceof BodyError && (error.code === 'missing' || error.code === 'corrupt')) broken = true;
      throw error;
    }
  }
  return { size: trace.length + message.size, open, broken: () => broken };
}

function traceLine(line: Line, message: Message, deliveries: readonly Delivery[]): Buffer {
  return receivedLine({
    trace: message.trace,
    hostname: line.settings().hostname,
    queueId: message.id,
    at: message.acceptedAt,
    // RFC 5321 §7.2: one of several recipients of this copy must not be shown to the others.
    ...(deliveries.length === 1 && { recipient: (deliveries[0] as Delivery).recipient }),
  });
}

async function* withoutTags(body: AsyncIterable<Uint8Array>, tags: readonly string[]): AsyncGenerator<Uint8Array> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of body) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = headerEnd(head);
    // Accept refused a longer header section: this one ends here or with the message.
    if (end < 0 && head.length <= HEADER_MAX) continue;
    yield* edited(head, end, tags);
    head = null;
  }
  if (head !== null) yield* edited(head, -1, tags);
}

function* edited(head: Buffer, end: number, tags: readonly string[]): Generator<Uint8Array> {
  const cut = end < 0 ? head.length : end;
  const section = head.subarray(0, cut);
  yield stripSubjectTags(section, tags) ?? section;
  if (cut < head.length) yield head.subarray(cut);
}
