// The contract of the queue: accepting, examining, deciding, reading.

import type { Accepted } from '../../src/store/queue/port.ts';
import {
  A,
  B,
  type Bench,
  BOUNCE,
  decision,
  EXAMINATION,
  HOLD,
  letter,
  MINUTE,
  PORTAL,
  refuses,
  settlement,
  TLS,
  verb,
} from './store-bench.ts';

export function queueContract(bench: () => Bench): void {
  test('a message from acceptance to its end, and each step in the audit', async () => {
    const b = bench();
    const id = await b.decided();
    const [transaction] = await b.take();
    await b.settle(transaction!.lease, settlement(transaction!.deliveries[0]!.id, 'delivered'));
    expect(await b.events(id)).toEqual([
      'message.accepted',
      'message.examined',
      'delivery.decided',
      'delivery.attempted',
      'delivery.delivered',
      'message.finished',
    ]);
    const { message, deliveries } = (await b.queue.message(id))!;
    expect(message).toMatchObject({ id, stage: 'finished', reversePath: 'Lee@clinic.test', examination: EXAMINATION });
    expect(deliveries).toMatchObject([
      { state: 'delivered', status: '2.0.0', level: 'verify', attempts: 1, because: 'was delivered', inDoubt: false },
    ]);
  });

  test('all that was given comes back, before and after a restart', async () => {
    const b = bench();
    const message = letter(b.now, { to: ['"a b"@a.test', 'Kim@B.test'], notify: ['FAILURE', 'DELAY'] });
    await b.accepted(message);
    const before = await b.queue.message(message.id);
    const { deliveries, ...rest } = message;
    expect(before).toMatchObject({
      message: { ...rest, digest: expect.anything(), stage: 'accepted', examineAttempts: 0 },
      deliveries: deliveries.map((one, i) => ({ ...one, id: `${message.id}.${i}`, state: 'undecided', attempts: 0 })),
    });
    expect(Buffer.from(before!.message.digest)).toEqual(message.digest);
    await b.restart();
    expect(await b.queue.message(message.id)).toEqual(before);
    expect(await b.queue.message(letter(b.now).id)).toBeNull();
  });

  test('the same verb gives the same answer and is done once', async () => {
    const b = bench();
    const message = letter(b.now);
    const id = message.id;
    const until = b.now + MINUTE;
    const twice = async <T>(work: () => Promise<T>): Promise<T> => {
      const first = await work();
      expect(await work()).toEqual(first);
      return first;
    };
    const verbs = Array.from({ length: 6 }, verb);
    const accepted = await twice(() => b.queue.accept(verbs[0]!, message, message.cause, { owner: A, until }));
    expect(accepted).toMatchObject({ id, repeated: false });
    await twice(() => b.queue.examined(verbs[1]!, id, accepted.lease!.lease, EXAMINATION, b.now));
    const [again] = await b.queue.toExamine(A, 5, until);
    await twice(() => b.queue.examineFailed(verbs[2]!, id, again!.lease, 'a worker', b.now));
    const [third] = await b.queue.toExamine(A, 5, until);
    const decisions = [{ delivery: again!.deliveries[0]!.id, decision: decision() }];
    const take = { owner: A, until, limit: 5 };
    const [taken] = await twice(() => b.queue.decided(verbs[3]!, id, third!.lease, EXAMINATION, decisions, take));
    const settled = settlement(taken!.deliveries[0]!.id, 'delivered');
    await twice(() => b.queue.settle(verbs[4]!, taken!.lease, [settled]));
    await twice(() => b.queue.bodiless(verbs[5]!, id));
    expect(await b.events(id)).toEqual([
      'message.accepted',
      'message.examined',
      'message.examine_failed',
      'message.examined',
      'delivery.decided',
      'delivery.attempted',
      'delivery.delivered',
      'message.finished',
      'message.swept',
    ]);
    const { deliveries } = (await b.queue.message(id))!;
    expect(deliveries).toMatchObject([{ state: 'delivered', attempts: 1, inDoubt: false }]);
  });

  test('many verbs at once, each its own answer', async () => {
    const b = bench();
    const letters = Array.from({ length: 120 }, (_, i) => letter(b.now, { to: [`p${i}@d${i % 7}.test`] }));
    const answers = await Promise.all(letters.map((one) => b.accepted(one)));
    expect(answers.map(({ id }) => id)).toEqual(letters.map(({ id }) => id));
    expect((await b.queue.counts()).states.undecided).toBe(120);
    const { message, deliveries } = (await b.queue.message(letters[77]!.id))!;
    expect([message.id, deliveries[0]!.recipient]).toEqual([letters[77]!.id, 'p77@d0.test']);
  });

  test('a cause is consumed once, also at the same time and after a restart', async () => {
    const b = bench();
    const cause = { kind: 'smtp', key: 'one submission' } as const;
    const letters = [1, 2, 3].map(() => letter(b.now, { cause }));
    const answers = await Promise.all(letters.map((one) => b.accepted(one)));
    const first = answers.find(({ repeated }) => !repeated) as Accepted;
    expect(answers.map(({ id }) => id)).toEqual([first.id, first.id, first.id]);
    expect(answers.filter(({ repeated }) => repeated)).toHaveLength(2);
    await b.restart();
    expect(await b.accepted(letter(b.now, { cause }))).toEqual({ id: first.id, repeated: true });
    expect((await b.queue.counts()).states.undecided).toBe(1);
    expect(await b.events(first.id)).toEqual(['message.accepted']);
  });

  test('a failed commit leaves neither row nor entry, and the verb can be made again', async () => {
    const b = bench();
    await b.accept();
    const before = await b.audit.read(null, 1000);
    const message = letter(b.now);
    const id = verb();
    b.test.failCommit();
    await refuses(b.queue.accept(id, message, message.cause), 'full', 'the disk is full');
    expect(await b.queue.message(message.id)).toBeNull();
    expect(await b.audit.read(null, 1000)).toEqual(before);
    expect((await b.queue.counts()).states.undecided).toBe(1);
    expect(await b.queue.accept(id, message, message.cause)).toMatchObject({ id: message.id, repeated: false });
    expect(await b.events(message.id)).toEqual(['message.accepted']);
  });

  test('a failed commit of a settlement leaves the lease, and nothing of the attempt', async () => {
    const b = bench();
    const id = await b.decided();
    const [{ lease, deliveries }] = (await b.take()) as [Awaited<ReturnType<Bench['take']>>[number]];
    const events = await b.events(id);
    b.test.failCommit();
    await refuses(b.settle(lease, settlement(deliveries[0]!.id, 'delivered')), 'full');
    expect(await b.states(id)).toBe('leased');
    expect(await b.events(id)).toEqual(events);
    await b.settle(lease, settlement(deliveries[0]!.id, 'delivered'));
    expect(await b.states(id)).toBe('delivered');
  });

  test('a verb that is refused undoes only itself, whatever commits with it', async () => {
    const b = bench();
    const hands = [await b.inHand(), await b.inHand(), await b.inHand()];
    const stale = { ...hands[1]!, lease: { ...hands[1]!.lease, no: 999 } };
    const half = { ...hands[2]!, deliveries: [] };
    const all = await Promise.allSettled([b.decide(hands[0]!), b.decide(stale), b.decide(half), b.accept()]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(await b.states(hands[0]!.message.id)).toBe('ready');
    for (const { message } of hands.slice(1)) {
      expect(await b.states(message.id)).toBe('undecided');
      expect(await b.events(message.id)).toEqual(['message.accepted']);
    }
    const { states } = await b.queue.counts();
    expect(states).toMatchObject({ undecided: 3, ready: 1, leased: 0 });
  });

  describe('examining', () => {
    test('what was accepted is leased once, due again when the lease ran out, attempts counted', async () => {
      const b = bench();
      const id = await b.accept();
      const [first, ...none] = await b.queue.toExamine(A, 10, b.now + MINUTE);
      expect(none).toEqual([]);
      expect(first).toMatchObject({ lease: { owner: A }, message: { id, examineAttempts: 1 } });
      expect(await b.queue.toExamine(B, 10, b.now + MINUTE)).toEqual([]);
      expect((await b.queue.nextDue()).examine).toBe(b.now + MINUTE);
      b.pass(MINUTE);
      const [second] = await b.queue.toExamine(B, 10, b.now + MINUTE);
      expect(second).toMatchObject({ lease: { owner: B }, message: { id, examineAttempts: 2 } });
      expect(second!.lease.no).toBeGreaterThan(first!.lease.no);
      await refuses(b.decide(first!), 'outdated lease', id);
      await refuses(b.queue.examined(verb(), id, first!.lease, EXAMINATION, 0), 'outdated lease');
      await refuses(b.queue.examineFailed(verb(), id, first!.lease, 'late', 0), 'outdated lease');
      expect(await b.stage(id)).toBe('accepted');
      await b.decide(second!);
      expect(await b.states(id)).toBe('ready');
    });

    test('what an examiner was lost on is taken one by one', async () => {
      const b = bench();
      for (let i = 0; i < 4; i++) await b.accept();
      expect(await b.queue.toExamine(A, 10, b.now + MINUTE)).toHaveLength(4);
      b.pass(MINUTE);
      await b.accept();
      const taken = await b.queue.toExamine(A, 10, b.now + MINUTE);
      expect(taken.map(({ message }) => message.examineAttempts).sort()).toEqual([1, 2]);
      expect(await b.queue.toExamine(A, 10, b.now + MINUTE)).toEqual([]);
      await b.decide(taken.find(({ message }) => message.examineAttempts === 2)!);
      expect(await b.queue.toExamine(A, 10, b.now + MINUTE)).toHaveLength(1);
    });

    test('findings are kept while a fact is unknown, and the message is due when told', async () => {
      const b = bench();
      const { lease, message } = await b.inHand();
      await b.queue.examined(verb(), message.id, lease, EXAMINATION, b.now + 5000);
      expect(await b.stage(message.id)).toBe('examined');
      expect(await b.queue.toExamine(A, 1, b.now + MINUTE)).toEqual([]);
      b.pass(5000);
      const [again] = await b.queue.toExamine(A, 1, b.now + MINUTE);
      expect(again!.message.examination).toEqual(EXAMINATION);
    });

    test('a corrupt message is held and told of, once', async () => {
      const b = bench();
      const { message } = await b.inHand({ to: ['a@a.test', 'b@b.test'] });
      expect(await b.queue.corrupt(verb(), message.id, 'missing')).toBe('corrupt');
      expect(await b.queue.corrupt(verb(), message.id, 'missing')).toBe('corrupt');
      expect([await b.stage(message.id), await b.states(message.id)]).toEqual(['corrupt', 'held held']);
      expect(await b.events(message.id)).toEqual([
        'message.accepted',
        'message.corrupt',
        'delivery.held',
        'delivery.held',
      ]);
      expect((await b.queue.nextDue()).examine).toBeNull();
    });

    test('after a restart an unacknowledged message without body is dropped, an acknowledged one is corrupt', async () => {
      const b = bench();
      const first = await b.accept();
      b.queue.acknowledged(first);
      const second = await b.accept();
      await b.restart();
      expect(await b.queue.corrupt(verb(), first, 'missing')).toBe('corrupt');
      expect(await b.queue.corrupt(verb(), second, 'missing')).toBe('abandoned');
      expect([await b.states(first), await b.states(second)]).toEqual(['held', 'dropped']);
      expect(await b.stage(second)).toBe('finished');
      expect((await b.events(second)).slice(1)).toEqual(['message.abandoned', 'delivery.dropped', 'message.finished']);
    });

    test('… and after a second restart too, when it was not looked at in between', async () => {
      const b = bench();
      const lost = await b.accept();
      await b.restart();
      for (let i = 0; i < 3; i++) b.queue.acknowledged(await b.accept());
      await b.restart();
      expect(await b.queue.corrupt(verb(), lost, 'missing')).toBe('abandoned');
      for (let i = 0; i < 2; i++) b.queue.acknowledged(await b.accept());
      await b.restart();
    });

    test('an abandoned message is dropped and nobody is told', async () => {
      const b = bench();
      const { message } = await b.inHand();
      await b.queue.abandon(verb(), message.id, 'the disk');
      expect([await b.stage(message.id), await b.states(message.id)]).toEqual(['finished', 'dropped']);
      expect(await b.queue.nextDue()).toEqual({ examine: null, deliver: null, notify: null });
    });
  });

  describe('deciding', () => {
    test('deliver, hold and bounce, each recipient its own', async () => {
      const b = bench();
      const to = ['a@a.test', 'b@b.test', 'c@c.test'];
      const id = await b.decided({ to }, TLS, HOLD, BOUNCE);
      expect(await b.states(id)).toBe('ready held bounced');
      const { deliveries } = (await b.queue.message(id))!;
      expect(deliveries.map((one) => one.decision?.action)).toEqual([TLS, HOLD, BOUNCE]);
      expect(await b.stage(id)).toBe('decided');
    });

    test('all or none', async () => {
      const b = bench();
      const hand = await b.inHand({ to: ['a@a.test', 'b@b.test'] });
      const one = { ...hand, deliveries: hand.deliveries.slice(0, 1) };
      await refuses(b.decide(one), 'wrong state');
      expect(await b.states(hand.message.id)).toBe('undecided undecided');
      await refuses(b.queue.corrupt(verb(), letter(b.now).id, 'x'), 'not found');
    });

    test('what can go at once comes back leased, grouped as in lease, at most the limit', async () => {
      const b = bench();
      const hand = await b.inHand({ to: ['a@a.test', 'b@a.test', 'c@c.test', 'd@d.test', 'e@a.test'] });
      const actions = [TLS, TLS, TLS, HOLD, PORTAL];
      const decisions = hand.deliveries.map(({ id }, i) => ({ delivery: id, decision: decision(actions[i]) }));
      const take = { owner: A, until: b.now + MINUTE, limit: 2 };
      const taken = await b.queue.decided(verb(), hand.message.id, hand.lease, EXAMINATION, decisions, take);
      expect(taken.map(({ deliveries }) => deliveries.map(({ recipient }) => recipient))).toEqual([
        ['a@a.test', 'b@a.test'],
        ['c@c.test'],
      ]);
      expect(await b.states(hand.message.id)).toBe('leased leased leased held ready');
      const { deliveries } = (await b.queue.message(hand.message.id))!;
      expect(taken.flatMap((one) => one.deliveries)).toEqual(deliveries.slice(0, 3));
      const [rest] = await b.take();
      expect(rest!.deliveries.map(({ recipient }) => recipient)).toEqual(['e@a.test']);
    });

    test('what waits in the lane is not overtaken', async () => {
      const b = bench();
      await b.decided();
      const hand = await b.inHand();
      const decisions = [{ delivery: hand.deliveries[0]!.id, decision: decision() }];
      const take = { owner: A, until: b.now + MINUTE, limit: 5 };
      expect(await b.queue.decided(verb(), hand.message.id, hand.lease, EXAMINATION, decisions, take)).toEqual([]);
      expect(await b.take()).toHaveLength(2);
    });

    test('mail of ours is decided when it is accepted', async () => {
      const b = bench();
      const id = await b.accept({ origin: 'dsn', from: '', decision: decision() });
      expect([await b.stage(id), await b.states(id)]).toEqual(['decided', 'ready']);
      expect(await b.events(id)).toEqual(['message.accepted', 'delivery.decided']);
      expect(await b.queue.toExamine(A, 5, b.now + MINUTE)).toEqual([]);
      expect(await b.take()).toHaveLength(1);
    });
  });

  describe('reading', () => {
    test('pages without a cap, newest first, nothing twice and nothing missing', async () => {
      const b = bench();
      const ids: string[] = [];
      const order: string[] = [];
      for (let i = 0; i < 40; i++) {
        if (i % 8 === 0) b.pass(1);
        const id = await b.decided({ to: ['a@a.test', 'b@b.test', 'c@c.test'] }, TLS, HOLD, i % 2 ? TLS : BOUNCE);
        for (const n of [0, 1, 2]) ids.unshift(`${id}.${n}`);
        order.unshift(...[2, 1, 0].map((n) => `${id}.${n}`));
      }
      const pages = async (what: object, limit: number) => {
        const found: string[] = [];
        for (;;) {
          const page = await b.queue.list({
            ...what,
            limit,
            ...(found.length > 0 && { before: found.at(-1) as never }),
          });
          found.push(...page.map(({ id }) => id));
          if (page.length < limit) return found;
          expect(found.length).toBeLessThanOrEqual(ids.length);
        }
      };
      const bounced = new Set<string>();
      for (const one of await b.queue.list({ states: ['bounced'], limit: 1000 })) bounced.add(one.id);
      expect(bounced.size).toBe(20);
      expect(await pages({}, 7)).toEqual(order.filter((id) => !bounced.has(id)));
      expect(await pages({ stage: 'decided' }, 11)).toEqual(order);
      expect(await pages({ states: ['held'] }, 9)).toEqual(order.filter((id) => id.endsWith('.1')));
      expect(await pages({ states: ['bounced', 'held'] }, 1)).toEqual(
        order.filter((id) => bounced.has(id) || id.endsWith('.1')),
      );
      expect(await pages({ domain: 'A.test' }, 4)).toHaveLength(40);
      expect(await pages({ messages: [order[0]!.slice(0, -2), order[5]!.slice(0, -2)] }, 2)).toEqual(order.slice(0, 6));
      expect(await pages({ deliveries: order.slice(2, 5) }, 2)).toEqual(order.slice(2, 5));
    });

    test('by sender, recipient, organization and age; addresses compared without case', async () => {
      const b = bench();
      const one = await b.accept({ from: 'Lee@Clinic.test', to: ['Kim@A.test'] });
      const other = await b.accept({ organization: 'practice', from: 'lee@clinic.test', to: ['sam@a.test'] });
      b.pass(MINUTE);
      const late = await b.accept({ from: 'ann@clinic.test', to: ['kim@a.test'] });
      const found = async (what: object) => (await b.queue.list({ ...what, limit: 50 })).map(({ message }) => message);
      expect(await found({ sender: 'LEE@clinic.test' })).toEqual([other, one]);
      expect(await found({ sender: 'lee@clinic.test', organization: 'clinic' })).toEqual([one]);
      expect(await found({ recipient: 'kim@a.TEST' })).toEqual([late, one]);
      expect(await found({ recipient: 'kim@a.test', sender: 'ann@clinic.test' })).toEqual([late]);
      expect(await found({ olderThan: b.now })).toEqual([other, one]);
      expect(await found({ recipient: 'nobody@a.test' })).toEqual([]);
      expect(await found({ organization: 'nobody' })).toEqual([]);
    });

    test('counts follow every change, before and after a restart', async () => {
      const b = bench();
      await b.accept();
      await b.decided({ to: ['a@a.test', 'b@b.test', 'c@c.test'] }, TLS, HOLD, BOUNCE);
      const id = await b.decided();
      const taken = await b.take(1);
      const counts = await b.queue.counts();
      expect(counts.stages).toEqual({ accepted: 1, examined: 0, decided: 2, finished: 0, bodiless: 0, corrupt: 0 });
      expect(counts.states).toEqual({
        ...{
          undecided: 1,
          ready: 1,
          leased: 1,
          noticing: 0,
          held: 1,
          delivered: 0,
          noticed: 0,
          bounced: 1,
          dropped: 0,
        },
      });
      expect(counts.lanes).toMatchObject([{ organization: 'clinic', destination: 'a.test', waiting: 1 }]);
      await b.restart();
      expect(await b.queue.counts()).toEqual(counts);
      await b.settle(taken[0]!.lease, settlement(taken[0]!.deliveries[0]!.id, 'delivered'));
      expect((await b.queue.counts()).states).toMatchObject({ leased: 0, delivered: 1 });
      expect((await b.queue.lastDecided(1)).map(({ message }) => message.id)).toEqual([id]);
    });

    test('which objects a message owns', async () => {
      const b = bench();
      const letters = Array.from({ length: 6 }, () => letter(b.now));
      for (const one of letters) await b.accepted(one);
      const objects = letters.map(({ body }) => body.object);
      expect(await b.queue.knownObjects([...objects, verb()])).toEqual(new Set(objects));
      expect(await b.queue.knownObjects([objects[2]!, verb()])).toEqual(new Set([objects[2]]));
    });
  });
}
