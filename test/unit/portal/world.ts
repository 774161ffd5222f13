// The portal over a real store, bodies and ring in a folder of their own, with a message that is leased for the portal.
// Its clock is moved by tests; what a worker would render is the text of the mail data.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { type BoxKey, boxKey } from '../../../src/crypto/box.ts';
import {
  type Address,
  type DeliveryId,
  messageOf,
  type Owner,
  type QueueId,
  queueId,
} from '../../../src/domain/ids.ts';
import type { Language } from '../../../src/domain/portal.ts';
import type { Decision, Delivery, Examination, Message, Transaction } from '../../../src/domain/types.ts';
import { openRing, type Ring } from '../../../src/keys/ring.ts';
import type { PortalDeps, Rendered } from '../../../src/portal/deps.ts';
import { createEscrow } from '../../../src/portal/escrow.ts';
import type { Portal } from '../../../src/portal/portal.ts';
import { createPortal } from '../../../src/portal/service.ts';
import { locatorOf } from '../../../src/portal/tokens.ts';
import type { Line, OrganizationSettings, Settings } from '../../../src/relay/line.ts';
import { readSealed } from '../../../src/store/bodies/read.ts';
import { openBodies, type SegmentBodies } from '../../../src/store/bodies/segments.ts';
import { openStore, type Store } from '../../../src/store/sqlite/open.ts';
import { type TestClock, testClock } from '../../support/clock.ts';
import { NO_OUTAGES } from '../../support/outages.ts';
import { NOON, random } from '../../support/vault.ts';

export const CLINIC = 'Northside Clinic';
export const PRACTICE = 'Southside Practice';
export const HOST = 'secure.clinic.example';
export const PATIENT = 'patient@oldmail.demo' as Address;
export const LEE = 'lee@clinic.example' as Address;
export const MINUTE = 60_000;
export const DAY = 86_400_000;
const OWNER = 'gw 1 1' as Owner;

const common = { admin: null, returnHost: null, timeZone: 'America/Chicago', phone: '555-0100', help: null } as const;
const languages: readonly Language[] = ['en', 'es'];
const ORGANIZATIONS: readonly OrganizationSettings[] = [
  { ...common, name: CLINIC, domains: ['clinic.example'], languages, portalUrl: `https://${HOST}` },
  {
    ...common,
    name: PRACTICE,
    domains: ['practice.example'],
    languages,
    portalUrl: 'https://msg.practice.example:8443',
  },
];
const SETTINGS = {
  ...{ hostname: 'gw.clinic.example', node: 'gw', organizations: ORGANIZATIONS, smartHost: null },
  ...{ lifetime: 5 * DAY, portal: { expires: 30 * DAY, keep: 30 * DAY }, built: ['tls', 'portal'] },
} as unknown as Settings;
const PORTAL: Decision = {
  action: { kind: 'deliver', protections: [{ name: 'portal', level: 'encrypt' }] },
  ...{ rule: 'all', because: 'a test', policyVersion: 'p', engineVersion: '1' },
};
const EXAMINATION: Examination = {
  ...{ subject: 'Your canary results', messageId: '<orig@clinic.example>', subjectTags: [] },
  findings: { phi: true, counts: [], places: [] },
  coverage: { state: 'full', parts: [] },
  ...{ autoSubmitted: false, eightBit: false, utf8Headers: false },
};
export const MAIL = [
  'From: "Dr. Lee" <lee@clinic.example>',
  'To: patient@oldmail.demo',
  'Subject: Your canary results',
  'Message-ID: <orig@clinic.example>',
  '',
  'canary text of the body',
  '',
].join('\r\n');

/** A mail of ours that waits in the queue. */
export type Sent = {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly text: string;
  readonly raw: Buffer;
};

