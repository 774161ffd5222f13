// The first step: bytes come in, and the 250 means that they are ours. The header section is read first, since it
// proves the organization, or names a candidate that DKIM proves behind the last octet; meanwhile everything is sealed as it
// arrives. Body and rows are synced side by side (the body first where another could take up the row before us), and only when
// both are on stable storage is the message acknowledged (P1). Logs the queue id and the organization.

import { type Address, domainOf, type QueueId, queueId, type Time } from '../domain/ids.ts';
import type {
  BodyRef,
  Envelope,
  EnvelopeRecipient,
  NewDelivery,
  NewMessage,
  Reply,
  StoredEnvelope,
  Trace,
} from '../domain/types.ts';
import { countReceived, HEADER_MAX, type HeaderSection, headerEnd, parseHeader } from '../mail/header.ts';
import { addressesOf } from '../mail/mailboxes.ts';
import { DataGone, DataRefused } from '../smtp/data.ts';
import type { Client } from '../smtp/listener.ts';
import { encodeEnvelope } from '../store/bodies/envelope.ts';
import { BodyError, type BodyWriter } from '../store/bodies/port.ts';
import { type Accepted, QueueError, verbId } from '../store/queue/port.ts';
import type { Proven, Unproven } from '../trust/prove.ts';
import type { Undecided } from '../trust/shared.ts';
import { examineInBackground, roomToExamine } from './examine.ts';
import { codeOf, destinationOf, LEASE, type Line, type Load, organizationOf } from './line.ts';

const REPLY = {
  failed: { code: 451, enhanced: '4.3.0', text: 'Local error, try again later' },
  full: { code: 452, enhanced: '4.3.1', text: 'Insufficient storage, try again later' },
  loop: { code: 554, enhanced: '5.4.6', text: 'Too many hops: this message loops' },
  header: { code: 554, enhanced: '5.6.0', text: 'Header section is malformed or larger than 1 MB' },
  notHere: { code: 550, enhanced: '5.1.1', text: 'No such mailbox at this gateway' },
  noDomain: { code: 550, enhanced: '5.1.2', text: 'Recipient domain is not a fully qualified name' },
} as const satisfies Record<string, Reply>;

/** Refuses at RCPT what can never be delivered; the rest is decided when the data is here. */
export function checkRecipient(line: Line, recipient: Address): Reply | null {
  const domain = domainOf(recipient);
  if (isPostmaster(line, recipient)) return null;
  if (domain === line.settings().hostname.toLowerCase()) return REPLY.notHere;
  if (domain.startsWith('[') || !domain.includes('.')) return REPLY.noDomain;
  return null;
}

function isPostmaster(line: Line, recipient: string): boolean {
  const lower = recipient.toLowerCase();
  return lower === 'postmaster' || lower === `postmaster@${line.settings().hostname.toLowerCase()}`;
}

/** Whose mail it is, by header From and what is known of the session; where a signature must say so, behind its last octet. */
export type Prove = (from: readonly Address[], header: HeaderSection) => Proven | Unproven | Undecided;

/** Takes one message's data and gives the reply to it; 250 only when it is durable. Reads `body` to its end. */
export async function acceptData(
  line: Line,
  client: Client,
  envelope: Envelope,
  body: AsyncIterable<Uint8Array>,
  prove: Prove,
): Promise<Reply> {
  const chunks = counted(line.load, body);
  let reply: Reply;
  try {
    reply = await takeData(line, client, envelope, chunks, prove);
  } catch (error) {
    reply = replyTo(line, error);
  }
  if (reply.code !== 250) {
    line.meter.refused(reply.code);
    await drain(chunks);
  }
  return reply;
}

/** What comes in, counted while it comes: the bound of `limits.data_bytes`. */
async function* counted(load: Load, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let octets = 0;
  try {
    for await (const chunk of body) {
      octets += chunk.length;
      load.incoming += chunk.length;
      yield chunk;
    }
  } finally {
    load.incoming -= octets;
  }
}

function replyTo(line: Line, error: unknown): Reply {
  if (error instanceof DataRefused) return error.reply;
  if (error instanceof DataGone) return REPLY.failed;
  if ((error instanceof BodyError || error instanceof QueueError) && error.code === 'full') return REPLY.full;
  line.log.error({ code: codeOf(error) }, 'a message could not be accepted');
  return REPLY.failed;
}

async function drain(chunks: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    while (!(await chunks.next()).done);
  } catch {
    // The reply is known already; what else is wrong with the rest does not matter.
  }
}

async function takeData(
  line: Line,
  client: Client,
  envelope: Envelope,
  chunks: AsyncIterator<Uint8Array>,
  prove: Prove,
): Promise<Reply> {
  const head = await readHead(chunks);
  if (head === null) return REPLY.header;
  const header = parseHeader(head);
  if (header.fault === 'too large') return REPLY.header;
  if (countReceived(header) >= line.settings().maxHops) return REPLY.loop;
  const sender = senderOf(header);
  const claim = prove(sender, header);
  if ('refused' in claim) return notProven(line, client, claim);
  const verified = 'end' in claim ? claim : null;
  await line.ready(claim.organization);
  // A candidate's mail is sealed while its signature is verified.
  const writer = line.bodies.create(claim.organization, head.length);
  let proof: Proven | Unproven;
  try {
    // The writer may seal a chunk in its place.
    verified?.body(head.subarray(header.size));
    await writer.write(head);
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      verified?.body(next.value);
      await writer.write(next.value);
    }
    proof = 'end' in claim ? await claim.end() : claim;
  } catch (error) {
    await writer.abort();
    throw error;
  }
  if ('proof' in proof) return commit(line, client, envelope, sender, proof, writer);
  await writer.abort();
  return notProven(line, client, proof);
}

