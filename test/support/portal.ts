// A portal in memory, for pages: doors, codes and sessions as the real one has them, without mail, keys and disk. What was
// asked of it is counted, so that a test can say that nothing changed.

import type { GrantKind, ParcelState } from '../../src/domain/portal.ts';
import type { Desk, Door, MessageView, Pickup, Portal } from '../../src/portal/portal.ts';

export type FakeParcel = {
  id: string;
  host: string;
  link: string;
  sender: string;
  state: ParcelState;
  expiresAt: number;
  openedAt: number | null;
  message: MessageView;
  files: ReadonlyMap<number, AsyncIterable<Uint8Array> | Buffer>;
};
export type FakePortal = Portal & {
  readonly parcels: FakeParcel[];
  /** Every call that changes something, in order. */
  readonly changes: string[];
  readonly replies: { text: string; once: string }[];
  /** The right code of all pages. */
  readonly code: string;
  answer: { code?: 'too many' | 'closed'; enter?: 'over' | 'closed'; reply?: Awaited<ReturnType<Pickup['reply']>> };
};

export const HOST = 'secure.clinic.example';
export const LINK = 'a'.repeat(32);
export const SENDER = 'b'.repeat(32);
export const PARCEL = 'c'.repeat(26);
const NOW = Date.UTC(2026, 10, 24, 14, 42);
const DAY = 86_400_000;

export const MESSAGE: MessageView = {
  subject: 'Your results of November 20',
  from: 'Dr. Maria Lee <lee@clinic.example>',
  date: NOW - 3_600_000,
  html: null,
  text: 'Dear Ms. Jones,\n\nyour results are fine. Please come again in six months.\n\nKind regards\nMaria Lee',
  cut: false,
  attachments: [],
};

export function fakeParcel(change: Partial<FakeParcel> = {}): FakeParcel {
  const times = { expiresAt: NOW + 30 * DAY, openedAt: null };
  const tokens = { id: PARCEL, host: HOST, link: LINK, sender: SENDER };
  return { ...tokens, ...times, state: 'waiting', message: MESSAGE, files: new Map(), ...change };
}

export function fakePortal(parcels: FakeParcel[] = [fakeParcel()], phone: string | null = '555-0100'): FakePortal {
  const office = {
    name: 'Northside Clinic',
    languages: ['en', 'es'] as const,
    phone,
    help: 'https://clinic.example/help',
  };
  const changes: string[] = [];
  const replies: FakePortal['replies'] = [];
  const challenges = new Map<string, number>();
  const sessions = new Map<string, { parcel: FakeParcel; kind: GrantKind }>();
  let serial = 0;
  const doorOf = (parcel: FakeParcel, kind: GrantKind): Door => ({
    kind,
    organization: { ...office, timeZone: 'America/New_York' },
    from: MESSAGE.from,
    masked: kind === 'link' ? 'p•••@oldmail.demo' : 'l•••@clinic.example',
    state: parcel.state,
    expiresAt: parcel.expiresAt,
  });
  const find = (host: string, kind: GrantKind, token: string) =>
    parcels.find((one) => one.host === host && (kind === 'link' ? one.link : one.sender) === token);
  const portal: FakePortal = {
    parcels,
    changes,
    replies,
    code: '493018',
    answer: {},
    host: (host) => (parcels.some((one) => one.host === host) || host === HOST ? office : null),
    door: async (host, kind, token) => {
      const parcel = find(host, kind, token);
      return parcel === undefined ? null : doorOf(parcel, kind);
    },
    sendCode: async (host, kind, token) => {
      changes.push('sendCode');
      if (portal.answer.code !== undefined) return { kind: portal.answer.code };
      if (find(host, kind, token) === undefined) return { kind: 'closed' };
      const challenge = `challenge-${++serial}`.padEnd(22, '_');
      challenges.set(challenge, 5);
      return { kind: 'sent', challenge, word: 'maple harbor', until: NOW + 900_000 };
    },
    enter: async (host, kind, token, challenge, code) => {
      changes.push('enter');
      const parcel = find(host, kind, token);
      if (portal.answer.enter !== undefined) return { kind: portal.answer.enter };
      if (parcel === undefined) return { kind: 'closed' };
      const left = challenges.get(challenge) ?? 0;
      if (left === 0) return { kind: 'over' };
      challenges.set(challenge, code === portal.code ? 0 : left - 1);
      if (code !== portal.code) return { kind: 'wrong', left: left - 1 };
      const cookie = `session-${++serial}`;
      sessions.set(cookie, { parcel, kind });
      return { kind: 'in', parcel: parcel.id, cookie, maxAge: 900 };
    },
    session: async (host, id, cookie) => {
      const found = sessions.get(cookie);
      if (found === undefined || found.parcel.id !== id || found.parcel.host !== host) return null;
      const { parcel, kind } = found;
      return kind === 'link' ? pickup(parcel) : desk(parcel);
    },
    leave: async (_, cookie) => {
      changes.push('leave');
      sessions.delete(cookie);
    },
  };
  const pickup = (parcel: FakeParcel): Pickup => ({
    kind: 'link',
    door: doorOf(parcel, 'link'),
    parcel: parcel.id,
    view: async () => {
      changes.push('view');
      parcel.openedAt ??= NOW;
      return parcel.message;
    },
    html: async () => parcel.message.html,
    attachment: async (part) => {
      changes.push('attachment');
      const view = parcel.message.attachments.find((one) => one.part === part);
      const body = parcel.files.get(part);
      if (view === undefined || body === undefined) return null;
      return { view, body: Buffer.isBuffer(body) ? once(body) : body };
    },
    reply: async (text, key) => {
      changes.push('reply');
      if (portal.answer.reply !== undefined) return portal.answer.reply;
      if (text.trim() === '') return 'empty';
      if (!replies.some((one) => one.once === key)) replies.push({ text, once: key });
      return 'sent';
    },
  });
  const desk = (parcel: FakeParcel): Desk => ({
    kind: 'sender',
    door: doorOf(parcel, 'sender'),
    parcel: parcel.id,
    recipient: 'patient@oldmail.demo',
    openedAt: parcel.openedAt,
    repliedAt: null,
    createdAt: NOW - DAY,
    extend: async (days) => {
      changes.push(`extend ${days}`);
      parcel.expiresAt = NOW + days * DAY;
      return parcel.expiresAt;
    },
    retract: async () => {
      changes.push('retract');
      parcel.state = 'retracted';
      sessions.clear();
    },
  });
  return portal;
}

async function* once(body: Buffer): AsyncGenerator<Uint8Array> {
  yield body;
}
