// The portal's doors, codes and sessions on a real store: who gets in where, and who does not.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { QueueId } from '../../../src/domain/ids.ts';
import { normalHost } from '../../../src/portal/door.ts';
import { ending } from '../../../src/portal/ending.ts';
import type { Desk, Pickup } from '../../../src/portal/portal.ts';
import { locatorOf, newToken } from '../../../src/portal/tokens.ts';
import { REFERENCE_WORDS } from '../../../src/portal/words.ts';
import { QueueError } from '../../../src/store/queue/port.ts';
import { random } from '../../support/vault.ts';
import { CLINIC, DAY, HOST, LEE, MAIL, MINUTE, openWorld, PATIENT, PRACTICE, type World } from './world.ts';

let world: World;
/** One for the tests of a group: each sends messages of its own, and the clock goes on. */
function withWorld(): void {
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());
}

async function link(): Promise<{ link: string; sender: string; id: QueueId }> {
  const { links, senders, transaction } = await world.parcels();
  return { link: links[0] as string, sender: senders[0] as string, id: transaction.message.id };
}
const pickup = async (host: string, parcel: string, cookie: string) =>
  (await world.portal.session(host, parcel, cookie)) as Pickup | null;
const eventsOf = async (id: QueueId) => (await world.store.audit.trace(id)).map(({ event }) => event);

describe('a door', () => {
  withWorld();

  test('shows who wrote and where a code would go, nothing of the message', async () => {
    const { link: token, sender } = await link();
    const door = await world.portal.door(HOST, 'link', token);
    expect(door).toEqual({
      kind: 'link',
      organization: {
        name: CLINIC,
        languages: ['en', 'es'],
        timeZone: 'America/Chicago',
        phone: '555-0100',
        help: null,
      },
      from: 'Dr. Lee <lee@clinic.example>',
      masked: 'p•••@oldmail.demo',
      state: 'waiting',
      expiresAt: world.clock.now() + 30 * DAY,
    });
    expect((await world.portal.door(HOST, 'sender', sender))?.masked).toBe('l•••@clinic.example');
  });

  test('is null alike for a wrong host, kind and token', async () => {
    const { link: token, sender, id } = await link();
    const wrong: [string, 'link' | 'sender', string][] = [
      ['other.example', 'link', token],
      ['msg.practice.example:8443', 'link', token],
      [`${HOST}:8443`, 'link', token],
      [`x.${HOST}`, 'link', token],
      ['', 'link', token],
      [HOST, 'sender', token],
      [HOST, 'link', sender],
      [HOST, 'link', newToken(random)],
      [HOST, 'link', token.toUpperCase()],
      [HOST, 'link', `${token}a`],
      [HOST, 'link', ''],
    ];
    for (const [host, kind, text] of wrong) {
      expect(await world.portal.door(host, kind, text)).toBeNull();
      expect(await world.portal.sendCode(host, kind, text, 'en')).toEqual({ kind: 'closed' });
      expect(await world.portal.enter(host, kind, text, 'A'.repeat(22), '000000')).toEqual({ kind: 'closed' });
    }
    expect(await world.sent('code', id)).toEqual([]);
  });

  test('looking changes nothing', async () => {
    const { link: token, id } = await link();
    const before = JSON.stringify([await world.store.audit.read(null, 1_000), await world.store.queue.counts()]);
    for (let i = 0; i < 100; i++) await world.portal.door(HOST, 'link', token);
    expect(JSON.stringify([await world.store.audit.read(null, 1_000), await world.store.queue.counts()])).toBe(before);
    expect(await eventsOf(id)).not.toContain('portal.opened');
  });

  test.each([
    ['secure.clinic.example', true],
    ['SECURE.clinic.example', true],
    ['secure.clinic.example:443', true],
    ['secure.clinic.example.', true],
    ['secure.clinic.example:80', false],
    ['secure.clinic.example/x', false],
    ['user@secure.clinic.example', false],
    ['secure.clinic.example#', false],
    ['secure.clinic.example\\@evil', false],
    ['[::1', false],
  ])('answers on its host: %s', async (host, answers) => {
    expect(world.portal.host(host)?.name ?? null).toBe(answers ? CLINIC : null);
  });

  test('another organization has its own host, with its port', () => {
    expect(world.portal.host('msg.practice.example:8443')?.name).toBe(PRACTICE);
    expect(world.portal.host('msg.practice.example')).toBeNull();
    expect(normalHost('HOST.example:8443')).toBe('host.example:8443');
  });
});

