// The contract of parcels: codes, sessions, what recipients and senders do, expiry and deletion.

import { randomBytes } from 'node:crypto';
import type { Grant, Parcel } from '../../src/domain/portal.ts';
import type { NewMessage } from '../../src/domain/types.ts';
import type { PortalSession } from '../../src/store/parcels/port.ts';
import { type Bench, DAY, MINUTE, PORTAL, refuses, verb } from './store-bench.ts';
import { type Escrowed, escrow, escrowed, grantOf, KEEP, name, ours, parcelsOf } from './store-escrow.ts';

const HOUR = 60 * MINUTE;
const BY = { actor: 'ann', reason: 'a reason' };

export function parcelsContract(bench: () => Bench): void {
  const stateOf = async (b: Bench, { id }: { id: string }) => (await b.opened.parcels.parcel(id))!.state;
  /** Events of the parcel's message that tell of it. */
  const portalEvents = async (b: Bench, { id }: Escrowed) =>
    (await b.audit.trace(id)).filter(({ event }) => event.startsWith('portal.'));
  const names = (entries: readonly { event: string }[]) => entries.map(({ event }) => event.slice('portal.'.length));

  /** One parcel with its link and its sender's page. */
  async function one(b: Bench) {
    const all = await escrowed(b);
    const { parcel, grants } = all.made[0]!;
    return { all, parcel, link: grants[0]!, sender: grants[1]! };
  }

  describe('codes', () => {
    type Made = { readonly id: Uint8Array; readonly code: Uint8Array; readonly mail: NewMessage };

    async function ask(b: Bench, parcel: Parcel, grant: Grant, most = 5): Promise<Made & { answer: string }> {
      const [id, code] = [randomBytes(16), randomBytes(32)];
      const cause = { kind: 'code of', key: id.toString('hex') } as const;
      const mail = ours(b, 'code', { organization: parcel.organization, to: [parcel.recipient], cause });
      const { locator, organization } = grant;
      const made = { id, locator, organization, expiresAt: b.now + 15 * MINUTE, code, parcel: parcel.id };
      const answer = await b.opened.parcels.challenge(verb(), made, mail, [{ since: b.now - HOUR, most }]);
      return { answer, id, code, mail };
    }
    const enter = (b: Bench, { id }: Made, { locator }: Grant, code: Uint8Array, most = 3) =>
      b.opened.parcels.tryCode(verb(), { id, locator, code, most });
    const WRONG = randomBytes(32);

    test('the right code gives grant and parcel, once; the mail was accepted with the challenge', async () => {
      const b = bench();
      const { all, parcel, link } = await one(b);
      const made = await ask(b, parcel, link);
      expect([made.answer, await b.states(made.mail.id)]).toEqual(['made', 'ready']);
      const right = await enter(b, made, link, made.code);
      expect(right).toMatchObject({ kind: 'right', parcel });
      expect(Buffer.from((right as { grant: Grant }).grant.box)).toEqual(link.box);
      expect(await enter(b, made, link, made.code)).toEqual({ kind: 'over' });
      expect(await stateOf(b, parcel)).toBe('waiting');
      const [sent, failed] = await portalEvents(b, all);
      expect(sent).toMatchObject({ event: 'portal.code_sent', delivery: parcel.delivery, actor: 'gateway portal' });
      expect(sent!.detail).toEqual({
        ...{ parcel: parcel.id, mail: made.mail.id, to: 'recipient', expires: b.now + 15 * MINUTE },
      });
      expect(failed).toMatchObject({ event: 'portal.code_failed', detail: { why: 'used before' } });
    });

    test('wrong tries are counted down, also over a restart; then the right one comes too late', async () => {
      const b = bench();
      const { all, parcel, link } = await one(b);
      const made = await ask(b, parcel, link);
      expect(await enter(b, made, link, WRONG)).toEqual({ kind: 'wrong', left: 2 });
      await b.restart();
      expect(await enter(b, made, link, WRONG.subarray(1))).toEqual({ kind: 'wrong', left: 1 });
      expect(await enter(b, made, link, WRONG)).toEqual({ kind: 'wrong', left: 0 });
      expect(await enter(b, made, link, made.code)).toEqual({ kind: 'over' });
      const failed = (await portalEvents(b, all)).slice(1).map(({ detail }) => detail.left ?? detail.why);
      expect(failed).toEqual([2, 1, 0, 'tried too often']);
    });

    test('of 50 tries at once with the right code one is right', async () => {
      const b = bench();
      const { parcel, link } = await one(b);
      const made = await ask(b, parcel, link);
      const tried = await Promise.all(Array.from({ length: 50 }, () => enter(b, made, link, made.code)));
      expect(tried.filter(({ kind }) => kind === 'right')).toHaveLength(1);
      expect(tried.filter(({ kind }) => kind === 'over')).toHaveLength(49);
    });

    test('of 50 tries at once with wrong codes three are compared', async () => {
      const b = bench();
      const { parcel, link } = await one(b);
      const made = await ask(b, parcel, link);
      const tried = await Promise.all(Array.from({ length: 50 }, () => enter(b, made, link, randomBytes(32))));
      expect(tried.filter(({ kind }) => kind === 'wrong')).toHaveLength(3);
    });

    test('a try whose commit fails tells nothing and is not counted', async () => {
      const b = bench();
      const { parcel, link } = await one(b);
      const made = await ask(b, parcel, link);
      b.test.failCommit();
      await refuses(enter(b, made, link, made.code), 'full');
      expect(await enter(b, made, link, WRONG)).toEqual({ kind: 'wrong', left: 2 });
      expect(await enter(b, made, link, made.code)).toMatchObject({ kind: 'right' });
    });

    test('a code works on its own page, with its own link, within its time', async () => {
      const b = bench();
      const { parcel, link, sender } = await one(b);
      const made = await ask(b, parcel, link);
      const other = await ask(b, parcel, link);
      expect(await enter(b, other, link, made.code)).toEqual({ kind: 'wrong', left: 2 });
      expect(await enter(b, made, sender, made.code)).toEqual({ kind: 'over' });
      expect(await enter(b, made, { ...link, locator: verb() }, made.code)).toEqual({ kind: 'over' });
      expect(await enter(b, { ...made, id: randomBytes(16) }, link, made.code)).toEqual({ kind: 'over' });
      b.pass(15 * MINUTE);
      expect(await enter(b, made, link, made.code)).toEqual({ kind: 'over' });
    });

    test('a link gets so many codes in a time, and no mail beyond them', async () => {
      const b = bench();
      const { parcel, link, sender } = await one(b);
      expect((await ask(b, parcel, link, 2)).answer).toBe('made');
      b.pass(30 * MINUTE);
      expect((await ask(b, parcel, link, 2)).answer).toBe('made');
      const third = await ask(b, parcel, link, 2);
      expect([third.answer, await b.queue.message(third.mail.id)]).toEqual(['too many', null]);
      expect((await ask(b, parcel, sender, 2)).answer).toBe('made');
      await b.opened.parcels.sweep(b.now, KEEP);
      expect((await ask(b, parcel, link, 2)).answer).toBe('too many');
      b.pass(31 * MINUTE);
      expect((await ask(b, parcel, link, 2)).answer).toBe('made');
    });

    test('none for a link that is none, that is over, or that is of another parcel', async () => {
      const b = bench();
      const { parcel, link, sender } = await one(b);
      const other = await one(b);
      await refuses(ask(b, parcel, { ...link, locator: verb() }), 'not found');
      await refuses(ask(b, other.parcel, link), 'not found');
      await refuses(ask(b, { ...parcel, id: name() }, link), 'not found');
      b.pass(14 * DAY);
      await refuses(ask(b, parcel, link), 'wrong state', 'expired');
      expect((await ask(b, parcel, sender)).answer).toBe('made');
    });
  });

  describe('sessions', () => {
    function session(b: Bench, parcel: Parcel, kind: Grant['kind'] = 'link'): PortalSession {
      const { organization, conversation } = parcel;
      const times = { madeAt: b.now, seenAt: b.now, expiresAt: b.now + HOUR };
      return { hash: randomBytes(32), organization, conversation, kind, ...times, key: randomBytes(60) };
    }
    const plain = (found: PortalSession | null) =>
      found && { ...found, hash: Buffer.from(found.hash), key: Buffer.from(found.key) };

    test('the first of a link opens its parcel; that of the sender changes nothing', async () => {
      const b = bench();
      const { all, parcel } = await one(b);
      const sender = session(b, parcel, 'sender');
      await b.opened.parcels.openSession(verb(), sender, parcel.id);
      expect(await stateOf(b, parcel)).toBe('waiting');
      const opened = b.pass(MINUTE);
      const link = session(b, parcel);
      await b.opened.parcels.openSession(verb(), link, parcel.id);
      b.pass(MINUTE);
      await b.opened.parcels.openSession(verb(), session(b, parcel), parcel.id);
      expect(await b.opened.parcels.parcel(parcel.id)).toMatchObject({ state: 'opened', openedAt: opened });
      expect(names(await portalEvents(b, all))).toEqual(['opened']);
      await b.restart();
      expect(plain(await b.opened.parcels.session(link.hash))).toEqual(link);
      expect(plain(await b.opened.parcels.session(sender.hash))).toEqual(sender);
      expect(await b.opened.parcels.session(randomBytes(32))).toBeNull();
    });

    test('used, closed, over', async () => {
      const b = bench();
      const { parcel } = await one(b);
      const [first, second] = [session(b, parcel), session(b, parcel)];
      for (const made of [first, second]) await b.opened.parcels.openSession(verb(), made, parcel.id);
      const seenAt = b.pass(MINUTE);
      await b.opened.parcels.touch(first.hash, seenAt);
      await b.opened.parcels.touch(first.hash, seenAt - 1);
      expect(await b.opened.parcels.session(first.hash)).toMatchObject({ seenAt, expiresAt: first.expiresAt });
      await b.opened.parcels.closeSession(second.hash);
      await b.opened.parcels.closeSession(second.hash);
      expect(await b.opened.parcels.session(second.hash)).toBeNull();
      b.pass(HOUR - MINUTE);
      expect(await b.opened.parcels.session(first.hash)).toBeNull();
      await b.opened.parcels.sweep(b.now, KEEP);
      expect(await b.opened.parcels.session(first.hash)).toBeNull();
    });

    test('none of a parcel that is over, none in another conversation', async () => {
      const b = bench();
      const { parcel } = await one(b);
      const other = await one(b);
      await refuses(b.opened.parcels.openSession(verb(), session(b, parcel), other.parcel.id), 'not found');
      b.pass(14 * DAY);
      await b.opened.parcels.sweep(b.now, KEEP);
      await refuses(b.opened.parcels.openSession(verb(), session(b, parcel), parcel.id), 'wrong state');
      await b.opened.parcels.openSession(verb(), session(b, parcel, 'sender'), parcel.id);
      await b.opened.parcels.retract(verb(), parcel.id, BY);
      await refuses(b.opened.parcels.openSession(verb(), session(b, parcel, 'sender'), parcel.id), 'wrong state');
    });

    test('views and downloads are entries, a reply is mail and a state', async () => {
      const b = bench();
      const { all, parcel } = await one(b);
      await b.opened.parcels.openSession(verb(), session(b, parcel), parcel.id);
      await b.opened.parcels.seen(verb(), parcel.id, 'viewed', {});
      await b.opened.parcels.seen(verb(), parcel.id, 'downloaded', { part: 2, size: 90 });
      const reply = () =>
        ours(b, 'reply', { to: ['lee@clinic.test'], cause: { kind: 'reply to', key: `${parcel.id} 1` } });
      const mail = reply();
      const at = b.pass(MINUTE);
      b.test.failCommit();
      await refuses(b.opened.parcels.replied(verb(), parcel.id, mail), 'full');
      expect(await stateOf(b, parcel)).toBe('opened');
      await Promise.all([mail, reply()].map((one) => b.opened.parcels.replied(verb(), parcel.id, one)));
      expect(await b.opened.parcels.parcel(parcel.id)).toMatchObject({ state: 'replied', repliedAt: at });
      expect(await b.states(mail.id)).toBe('ready');
      const entries = await portalEvents(b, all);
      expect(names(entries)).toEqual(['opened', 'viewed', 'downloaded', 'replied']);
      expect(entries[2]!.detail).toEqual({ parcel: parcel.id, part: 2, size: 90 });
      expect(entries[3]!.detail).toEqual({ parcel: parcel.id, mail: mail.id });
      for (const entry of entries) expect(entry).toMatchObject({ message: all.id, delivery: parcel.delivery });
    });
  });

  describe('expiry and ends', () => {
    test('expired when its time comes, deleted when it was so long enough; the body is named until it is gone', async () => {
      const b = bench();
      const { all, parcel, link, sender } = await one(b);
      const { object } = parcel.body;
      b.pass(14 * DAY - 1);
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual([]);
      expect(await stateOf(b, parcel)).toBe('waiting');
      b.pass(1);
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual([]);
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual([]);
      expect(await b.opened.parcels.parcel(parcel.id)).toEqual({ ...parcel, state: 'expired' });
      expect(await b.opened.parcels.grant(link.locator)).not.toBeNull();
      b.pass(KEEP);
      const named = [{ parcel: parcel.id, body: { ...parcel.body, key: '' } }];
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual(named);
      await b.restart();
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual(named);
      expect(await stateOf(b, parcel)).toBe('deleted');
      for (const grant of [link, sender]) expect(await b.opened.parcels.grant(grant.locator)).toBeNull();
      expect(await b.queue.knownObjects([object])).toEqual(new Set([object]));
      await b.opened.parcels.forgotten(parcel.id);
      await b.opened.parcels.forgotten(parcel.id);
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual([]);
      expect(await b.queue.knownObjects([object])).toEqual(new Set());
      expect((await b.opened.parcels.parcel(parcel.id))!.body).toMatchObject({ object: '', key: '' });
      expect(names(await portalEvents(b, all))).toEqual(['expired', 'deleted']);
    });

    test('retracted: keys, codes and sessions go at once, links open nothing and end, and again is no error', async () => {
      const b = bench();
      const { all, parcel, link, sender } = await one(b);
      const { organization, conversation } = parcel;
      const times = { madeAt: b.now, seenAt: b.now, expiresAt: b.now + HOUR };
      const session = { hash: randomBytes(32), organization, conversation, ...times, key: randomBytes(60) };
      await b.opened.parcels.openSession(verb(), { ...session, kind: 'link' }, parcel.id);
      const mail = ours(b, 'code', { cause: { kind: 'code of', key: verb() } });
      const made = { id: randomBytes(16), locator: link.locator, organization, code: randomBytes(32) };
      const challenge = { ...made, expiresAt: b.now + HOUR, parcel: parcel.id };
      await b.opened.parcels.challenge(verb(), challenge, mail, [{ since: 0, most: 5 }]);
      b.test.failCommit();
      await refuses(b.opened.parcels.retract(verb(), parcel.id, BY), 'full');
      expect(await stateOf(b, parcel)).toBe('opened');
      await b.opened.parcels.retract(verb(), parcel.id, BY);
      expect(await b.opened.parcels.parcel(parcel.id)).toMatchObject({ state: 'retracted', body: { key: '' } });
      for (const grant of [link, sender]) {
        expect(await b.opened.parcels.grant(grant.locator)).toEqual({ ...grant, box: new Uint8Array() });
      }
      expect(await b.opened.parcels.session(session.hash)).toBeNull();
      expect(await b.opened.parcels.tryCode(verb(), { ...made, most: 3 })).toEqual({ kind: 'over' });
      const another = ours(b, 'code', { cause: { kind: 'code of', key: verb() } });
      const asked = b.opened.parcels.challenge(verb(), challenge, another, [{ since: b.now + 1, most: 5 }]);
      await refuses(asked, 'not found', 'no such grant');
      await b.opened.parcels.retract(verb(), parcel.id, BY);
      const entries = await portalEvents(b, all);
      expect(names(entries)).toEqual(['opened', 'code_sent', 'retracted']);
      expect(entries[2]).toMatchObject({ actor: 'ann', boxed: { because: 'a reason', actor: 'ann' } });
      expect(JSON.stringify(entries[2]!.detail)).not.toContain('reason');
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toMatchObject([{ parcel: parcel.id }]);
      await b.opened.parcels.forgotten(parcel.id);
      expect(await stateOf(b, parcel)).toBe('retracted');
      for (const work of [
        b.opened.parcels.extend(verb(), parcel.id, b.now + 90 * DAY, BY),
        b.opened.parcels.replied(verb(), parcel.id, ours(b, 'reply', { cause: { kind: 'reply to', key: verb() } })),
      ]) {
        await refuses(work, 'wrong state', 'retracted');
      }
      await refuses(b.opened.parcels.retract(verb(), name(), BY), 'not found');
      // Until then the link can tell what became of the message.
      await b.opened.parcels.sweep(link.expiresAt - 1, KEEP);
      expect(await b.opened.parcels.grant(link.locator)).not.toBeNull();
      await b.opened.parcels.sweep(Math.max(link.expiresAt, sender.expiresAt), KEEP);
      for (const grant of [link, sender]) expect(await b.opened.parcels.grant(grant.locator)).toBeNull();
    });

    test('another parcel of the conversation keeps its links', async () => {
      const b = bench();
      const first = await one(b);
      await b.decided({}, PORTAL);
      const transaction = (await b.take()).find(({ message }) => message.origin === 'relayed')!;
      const { conversation } = first.parcel;
      const second = await escrow(b, transaction, { conversation });
      const { parcel } = second.made[0]!;
      expect((await b.opened.parcels.ofConversation(conversation)).map(({ id }) => id)).toEqual([
        parcel.id,
        first.parcel.id,
      ]);
      await b.opened.parcels.retract(verb(), first.parcel.id, BY);
      for (const grant of [first.link, second.made[0]!.grants[0]!]) {
        expect((await b.opened.parcels.grant(grant.locator))?.box).toHaveLength(grant.box.length);
      }
      await b.opened.parcels.retract(verb(), parcel.id, BY);
      expect((await b.opened.parcels.grant(first.link.locator))?.box).toHaveLength(0);
    });

    test('extended: later, with its links, also when it was expired; what it was before it is again', async () => {
      const b = bench();
      const { all, parcel, link, sender } = await one(b);
      const until = parcel.expiresAt + 7 * DAY;
      await b.opened.parcels.extend(verb(), parcel.id, until, BY);
      await b.opened.parcels.extend(verb(), parcel.id, until, BY);
      expect(await b.opened.parcels.parcel(parcel.id)).toEqual({ ...parcel, expiresAt: until });
      expect((await b.opened.parcels.grant(link.locator))!.expiresAt).toBe(until);
      expect((await b.opened.parcels.grant(sender.locator))!.expiresAt).toBe(until + KEEP);
      await refuses(b.opened.parcels.extend(verb(), parcel.id, until - 1, BY), 'wrong state', 'later');
      await b.opened.parcels.replied(verb(), parcel.id, ours(b, 'reply', { cause: { kind: 'reply to', key: verb() } }));
      b.pass(21 * DAY);
      await b.opened.parcels.sweep(b.now, KEEP);
      const expired = await stateOf(b, parcel);
      const late = ours(b, 'reply', { cause: { kind: 'reply to', key: verb() } });
      await refuses(b.opened.parcels.replied(verb(), parcel.id, late), 'wrong state', 'expired');
      expect(await b.queue.message(late.id)).toBeNull();
      await refuses(b.opened.parcels.extend(verb(), parcel.id, until, BY), 'wrong state', 'past');
      await b.opened.parcels.extend(verb(), parcel.id, b.now + DAY, BY);
      expect([expired, await stateOf(b, parcel)]).toEqual(['expired', 'replied']);
      expect((await b.opened.parcels.grant(link.locator))!.expiresAt).toBe(b.now + DAY);
      expect((await b.opened.parcels.grant(sender.locator))!.expiresAt).toBe(b.now + DAY + KEEP);
      b.pass(DAY);
      await b.opened.parcels.sweep(b.now, KEEP);
      expect(names(await portalEvents(b, all))).toEqual(['extended', 'replied', 'expired', 'extended', 'expired']);
      const extended = (await portalEvents(b, all))[0]!;
      expect(extended).toMatchObject({ actor: 'ann', detail: { before: parcel.expiresAt, until } });
    });

    test('octets that several share are named when the last of them goes', async () => {
      const b = bench();
      const all = await escrowed(b, { to: ['kim@a.test', 'sam@a.test', 'pat@a.test'] });
      const [kim, sam, pat] = all.made.map(({ parcel }) => parcel);
      const { object } = kim!.body;
      await b.opened.parcels.retract(verb(), kim!.id, BY);
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual([]);
      expect(await b.queue.knownObjects([object])).toEqual(new Set([object]));
      await refuses(b.opened.parcels.forgotten(sam!.id), 'wrong state');
      await b.opened.parcels.retract(verb(), sam!.id, BY);
      await b.opened.parcels.retract(verb(), pat!.id, BY);
      const named = await b.opened.parcels.sweep(b.now, KEEP);
      expect(named.map(({ body }) => body.object)).toEqual([object]);
      await b.opened.parcels.forgotten(named[0]!.parcel);
      expect(await b.opened.parcels.sweep(b.now, KEEP)).toEqual([]);
      expect(await b.queue.knownObjects([object])).toEqual(new Set());
    });
  });

  test('listed newest first, in pages, by each condition', async () => {
    const b = bench();
    const made: Parcel[] = [];
    for (const [organization, to] of [
      ['clinic', 'kim@a.test'],
      ['practice', 'kim@a.test'],
      ['clinic', 'sam@a.test'],
      ['clinic', 'Kim@A.test'],
    ] as const) {
      made.push((await escrowed(b, { organization, to: [to] })).made[0]!.parcel);
    }
    await b.opened.parcels.retract(verb(), made[2]!.id, BY);
    const index = async (what: Partial<Parameters<typeof b.opened.parcels.list>[0]>) =>
      (await b.opened.parcels.list({ limit: 10, ...what })).map(({ id }) => made.findIndex((one) => one.id === id));
    expect(await index({})).toEqual([3, 2, 1, 0]);
    expect(await index({ limit: 2 })).toEqual([3, 2]);
    expect(await index({ limit: 2, before: made[2]!.id })).toEqual([1, 0]);
    expect(await index({ organization: 'practice' })).toEqual([1]);
    expect(await index({ recipient: 'KIM@a.test' })).toEqual([3, 1, 0]);
    expect(await index({ recipient: 'kim@a.test', organization: 'clinic', limit: 1 })).toEqual([3]);
    expect(await index({ recipient: 'kim@a.test', before: made[1]!.id })).toEqual([0]);
    expect(await index({ recipient: 'nobody@a.test' })).toEqual([]);
    expect(await index({ states: ['retracted', 'deleted'] })).toEqual([2]);
    expect(await index({ before: name() })).toEqual([]);
  });

  test('a grant that stands already is refused with all that came with it', async () => {
    const b = bench();
    const first = await one(b);
    await b.decided({}, PORTAL);
    const transaction = (await b.take()).find(({ message }) => message.origin === 'relayed')!;
    const [made] = parcelsOf(b, transaction);
    const grants = [{ ...grantOf(made!.parcel, 'link'), locator: first.link.locator }];
    await refuses(b.opened.parcels.escrow(verb(), transaction.lease, [{ ...made!, grants }], null), 'closed');
    expect(await b.opened.parcels.parcel(made!.parcel.id)).toBeNull();
    expect((await b.opened.parcels.grant(first.link.locator))!.conversation).toBe(first.parcel.conversation);
  });
}
