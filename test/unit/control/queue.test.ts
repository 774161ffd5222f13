// The queue's verbs as people ask for them, on a real store.

import { parseProtection } from '../../../src/control/protection.ts';
import type { ChangedView } from '../../../src/control/queue.ts';
import { iso, type MessageView } from '../../../src/control/views.ts';
import type { QueueId } from '../../../src/domain/ids.ts';
import { CLINIC, DELIVER, type Desk, openDesk, PRACTICE } from './desk.ts';

let desk: Desk;
/** One store for the tests of a group: each sends messages of its own. */
function withDesk(): void {
  beforeAll(async () => {
    desk = await openDesk();
    await desk.operators();
  });
  afterAll(() => desk.close());
}

const change = async (verb: string, args: object) => (await desk.ask(`queue.${verb}`, args)).data as ChangedView;
const HELD = { action: { kind: 'hold' } } as const;

describe('changes', () => {
  withDesk();

  test.each([
    ['hold', DELIVER, 'held'],
    ['retry', DELIVER, 'ready'],
    ['bounce', DELIVER, 'bounced'],
    ['drop', DELIVER, 'dropped'],
    ['bounce', HELD.action, 'bounced'],
  ])('%s: a dry run changes nothing, the real one is audited with its actor', async (verb, action, state) => {
    const id = await desk.send({ to: ['ann@a.test', 'bob@b.test'], action });
    const before = await desk.states(id);
    const woken = desk.woken();
    const entries = (await desk.store.audit.trace(id)).length;
    const dry = await change(verb, { ids: [id], reason: 'why', dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, changed: 2, refused: 0 });
    expect(await desk.states(id)).toEqual(before);
    expect(await desk.store.audit.trace(id)).toHaveLength(entries);
    expect(desk.woken()).toBe(woken);
    expect(await change(verb, { ids: [id], reason: 'the words of ann' })).toMatchObject({ changed: 2, refused: 0 });
    expect(await desk.states(id)).toEqual([state, state]);
    expect(desk.woken()).toBe(woken + 1);
    const after = (await desk.store.audit.trace(id)).slice(entries).filter(({ delivery }) => delivery !== null);
    expect(after.length).toBeGreaterThanOrEqual(2);
    expect(new Set(after.map(({ actor }) => actor))).toEqual(new Set(['ann']));
    expect(JSON.stringify(after.map(({ boxed }) => boxed))).toContain('the words of ann');
    expect(JSON.stringify(after.map(({ detail }) => detail))).not.toContain('the words of ann');
  });

  test.each(['bounce', 'drop'])('%s needs a reason, white space is none', async (verb) => {
    const id = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    for (const reason of [undefined, '', '  ']) {
      await expect(change(verb, { ids: [id], reason })).rejects.toMatchObject({ code: 'usage' });
    }
    expect(await desk.states(id)).toEqual(['ready']);
  });

  test('what has ended, or is not in a state for it, is refused with why', async () => {
    const id = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    await change('drop', { ids: [id], reason: 'test' });
    const done = await change('retry', { ids: [id] });
    expect(done).toMatchObject({ changed: 0, refused: 1 });
    expect(done.refusals).toEqual([{ delivery: `${id}.0`, why: 'it ended: dropped' }]);
  });

  test('one recipient by delivery id; the other stays', async () => {
    const id = await desk.send({ to: ['ann@a.test', 'bob@b.test'], action: DELIVER });
    await change('hold', { ids: [`${id}.1`], reason: 'x' });
    expect(await desk.states(id)).toEqual(['ready', 'held']);
  });
});

describe('conditions', () => {
  withDesk();

  test('must all hold; nothing named is not everything', async () => {
    const one = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    const other = await desk.send({ to: ['ann@b.test'], action: DELIVER, from: 'kim@clinic.test' });
    const third = await desk.send({ organization: PRACTICE, to: ['bob@a.test'], action: DELIVER });
    await expect(change('hold', { reason: 'x' })).rejects.toMatchObject({ code: 'usage' });
    expect(await change('hold', { domain: 'A.test', organization: CLINIC, reason: 'x' })).toMatchObject({ changed: 1 });
    expect([await desk.states(one), await desk.states(other), await desk.states(third)].flat()).toEqual([
      'held',
      'ready',
      'ready',
    ]);
    expect(await change('hold', { sender: 'KIM@clinic.test', reason: 'x' })).toMatchObject({ changed: 1 });
    expect(await change('hold', { olderThan: 60_000, reason: 'x' })).toMatchObject({ changed: 0 });
    expect(await change('hold', { all: true, reason: 'x' })).toMatchObject({ changed: 1 });
  });
});