describe('a code', () => {
  withWorld();

  test('goes to the mailbox at the level of the parcel, and lets in once', async () => {
    const { link: token, id } = await link();
    const answer = await world.portal.sendCode(HOST, 'link', token, 'es');
    expect(answer).toMatchObject({ kind: 'sent', until: world.clock.now() + 15 * MINUTE });
    if (answer.kind !== 'sent') throw new Error();
    expect(answer.challenge).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(REFERENCE_WORDS).toContain(answer.word);
    const [mail] = await world.sent('code', id);
    expect(mail?.message.cause).toEqual({
      kind: 'code of',
      key: Buffer.from(answer.challenge, 'base64url').toString('hex'),
    });
    expect(mail?.delivery).toMatchObject({
      ...{ recipient: PATIENT, destination: 'oldmail.demo', priority: 'urgent', expiresAt: answer.until },
      decision: { action: { protections: [{ name: 'tls', level: 'encrypt' }] } },
    });
    expect(mail?.text).toContain('Su código');
    expect(mail?.text).toContain(answer.word);
    const digits = /(\d{3} \d{3})/.exec(mail?.text ?? '')?.[1] as string;
    const entered = await world.portal.enter(HOST, 'link', token, answer.challenge, ` ${digits} `);
    expect(entered).toMatchObject({ kind: 'in', maxAge: 8 * 3_600 });
    expect(await world.portal.enter(HOST, 'link', token, answer.challenge, digits)).toEqual({ kind: 'over' });
    expect(await eventsOf(id)).toEqual(expect.arrayContaining(['portal.code_sent', 'portal.opened']));
    expect((await world.portal.door(HOST, 'link', token))?.state).toBe('opened');
  });

  test('for the sender goes to staff, and opens nothing', async () => {
    const { sender, id } = await link();
    await world.code('sender', sender);
    const [mail] = await world.sent('code', id);
    expect(mail?.delivery).toMatchObject({
      ...{ recipient: LEE, destination: 'clinic.example' },
      decision: { action: { protections: [{ name: 'tls', level: 'verify' }] } },
    });
    expect((await world.portal.door(HOST, 'sender', sender))?.state).toBe('waiting');
  });

  test('three an hour for a link; what was too many leaves no body', async () => {
    const { link: token, id } = await link();
    for (let i = 0; i < 3; i++) expect((await world.portal.sendCode(HOST, 'link', token, 'en')).kind).toBe('sent');
    expect(await world.portal.sendCode(HOST, 'link', token, 'en')).toEqual({ kind: 'too many' });
    expect(await world.sent('code', id)).toHaveLength(3);
    world.clock.advance(2 * DAY);
    const known = (objects: readonly string[]) => world.store.queue.knownObjects(objects);
    expect((await world.bodies.sweep(known, world.clock.now() - DAY)).removed).toBe(0);
    expect((await world.portal.sendCode(HOST, 'link', token, 'en')).kind).toBe('sent');
  });

  test('ten a day for a link', async () => {
    const { link: token } = await link();
    const asked: string[] = [];
    for (let i = 0; i < 14; i++) {
      asked.push((await world.portal.sendCode(HOST, 'link', token, 'en')).kind);
      world.clock.advance(DAY / 24);
    }
    expect(asked).toEqual([
      ...Array.from({ length: 10 }, () => 'sent'),
      ...Array.from({ length: 4 }, () => 'too many'),
    ]);
    world.clock.advance(DAY);
    expect((await world.portal.sendCode(HOST, 'link', token, 'en')).kind).toBe('sent');
  });

  test('five tries, then it is over, also with the right code', async () => {
    const { link: token } = await link();
    const { challenge, code } = await world.code('link', token);
    const wrong = code === '000000' ? '000001' : '000000';
    for (const left of [4, 3, 2, 1, 0]) {
      expect(await world.portal.enter(HOST, 'link', token, challenge, wrong)).toEqual({ kind: 'wrong', left });
    }
    expect(await world.portal.enter(HOST, 'link', token, challenge, code)).toEqual({ kind: 'over' });
  });

  test('works only with the challenge and the link that asked, for 15 minutes', async () => {
    const one = await link();
    const other = await link();
    const first = await world.code('link', one.link);
    const second = await world.code('link', one.link);
    if (first.code !== second.code) {
      expect((await world.portal.enter(HOST, 'link', one.link, second.challenge, first.code)).kind).toBe('wrong');
    }
    expect((await world.portal.enter(HOST, 'link', other.link, first.challenge, first.code)).kind).toBe('over');
    for (const challenge of ['', 'x', 'A'.repeat(22), `${first.challenge}A`]) {
      expect((await world.portal.enter(HOST, 'link', one.link, challenge, first.code)).kind).toBe('over');
    }
    world.clock.advance(15 * MINUTE);
    expect((await world.portal.enter(HOST, 'link', one.link, first.challenge, first.code)).kind).toBe('over');
  });

  test('of one link opens no other, also for who can move its row there', async () => {
    const own = await link();
    const other = await link();
    const { challenge, code } = await world.code('link', own.link);
    const { parcel } = await world.enter('link', other.link);
    const db = new Database(join(world.folder, 'queue.db'));
    const moved = db
      .prepare('UPDATE challenge SET locator = ?, parcel = ? WHERE id = ?')
      .run(Buffer.from(locatorOf(other.link), 'hex'), parcel, Buffer.from(challenge, 'base64url'));
    db.close();
    expect(moved.changes).toBe(1);
    expect((await world.portal.enter(HOST, 'link', other.link, challenge, code)).kind).toBe('wrong');
  });

  test('fifty at once: one gets in', async () => {
    const { link: token } = await link();
    const { challenge, code } = await world.code('link', token);
    const all = await Promise.all(
      Array.from({ length: 50 }, () => world.portal.enter(HOST, 'link', token, challenge, code)),
    );
    expect(all.filter(({ kind }) => kind === 'in')).toHaveLength(1);
    expect(all.filter(({ kind }) => kind === 'over')).toHaveLength(49);
  });

  test('nothing of it is logged', async () => {
    const { link: token } = await link();
    const { challenge, code } = await world.code('link', token);
    await world.portal.enter(HOST, 'link', token, challenge, code);
    const all = world.logged.join('\n');
    for (const secret of [token, challenge, code, PATIENT, 'oldmail', 'canary']) expect(all).not.toContain(secret);
  });
});

