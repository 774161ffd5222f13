// The mail data as they leave: our Received line in front of a variant, or of the message with listed subject tags taken out
// of its header section and the rest as it was accepted. Nothing is copied: what is stored or made is opened and streamed.

import type { Delivery, Message, Outcome } from '../domain/types.ts';
import type { AddressKey } from '../keys/book-port.ts';
import { HEADER_MAX, headerEnd, receivedLine, stripSubjectTags } from '../mail/header.ts';
import { BodyError } from '../store/bodies/port.ts';
import { WorkError } from '../work/pool.ts';
import type { Way } from './choose.ts';
import { codeOf, isOurs, type Line } from './line.ts';

export type Outgoing = {
  readonly size: number;
  readonly eightBit: boolean;
  /** May be opened again for the next hop. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** True when the stored bytes did not open: the connection was dropped before the dot. */
  readonly broken: () => boolean;
  /** `over`: it will not be wanted again. */
  readonly release: (over: boolean) => Promise<void>;
};

/** The mail data for these deliveries; an outcome when a variant cannot be made now. */
export async function mailOf(
  line: Line,
  message: Message,
  deliveries: readonly Delivery[],
  way: Way,
): Promise<Outgoing | Outcome | 'corrupt'> {
  if (way.kind !== 'variant') return outgoing(line, message, deliveries);
  try {
    return await outgoingVariant(line, message, deliveries, way.key);
  } catch (error) {
    return isBodyLost(error) ? 'corrupt' : afterFailure(line, message, error);
  }
}

/** The message as it was accepted. */
export function outgoing(line: Line, message: Message, deliveries: readonly Delivery[]): Outgoing {
  const tags = message.examination?.subjectTags ?? [];
  const body = () => {
    const stored = line.bodies.open(message.organization, message.body);
    return tags.length === 0 ? stored : withoutTags(stored, tags);
  };
  return {
    ...traced(line, message, deliveries, message.size, body),
    // Mail of ours is composed in ASCII and was not examined.
    eightBit: message.examination?.eightBit ?? !isOurs(message),
    release: async () => {},
  };
}

async function outgoingVariant(
  line: Line,
  message: Message,
  deliveries: readonly Delivery[],
  key: AddressKey,
): Promise<Outgoing> {
  const made = await line.variant(message, key);
  return {
    ...traced(line, message, deliveries, made.size, made.open),
    eightBit: false,
    release: made.release,
  };
}

function traced(
  line: Line,
  message: Message,
  deliveries: readonly Delivery[],
  size: number,
  body: () => AsyncIterable<Uint8Array>,
): Pick<Outgoing, 'size' | 'open' | 'broken'> {
  const trace = isOurs(message) ? Buffer.alloc(0) : traceLine(line, message, deliveries);
  let broken = false;
  async function* open(): AsyncGenerator<Uint8Array> {
    if (trace.length > 0) yield trace;
    try {
      yield* body();
    } catch (error) {
      if (isBodyLost(error)) broken = true;
      throw error;
    }
  }
  return { size: trace.length + size, open, broken: () => broken };
}

/** The stored body is gone or does not open, here or in a worker. */
export function isBodyLost(error: unknown): boolean {
  const code =
    error instanceof WorkError && error.code === 'failed' ? error.message : error instanceof BodyError && error.code;
  return code === 'missing' || code === 'corrupt';
}

/** Codes of workers and system that say nothing of the message or the key. */
const PASSING = new Set(['busy', 'closed', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE']);

/** What passes is waited for; what may come again with this message and key gives way by the clock of its step. */
function afterFailure(line: Line, message: Message, error: unknown): Outcome {
  const code = error instanceof WorkError && error.code === 'failed' ? error.message : codeOf(error);
  line.log.error({ queueId: message.id, code }, 'a variant could not be made');
  if (PASSING.has(code)) return { kind: 'unreached', reason: 'the gateway is busy', status: '4.3.2' };
  line.meter.alarm('stage failed');
  return { kind: 'lacking', reason: 'it could not be encrypted', status: '4.3.0', atOnce: false };
}

/** How a key is named to people: the end of its fingerprint, as its program shows it. */
export function keyName({ facts, pinned }: Pick<AddressKey, 'facts' | 'pinned'>): string {
  const what = facts.kind === 'pgp' ? 'key' : 'certificate';
  return `${what} ${facts.fingerprint.slice(-16).toUpperCase()}${pinned ? ' (pinned)' : ''}`;
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