function notProven(line: Line, client: Client, { refused, because }: Unproven): Reply {
  line.log.warn({ code: refused.code, because, listener: client.listener }, 'sender not proven');
  return refused;
}

/** What has come up to and including the chunk that ends the header section; null when that is longer than its limit. */
async function readHead(chunks: AsyncIterator<Uint8Array>): Promise<Buffer | null> {
  // Doubled where it is full: put together anew with each chunk, a client that sends octet by octet would cost gigabytes.
  let space = Buffer.alloc(0);
  let size = 0;
  for (;;) {
    const next = await chunks.next();
    const searched = size;
    if (!next.done && size === 0) {
      // Most mail has all of it in its first chunk, which then need not be copied.
      const { buffer, byteOffset, length } = next.value;
      const first = Buffer.from(buffer, byteOffset, length);
      const end = headerEnd(first);
      if (end >= 0 && end <= HEADER_MAX) return first;
    }
    if (!next.done) {
      const needed = size + next.value.length;
      if (needed > space.length) space = Buffer.concat([space.subarray(0, size)], Math.max(needed, 2 * size));
      space.set(next.value, size);
      size = needed;
    }
    const bytes = space.subarray(0, size);
    const end = headerEnd(bytes, searched);
    if (end > HEADER_MAX || (end < 0 && size > HEADER_MAX)) return null;
    if (end >= 0 || next.done) return bytes;
  }
}

/** Addresses of header From. None when there is no such field, more than one, or one that two readers would read
 *  differently: nothing is proven by it. */
function senderOf(header: HeaderSection): readonly Address[] {
  const fields = header.fields.filter((field) => field.name === 'from');
  if (fields.length !== 1) return [];
  const mailboxes = addressesOf(fields[0]?.value ?? '');
  return 'ok' in mailboxes ? mailboxes.ok : [];
}

async function commit(
  line: Line,
  client: Client,
  envelope: Envelope,
  sender: readonly Address[],
  proof: Proven,
  writer: BodyWriter,
): Promise<Reply> {
  const { organization } = proof;
  const now = line.clock.now();
  const id = queueId(now, line.random.bytes(9));
  const trace = traceOf(client, proof);
  const stored: StoredEnvelope = {
    id,
    organization,
    reversePath: envelope.reversePath,
    sender,
    acceptedAt: now,
    acceptedBy: line.settings().node,
    cause: { kind: 'smtp', key: id },
    origin: originOf(client),
    trace,
    dsn: envelope.dsn,
    smtpUtf8: envelope.smtpUtf8,
    deliveries: envelope.recipients.map((one) => newDelivery(line, one, proof, now)),
  };
  const written = writer.end(encodeEnvelope(stored));
  const message: NewMessage = { ...stored, size: written.size, digest: written.digest, body: written.ref };
  const examine = roomToExamine(line) > 0 ? { owner: line.owner, until: now + LEASE } : undefined;
  // A row that is not leased with its accept may be examined the moment it is there: its body is there before.
  if (examine === undefined) await written.durable;
  const accepted = await bothDurable(line, id, written.ref, [
    line.queue.accept(verbId(line), message, message.cause, examine),
    written.durable,
  ]);
  line.queue.acknowledged(accepted.id);
  line.meter.accepted(organization, written.size);
  line.log.info({ queueId: id, organization, size: written.size, recipients: message.deliveries.length }, 'accepted');
  if (accepted.lease === undefined) line.wake('examine');
  else examineInBackground(line, accepted.lease);
  return { code: 250, enhanced: '2.6.0', text: `Queued as ${id}` };
}

/** Rows and body. When only one of them came to be, it is taken back: the sender is told that we have nothing. */
async function bothDurable(
  line: Line,
  id: QueueId,
  ref: BodyRef,
  syncs: readonly [rows: Promise<Accepted>, body: Promise<void>],
): Promise<Accepted> {
  const [rows, body] = await Promise.allSettled(syncs);
  if (rows.status === 'rejected') {
    // Rows whose sync failed may be there at the next start, which takes back what was not acknowledged and has no body.
    if (rows.reason instanceof QueueError) await line.bodies.remove(ref).catch(() => {});
    throw rows.reason;
  }
  if (body.status === 'fulfilled') return rows.value;
  await line.queue.abandon(verbId(line), id, 'its body could not be stored');
  throw body.reason;
}

function originOf(client: Client): 'relayed' | 'submitted' {
  return client.login === undefined ? 'relayed' : 'submitted';
}

function traceOf(client: Client, proof: Proven): Trace {
  return {
    helo: client.helo,
    ip: client.ip,
    with: client.with,
    ...(client.tls !== undefined && { tls: client.tls }),
    ...(client.login !== undefined && { login: client.login }),
    proof: proof.proof,
  };
}

function newDelivery(line: Line, given: EnvelopeRecipient, proof: Proven, now: Time): NewDelivery {
  const settings = line.settings();
  const recipient = isPostmaster(line, given.address) ? postmasterOf(line, proof.organization) : given.address;
  return {
    recipient,
    dsn: given.dsn,
    destination: destinationOf(settings, recipient),
    priority: proof.priority,
    expiresAt: now + settings.lifetime,
  };
}

/** RFC 5321 §4.5.1: the gateway's postmaster is the organization's admin. */
function postmasterOf(line: Line, name: string): Address {
  const organization = organizationOf(line, name);
  return organization?.admin ?? (`postmaster@${organization?.domains[0] ?? name}` as Address);
}