describe('a session', () => {
  withWorld();

  test('is of its parcel, host and cookie', async () => {
    const one = await link();
    const other = await link();
    const { parcel, cookie } = await world.enter('link', one.link);
    const second = await world.enter('link', other.link);
    expect((await pickup(HOST, parcel, cookie))?.parcel).toBe(parcel);
    for (const [host, id, by] of [
      ['other.example', parcel, cookie],
      ['msg.practice.example:8443', parcel, cookie],
      [HOST, second.parcel, cookie],
      [HOST, 'x', cookie],
      [HOST, parcel, second.cookie],
      [HOST, parcel, cookie.slice(1)],
      [HOST, parcel, ''],
    ] as const) {
      expect(await world.portal.session(host, id, by)).toBeNull();
    }
    await world.portal.leave(parcel, cookie);
    expect(await pickup(HOST, parcel, cookie)).toBeNull();
    expect(await pickup(HOST, second.parcel, second.cookie)).not.toBeNull();
  });

  test('ends 15 minutes after its last use, and 8 hours after it began', async () => {
    const { link: token } = await link();
    const idle = await world.enter('link', token);
    world.clock.advance(14 * MINUTE);
    expect(await pickup(HOST, idle.parcel, idle.cookie)).not.toBeNull();
    world.clock.advance(14 * MINUTE);
    expect(await pickup(HOST, idle.parcel, idle.cookie)).not.toBeNull();
    world.clock.advance(15 * MINUTE);
    expect(await pickup(HOST, idle.parcel, idle.cookie)).toBeNull();
    const busy = await world.enter('link', token);
    for (let minutes = 10; minutes < 480; minutes += 10) {
      world.clock.advance(10 * MINUTE);
      expect(await pickup(HOST, busy.parcel, busy.cookie)).not.toBeNull();
    }
    world.clock.advance(10 * MINUTE);
    expect(await pickup(HOST, busy.parcel, busy.cookie)).toBeNull();
  });

  test('of a recipient ends with the parcel; that of the sender does not', async () => {
    const { link: token, sender } = await link();
    world.clock.advance(30 * DAY - MINUTE);
    const reader = await world.enter('link', token);
    const writer = await world.enter('sender', sender);
    world.clock.advance(MINUTE);
    expect(await world.portal.session(HOST, reader.parcel, reader.cookie)).toBeNull();
    expect((await world.portal.door(HOST, 'link', token))?.state).toBe('expired');
    expect(await world.portal.sendCode(HOST, 'link', token, 'en')).toEqual({ kind: 'closed' });
    const desk = (await world.portal.session(HOST, writer.parcel, writer.cookie)) as Desk;
    expect(desk.door.state).toBe('expired');
    const until = await desk.extend(10);
    expect(until).toBe(world.clock.now() + 10 * DAY);
    expect(await world.portal.door(HOST, 'link', token)).toMatchObject({ state: 'opened', expiresAt: until });
    expect((await world.portal.session(HOST, reader.parcel, reader.cookie))?.kind).toBe('link');
  });
});