export type World = {
  readonly folder: string;
  readonly clock: TestClock;
  readonly store: Store;
  readonly bodies: SegmentBodies;
  readonly ring: Ring;
  readonly master: BoxKey;
  readonly line: Line;
  readonly deps: PortalDeps;
  readonly portal: Portal;
  readonly woken: string[];
  /** Fields and words of every log line. */
  readonly logged: string[];
  /** Handles that jobs were given. */
  readonly handles: { readonly dataKey: Uint8Array }[];
  /** Accepts the mail and leases it for the portal. */
  lease(given?: {
    to?: readonly Address[];
    reversePath?: string;
    mail?: string | AsyncIterable<Uint8Array>;
  }): Promise<Transaction>;
  /** `passed`: what could not be tried before, for its first recipient. */
  escrow(transaction: Transaction, passed?: readonly string[]): Promise<void>;
  /** Mails of ours in order of acceptance, of that origin and about that message. */
  sent(origin: Message['origin'], about: QueueId): Promise<Sent[]>;
  /** Lease and escrow; the tokens of each parcel, in order of recipients. */
  parcels(
    given?: Parameters<World['lease']>[0],
  ): Promise<{ transaction: Transaction; links: string[]; senders: string[] }>;
  /** Asks for a code and reads it in the mail. */
  code(kind: 'link' | 'sender', token: string): Promise<{ challenge: string; code: string }>;
  /** A session by a code. */
  enter(kind: 'link' | 'sender', token: string): Promise<{ parcel: string; cookie: string }>;
  close(): Promise<void>;
};

const verb = () => Buffer.from(random.bytes(16)).toString('hex');

