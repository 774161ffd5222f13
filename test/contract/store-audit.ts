// The contract of the audit, read.

import type { DeliveryId, QueueId } from '../../src/domain/ids.ts';
import type { LogQuery } from '../../src/store/audit/port.ts';
import { type Bench, BOUNCE, DAY, HOLD, letter, MINUTE, PORTAL, settlement, TLS } from './store-bench.ts';

export function auditContract(bench: () => Bench): void {
  test('entries read back in pages without a cap, each once, in order of the chain', async () => {
    const b = bench();
    for (let i = 0; i < 15; i++) await b.decided();
    const whole = await b.audit.read(null, 1000);
    expect(whole.map(({ seq }) => seq)).toEqual(whole.map((_, i) => i + 1));
    const paged: (typeof whole)[number][] = [];
    for (;;) {
      const last = paged.at(-1);
      const page = await b.audit.read(last ? { epoch: last.epoch, seq: last.seq } : null, 7);
      paged.push(...page);
      if (page.length < 7) break;
    }
    expect(paged).toEqual(whole);
  });

  test('an entry of its own, its boxed detail opened; nothing of a person is clear', async () => {
    const b = bench();
    const boxed = { query: 'kim@a.test' };
    await b.audit.append([
      { organization: 'clinic', actor: 'ann', event: 'log.searched', detail: { found: 3 }, boxed },
      { organization: '-', actor: 'gateway', event: 'gateway.started' },
    ]);
    const [searched, started] = (await b.audit.read(null, 1000)).slice(-2);
    expect(searched).toMatchObject({ actor: 'ann', event: 'log.searched', detail: { found: 3 }, boxed, message: null });
    expect(started).toMatchObject({ organization: '-', event: 'gateway.started', detail: {} });
    const id = await b.decided({ from: 'lee@clinic.test', to: ['kim@a.test'] });
    const [taken] = await b.take();
    await b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'bounced'));
    const trace = await b.audit.trace(id);
    expect(JSON.stringify(trace[0]!.boxed)).toContain('kim@a.test');
    expect(JSON.stringify(trace.at(-1)!.boxed)).toContain('no kim here');
    for (const { detail } of trace) expect(JSON.stringify(detail)).not.toMatch(/kim|lee|subject/);
  });

  test('verify counts every entry, names the head, tells of progress, and stands after a restart', async () => {
    const b = bench();
    for (let i = 0; i < 5; i++) await b.decided();
    const last = (await b.audit.read(null, 1000)).at(-1)!;
    const progress: number[][] = [];
    const verified = await b.audit.verify((...now) => progress.push(now));
    const head = { node: last.node, epoch: last.epoch, seq: last.seq, hash: last.hash };
    expect(verified).toEqual({ entries: last.seq, intact: true, head, signed: null, lost: { count: 0 } });
    expect(progress.at(-1)).toEqual([last.seq, last.seq]);
    await b.restart();
    expect(await b.audit.verify()).toEqual(verified);
    await b.accept();
    expect((await b.audit.verify()).entries).toBeGreaterThan(last.seq);
  });

  test('verify beside a line that is busy', async () => {
    const b = bench();
    const busy = Promise.all(Array.from({ length: 60 }, () => b.decided()));
    for (let i = 0; i < 5; i++) expect(await b.audit.verify()).toMatchObject({ intact: true });
    await busy;
  });

  describe('search', () => {
    /** Deliveries of four messages on three days, named by letters. */
    async function fill(b: Bench): Promise<Record<string, DeliveryId>> {
      const named: Record<string, DeliveryId> = {};
      const name = (names: string, id: QueueId) => {
        [...names].forEach((one, i) => {
          named[one] = `${id}.${i}` as DeliveryId;
        });
      };
      name('ab', await b.decided({ from: 'lee@clinic.test', to: ['kim@a.test', 'sam@b.test'] }, TLS, PORTAL));
      const [sent] = (await b.take()).filter(({ deliveries }) => deliveries[0]!.destination === 'a.test');
      await b.settle(sent!.lease, settlement(sent!.deliveries[0]!.id, 'delivered'));
      b.pass(DAY);
      name('c', await b.decided({ organization: 'practice', from: 'lee@clinic.test', to: ['kim@a.test'] }, BOUNCE));
      b.pass(DAY);
      name('d', await b.decided({ from: 'ann@clinic.test', to: ['Kim@A.test'] }, HOLD));
      name('ef', await b.decided({ from: 'ann@clinic.test', to: ['kim@a.test', 'kim@a.test'] }, TLS));
      return named;
    }

    test('by each condition, and by several together, newest first', async () => {
      const b = bench();
      const start = b.now;
      const named = await fill(b);
      const letterOf = (delivery: DeliveryId) => Object.entries(named).find(([, id]) => id === delivery)![0];
      const find = async (query: Omit<LogQuery, 'limit'>) =>
        (await b.audit.search({ ...query, limit: 50 })).map(({ delivery }) => letterOf(delivery)).join('');
      expect(await find({})).toBe('fedcba');
      expect(await find({ sender: 'LEE@clinic.test' })).toBe('cba');
      expect(await find({ recipient: 'kim@a.test' })).toBe('fedca');
      expect(await find({ recipient: 'kim@a.test', sender: 'ann@clinic.test' })).toBe('fed');
      expect(await find({ recipient: 'kim@a.test', organization: 'practice' })).toBe('c');
      expect(await find({ recipient: 'kim@a.test', since: start + DAY, until: start + 2 * DAY })).toBe('c');
      expect(await find({ since: start + DAY })).toBe('fedc');
      expect(await find({ until: start + DAY })).toBe('ba');
      expect(await find({ domain: 'B.test' })).toBe('b');
      expect(await find({ states: ['held', 'bounced'] })).toBe('dc');
      expect(await find({ message: named.e!.slice(0, -2) as QueueId })).toBe('fe');
      expect(await find({ protection: 'portal' })).toBe('b');
      expect(await find({ protection: 'tls' })).toBe('fea');
      expect(await find({ protection: 'none' })).toBe('');
      expect(await find({ rule: 'all', sender: 'lee@clinic.test', domain: 'a.test' })).toBe('ca');
      expect(await find({ recipient: 'nobody@a.test' })).toBe('');
      expect(await find({ message: letter(b.now).id })).toBe('');
    });

    test.each<[string, Omit<LogQuery, 'limit'>]>([
      ['all', {}],
      ['by recipient', { recipient: 'kim@a.test' }],
      ['by sender', { sender: 'ann@clinic.test' }],
      ['by state', { states: ['ready', 'leased', 'held'] }],
    ])('in pages of any size, nothing twice and nothing missing: %s', async (_, query) => {
      const b = bench();
      await fill(b);
      const whole = await b.audit.search({ ...query, limit: 1000 });
      expect(whole.length).toBeGreaterThan(2);
      for (const limit of [1, 2, 4]) {
        const paged: (typeof whole)[number][] = [];
        for (;;) {
          const before = paged.at(-1)?.delivery;
          const page = await b.audit.search({ ...query, limit, ...(before && { before }) });
          paged.push(...page);
          if (page.length < limit) break;
          expect(paged.length).toBeLessThanOrEqual(whole.length);
        }
        expect(paged).toEqual(whole);
      }
    });

    test('a row tells of one delivery', async () => {
      const b = bench();
      const named = await fill(b);
      const [row] = await b.audit.search({ states: ['delivered'], limit: 5 });
      expect(row).toEqual({
        ...{ delivery: named.a, message: named.a!.slice(0, -2), organization: 'clinic' },
        ...{ acceptedAt: b.now - 2 * DAY, endedAt: b.now - 2 * DAY, sender: 'lee@clinic.test', size: 4096 },
        ...{ recipient: 'kim@a.test', destination: 'a.test', protection: 'tls', level: 'verify' },
        ...{ state: 'delivered', status: '2.0.0', rule: 'all' },
      });
      expect(b.pass(MINUTE)).toBeGreaterThan(row!.acceptedAt);
    });
  });
}