describe('a recipient', () => {
  withWorld();

  async function inside(): Promise<{ pickup: Pickup; id: QueueId }> {
    const { link: token, id } = await link();
    const { parcel, cookie } = await world.enter('link', token);
    return { pickup: (await pickup(HOST, parcel, cookie)) as Pickup, id };
  }

  test('reads, and each view is in the audit before it is shown; keys are overwritten', async () => {
    const { pickup: one, id } = await inside();
    const view = await one.view();
    expect(view.text.endsWith(MAIL)).toBe(true);
    expect(view.date).toBe(world.clock.now());
    expect(await one.html()).toBe(view.html);
    expect((await eventsOf(id)).filter((event) => event === 'portal.viewed')).toHaveLength(1);
    expect(world.handles.length).toBeGreaterThanOrEqual(2);
    for (const { dataKey } of world.handles) expect(Buffer.from(dataKey)).toEqual(Buffer.alloc(32));
  });

  test('takes an attachment; none of that number is null', async () => {
    const { pickup: one, id } = await inside();
    expect(await one.attachment(7)).toBeNull();
    expect(await eventsOf(id)).not.toContain('portal.downloaded');
    const taken = await one.attachment(1);
    expect(taken?.view.name).toBe('all.eml');
    const entries = await world.store.audit.trace(id);
    expect(entries.find(({ event }) => event === 'portal.downloaded')?.detail).toMatchObject({ part: 1 });
    expect(JSON.stringify(entries)).not.toContain('all.eml');
    const chunks: Uint8Array[] = [];
    for await (const chunk of taken!.body) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toContain('canary text');
    for (const { dataKey } of world.handles) expect(Buffer.from(dataKey)).toEqual(Buffer.alloc(32));
  });

  test('an attachment that cannot be recorded is not given, and is given back', async () => {
    const { pickup: one } = await inside();
    const { attachment, parcels } = world.deps;
    let ended = 0;
    const changed = {
      attachment: async (...asked: Parameters<typeof attachment>) => {
        const found = await attachment(...asked);
        return found && { ...found, body: ending(found.body, () => ended++) };
      },
      parcels: { ...parcels, seen: () => Promise.reject(new QueueError('full', 'the disk is full')) },
    };
    Object.assign(world.deps, changed);
    try {
      await expect(one.attachment(1)).rejects.toMatchObject({ code: 'full' });
    } finally {
      Object.assign(world.deps, { attachment, parcels });
    }
    expect(ended).toBe(1);
    for (const { dataKey } of world.handles) expect(Buffer.from(dataKey)).toEqual(Buffer.alloc(32));
  });

  test('answers the sender, once for each form', async () => {
    const { pickup: one, id } = await inside();
    expect(await one.reply(' Thank you.\r\nSee you. ', 'form 1')).toBe('sent');
    expect(await one.reply('Thank you.\r\nSee you.', 'form 1')).toBe('sent');
    expect(await one.reply('More.', 'form 2')).toBe('sent');
    const replies = await world.sent('reply', id);
    expect(replies).toHaveLength(2);
    expect(replies[0]?.message).toMatchObject({ parent: id, reversePath: '', cause: { kind: 'reply to' } });
    expect(replies[0]?.delivery).toMatchObject({
      ...{ recipient: LEE, destination: 'clinic.example' },
      decision: { action: { protections: [{ name: 'tls', level: 'verify' }] } },
    });
    expect(replies[0]?.text).toMatch(/^Thank you\.\nSee you\.\n\n----/);
    const head = replies[0]?.raw.toString('latin1') ?? '';
    expect(head).toContain('Subject: [Secure reply] Re: Your canary results\r\n');
    expect(head).toContain('In-Reply-To: <orig@clinic.example>\r\n');
    expect(head).toContain(`Reply-To: ${PATIENT}\r\n`);
    expect((await eventsOf(id)).filter((event) => event === 'portal.replied')).toHaveLength(2);
    expect(world.woken).toContain('deliver');
  });

  test('within bounds: not empty, 20,000 characters, 20 a day', async () => {
    const { pickup: one } = await inside();
    expect(await one.reply(' \r\n ', 'a')).toBe('empty');
    expect(await one.reply('x'.repeat(20_001), 'a')).toBe('too long');
    // A browser sends two characters for each line end; they count as one.
    expect(await one.reply('x\r\n'.repeat(9_999), 'long')).toBe('sent');
    for (let i = 1; i < 20; i++) expect(await one.reply('x', `form ${i}`)).toBe('sent');
    expect(await one.reply('x', 'form 20')).toBe('too many');
    world.clock.advance(DAY);
    expect(await one.reply('x', 'form 21')).toBe('sent');
  });

  test('not more than 20 a day by sending them at once', async () => {
    const { pickup: one, id } = await inside();
    const all = await Promise.all(Array.from({ length: 30 }, (_, i) => one.reply('x', `form ${i}`)));
    expect(all.filter((answer) => answer === 'too many')).toHaveLength(10);
    expect(await world.sent('reply', id)).toHaveLength(20);
  });

  test('cannot answer where there is no sender', async () => {
    const { links, transaction } = await world.parcels({ reversePath: '' });
    const { parcel, cookie } = await world.enter('link', links[0] as string);
    expect(await (await pickup(HOST, parcel, cookie))?.reply('x', 'a')).toBe('no sender');
    expect(await world.sent('reply', transaction.message.id)).toEqual([]);
  });
});