describe('release', () => {
  withDesk();

  test('goes on under its own decision', async () => {
    const id = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    await change('hold', { ids: [id], reason: 'x' });
    expect(await change('release', { ids: [id] })).toMatchObject({ changed: 1 });
    const { deliveries } = (await desk.store.queue.message(id))!;
    expect(deliveries[0]).toMatchObject({ state: 'ready', decision: { action: DELIVER }, stepAttempts: 0 });
  });

  test('of what policy held wants a protection, and a reason for it', async () => {
    const id = await desk.send({ to: ['ann@a.test'], ...HELD });
    expect(await change('release', { ids: [id], reason: 'x' })).toMatchObject({ changed: 0, refused: 1 });
    await expect(change('release', { ids: [id], deliver: 'tls' })).rejects.toMatchObject({ code: 'usage' });
    expect(await desk.states(id)).toEqual(['held']);
    expect(await change('release', { ids: [id], deliver: 'tls: dane', reason: 'asked' })).toMatchObject({ changed: 1 });
    expect((await desk.store.queue.message(id))!.deliveries[0]!.decision!.action).toEqual({
      kind: 'deliver',
      protections: [{ name: 'tls', level: 'dane' }],
    });
  });

  test.each(['tls: may', 'tls: encrypt'])('never below a floor: %s', async (deliver) => {
    const id = await desk.send({ to: ['ann@strict.test', 'bob@a.test'], ...HELD });
    const done = await change('release', { ids: [id], deliver, reason: 'I want it so' });
    expect(done).toMatchObject({ changed: 1, refused: 1 });
    expect(done.refusals[0]).toEqual({ delivery: `${id}.0`, why: expect.stringContaining('below the floor') });
    expect(await desk.states(id)).toEqual(['held', 'ready']);
  });

  test.each(['', 'clear', 'tls: strong', 'tls: may: x', 'none'])('%j is not a protection', (text) => {
    expect(() => parseProtection(text)).toThrow('not a protection');
  });
  test('a bare word means its usual level', () => {
    expect(parseProtection('tls')).toEqual({ name: 'tls', level: 'verify' });
    expect(parseProtection('portal')).toEqual({ name: 'portal', level: 'encrypt' });
    expect(parseProtection('tls:may')).toEqual({ name: 'tls', level: 'may' });
  });
});

describe('looking', () => {
  withDesk();

  test('lists what has not ended, newest first, page after page, without a cap', async () => {
    const to = Array.from({ length: 150 }, (_, i) => `p${i}@a.test`);
    const old = await desk.send({ to, action: DELIVER, age: 60_000 });
    const young = await desk.send({ to, action: DELIVER });
    const ended = await desk.send({ to: ['ann@a.test'], action: { kind: 'bounce' } });
    const { data, rows } = await desk.ask('queue.list');
    expect(data).toEqual({ rows: 300 });
    expect(new Set(rows.map((row) => row.delivery)).size).toBe(300);
    expect(rows[0]!.queueId).toBe(young);
    expect(rows.at(-1)!.queueId).toBe(old);
    expect(rows.some((row) => row.queueId === ended)).toBe(false);
    expect((await desk.ask('queue.list', { limit: 201 })).rows).toHaveLength(201);
    expect((await desk.ask('queue.list', { states: ['bounced'] })).rows).toHaveLength(1);
  });

  test('a message is shown without subject or body', async () => {
    const id = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    const { data } = await desk.ask('queue.show', { id: `${id}.0` });
    expect(data).toMatchObject({ queueId: id, sender: ['lee@clinic.test'], coverage: 'full' });
    expect(JSON.stringify(data)).not.toContain('canary subject');
  });

  test('it expires later by as long as clocks stood still, and as it was when it has ended', async () => {
    const expires = async (id: string) =>
      ((await desk.ask('queue.show', { id })).data as MessageView).deliveries[0]!.expires;
    const stored = async (id: QueueId) => (await desk.store.queue.message(id))!.deliveries[0]!.expiresAt;
    const waits = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    const later = iso((await stored(waits)) + 3_600_000);
    expect(await expires(waits)).toBe(later);
    expect((await desk.ask('queue.list', { ids: [waits] })).rows[0]!.expires).toBe(later);
    const ended = await desk.send({ to: ['ann@a.test'], action: { kind: 'bounce' } });
    expect(await expires(ended)).toBe(iso(await stored(ended)));
  });

  test('every look is in the audit, with who looked', async () => {
    const id = await desk.send({ to: ['ann@a.test'], action: DELIVER });
    await desk.ask('queue.show', { id }, { token: desk.tokens.auditor, door: 'read' });
    const entries = await desk.store.audit.trace(id);
    expect(entries.at(-1)).toMatchObject({ event: 'message.viewed', actor: 'bob' });
  });

  test('what is not there is said', async () => {
    await expect(desk.ask('queue.show', { id: 'x'.repeat(24) })).rejects.toMatchObject({ code: 'not found' });
    await expect(desk.ask('queue.show', { id: 'x' })).rejects.toMatchObject({ code: 'usage' });
    await expect(desk.ask('queue.list', { ids: ['x'] })).rejects.toMatchObject({ code: 'usage' });
  });
});