export async function openWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-portal-'));
  const clock = testClock(NOON);
  const master = boxKey(randomBytes(32));
  let ring: Ring;
  const store = await openStore({ path: folder, node: 'gw', vault: () => ring, clock, random });
  ring = await openRing({ master: [master], keyring: store.keyring, random });
  for (const organization of ['-', CLINIC, PRACTICE]) await ring.ready(organization, NOON);
  const limits = { reserve: 0 };
  const bodies = await openBodies({ dir: join(folder, 'bodies'), vault: ring, clock, random, limits });
  const woken: string[] = [];
  const logged: string[] = [];
  const write = (fields: object, message: string) => logged.push(JSON.stringify({ ...fields, message }));
  const line = {
    ...{ queue: store.queue, bodies, clock, random, owner: OWNER, log: { info: write, warn: write, error: write } },
    ready: (organization: string) => ring.ready(organization, clock.now()),
    settings: () => SETTINGS,
    outages: NO_OUTAGES,
    meter: { alarm: (name: string) => logged.push(name) },
    wake: (stage: string) => woken.push(stage),
  } as unknown as Line;
  const handles: { readonly dataKey: Uint8Array }[] = [];
  const deps: PortalDeps = {
    ...{ line, parcels: store.parcels, audit: store.audit, vault: ring, random },
    render: async (handle) => {
      handles.push(handle);
      const text = Buffer.concat([...readSealed(handle)]).toString('latin1');
      const rendered = { subject: 'Your canary results', from: 'Dr. Lee', date: null, html: `<p>${text}</p>`, text };
      return { ...rendered, cut: false, attachments: [] } satisfies Rendered;
    },
    attachment: async (handle, part) => {
      handles.push(handle);
      if (part !== 1) return null;
      async function* body() {
        yield* readSealed(handle);
      }
      return { view: { part, name: 'all.eml', type: 'message/rfc822', size: MAIL.length }, body: body() };
    },
  };
  const portal = createPortal(deps);
  const escrow = createEscrow({ line, parcels: store.parcels, vault: ring, random });
  const parts = { folder, clock, store, bodies, ring, master, line, deps, portal, woken, logged, handles };

  const sent: World['sent'] = async (origin, about) => {
    const rows = await store.queue.list({ states: ['ready'], limit: 1_000 });
    const found: Sent[] = [];
    for (const row of [...rows].reverse()) {
      const whole = await store.queue.message(row.message);
      if (whole?.message.origin !== origin || whole.message.parent !== about) continue;
      const chunks: Uint8Array[] = [];
      for await (const chunk of bodies.open(whole.message.organization, whole.message.body)) chunks.push(chunk);
      const raw = Buffer.concat(chunks);
      const { text } = await simpleParser(raw);
      found.push({ message: whole.message, delivery: whole.deliveries[0] as Delivery, text: text ?? '', raw });
    }
    return found;
  };
  const code: World['code'] = async (kind, token) => {
    const answer = await portal.sendCode(HOST, kind, token, 'en');
    if (answer.kind !== 'sent') throw new Error(`no code: ${answer.kind}`);
    const id = Buffer.from(answer.challenge, 'base64url').toString('hex');
    const grant = await store.parcels.grant(locatorOf(token));
    const [parcel] = await store.parcels.ofConversation(grant?.conversation ?? '');
    const mails = await sent('code', messageOf(parcel?.delivery as DeliveryId));
    const mail = mails.find(({ message }) => message.cause.key === id);
    const digits = /^ {4}(\d{3}) (\d{3})$/m.exec(mail?.text ?? '');
    if (digits === null) throw new Error('the mail has no code');
    return { challenge: answer.challenge, code: `${digits[1]}${digits[2]}` };
  };
  const lease: World['lease'] = (given) => leaseOne(parts, given);
  return {
    ...parts,
    ...{ sent, code, lease },
    escrow: (transaction, passed = []) => escrow(transaction, 'encrypt', [passed]),
    parcels: async (given) => {
      const transaction = await lease(given);
      await escrow(transaction, 'encrypt', []);
      const tokens = (mails: readonly Sent[], path: string) =>
        mails.flatMap(({ text }) => [
          ...new Set([...text.matchAll(new RegExp(`/${path}/([a-z2-7]{32})`, 'g'))].map((m) => m[1] as string)),
        ]);
      const { id } = transaction.message;
      const notices = await sent('notice', id);
      // By recipient, as the transaction has them.
      const inOrder = transaction.deliveries.flatMap(({ recipient }) =>
        notices.filter(({ delivery }) => delivery.recipient === recipient),
      );
      return { transaction, links: tokens(inOrder, 'm'), senders: tokens(await sent('receipt', id), 's') };
    },
    enter: async (kind, token) => {
      const made = await code(kind, token);
      const entered = await portal.enter(HOST, kind, token, made.challenge, made.code);
      if (entered.kind !== 'in') throw new Error(`not in: ${entered.kind}`);
      return entered;
    },
    close: async () => {
      await bodies.close();
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function leaseOne(
  { store, bodies, clock }: Pick<World, 'store' | 'bodies' | 'clock'>,
  { to = [PATIENT], reversePath = LEE, mail = MAIL }: NonNullable<Parameters<World['lease']>[0]> = {},
): Promise<Transaction> {
  const now = clock.now();
  const id: QueueId = queueId(now, random.bytes(9));
  const writer = bodies.create(CLINIC);
  if (typeof mail === 'string') await writer.write(Buffer.from(mail));
  else for await (const chunk of mail) await writer.write(chunk);
  const written = writer.end(Buffer.from('{}'));
  await written.durable;
  const until = now + 20 * MINUTE;
  const accepted = await store.queue.accept(
    verb(),
    {
      ...{ id, organization: CLINIC, reversePath, sender: [LEE], size: written.size, digest: written.digest },
      ...{ acceptedAt: now, acceptedBy: 'gw', origin: 'relayed', dsn: {}, smtpUtf8: false, body: written.ref },
      cause: { kind: 'smtp', key: id },
      trace: { helo: 'mail', ip: '192.0.2.7', with: 'ESMTPS', proof: ['network'] },
      deliveries: to.map((recipient) => ({
        ...{ recipient, dsn: {}, destination: recipient.slice(recipient.lastIndexOf('@') + 1) },
        ...{ priority: 'normal' as const, expiresAt: now + 5 * DAY },
      })),
    },
    { kind: 'smtp', key: id },
    { owner: OWNER, until },
  );
  const decisions = to.map((_, i) => ({ delivery: `${id}.${i}` as DeliveryId, decision: PORTAL }));
  const take = { owner: OWNER, until, limit: 100 };
  const lease = accepted.lease?.lease;
  if (lease === undefined) throw new Error('not leased for examination');
  const [transaction] = await store.queue.decided(verb(), id, lease, EXAMINATION, decisions, take);
  if (transaction === undefined) throw new Error('not leased for delivery');
  return transaction;
}