describe('a sender', () => {
  withWorld();

  async function desk(): Promise<{ desk: Desk; link: string; sender: string; id: QueueId }> {
    const made = await link();
    const { parcel, cookie } = await world.enter('sender', made.sender);
    return { ...made, desk: (await world.portal.session(HOST, parcel, cookie)) as Desk };
  }

  test('sees whether it was opened', async () => {
    const { desk: one, link: token, sender } = await desk();
    expect(one).toMatchObject({ kind: 'sender', recipient: PATIENT, openedAt: null, repliedAt: null });
    world.clock.advance(MINUTE);
    await world.enter('link', token);
    const { parcel, cookie } = await world.enter('sender', sender);
    const later = (await world.portal.session(HOST, parcel, cookie)) as Desk;
    expect(later).toMatchObject({ openedAt: world.clock.now(), door: { state: 'opened' } });
    expect('view' in later).toBe(false);
  });

  test.each([
    [40, 40],
    [365, 365],
    [9_999, 365],
    [40.9, 40],
    [1, 30],
    [-5, 30],
    [Number.NaN, 30],
  ])('gives it more time: %d days', async (asked, days) => {
    const { desk: one, id } = await desk();
    const until = world.clock.now() + days * DAY;
    expect(await one.extend(asked)).toBe(until);
    const entry = (await world.store.audit.trace(id)).find(({ event }) => event === 'portal.extended');
    expect(entry?.actor ?? null).toBe(days > 30 ? 'portal sender' : null);
  });

  test('takes it back: no link, session or code opens it any more', async () => {
    const { desk: one, link: token, sender, id } = await desk();
    const reader = await world.enter('link', token);
    const code = await world.code('link', token);
    const open = (await pickup(HOST, reader.parcel, reader.cookie)) as Pickup;
    await one.retract();
    // Both links say so.
    expect(await world.portal.door(HOST, 'link', token)).toMatchObject({ kind: 'link', state: 'retracted' });
    expect(await world.portal.door(HOST, 'sender', sender)).toMatchObject({ kind: 'sender', state: 'retracted' });
    expect(await world.portal.sendCode(HOST, 'link', token, 'en')).toEqual({ kind: 'closed' });
    expect(await pickup(HOST, reader.parcel, reader.cookie)).toBeNull();
    expect((await world.portal.enter(HOST, 'link', token, code.challenge, code.code)).kind).toBe('closed');
    const entry = (await world.store.audit.trace(id)).find(({ event }) => event === 'portal.retracted');
    expect(entry?.actor).toBe('portal sender');
    expect((await world.store.parcels.parcel(reader.parcel))?.body.key).toBe('');
    // A page that was asked for before is not answered with what was read before.
    await expect(open.reply('x', 'a')).rejects.toThrow();
  });
});
