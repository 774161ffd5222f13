// Closed months of the audit: copied, recorded, moved, whatever is broken off in between; read as if nothing had moved; pruned
// by the term and named; kept by legal holds.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { QueueId } from '../../src/domain/ids.ts';
import type { Archive, Step } from '../../src/store/audit/archive-port.ts';
import type { LogQuery } from '../../src/store/audit/port.ts';
import { type Bench, BOUNCE, DAY, HOLD, MINUTE, settlement, verb } from './store-bench.ts';
import { escrowed, KEEP } from './store-escrow.ts';
import { beside, checkpoint as checkpointOf, type Place, whileClosed, withStore } from './store-place.ts';

const MARCH = Date.UTC(2026, 2, 20);
const YEAR = 365 * DAY;

let place: Place;
let bench: Bench;
const archive = (): Archive => place.store().archive;

withStore((...opened) => {
  [place, bench] = opened;
}, MARCH);

const checkpoint = () => checkpointOf(place, bench);

type Filled = { readonly ids: readonly QueueId[]; readonly held: QueueId };

/** Ten days from the 20th of March, twice; a message of the first is held into the third month. */
async function fill(): Promise<Filled> {
  const ids: QueueId[] = [];
  const held = await bench.decided({ to: ['held@a.test'] }, HOLD);
  for (let day = 0; day < 36; day++) {
    ids.push(await bench.delivered(day % 3 === 0 ? 'kim@a.test' : `other${day}@b.test`));
    if (day % 5 === 0) await checkpoint();
    bench.pass(DAY);
  }
  return { ids, held };
}

async function closeAll(): Promise<string[]> {
  const months: string[] = [];
  for (;;) {
    const one = await archive().closeNext(place.clock.at);
    if (one === null) return months;
    months.push(one.month);
  }
}

/** All that can be read. */
async function everything(ids: readonly QueueId[]) {
  const search = (query: Omit<LogQuery, 'limit'>) => bench.audit.search({ ...query, limit: 1_000 });
  const { head, ...verified } = await bench.audit.verify();
  return {
    ...{ head, verified },
    entries: await bench.audit.read(null, 10_000),
    traces: await Promise.all(ids.map((id) => bench.audit.trace(id))),
    messages: await Promise.all(ids.map((id) => bench.queue.message(id))),
    kim: await search({ recipient: 'kim@a.test' }),
    march: await search({ until: Date.UTC(2026, 3, 1) }),
    all: await search({}),
    lee: await search({ sender: 'lee@clinic.test', since: Date.UTC(2026, 2, 28), until: Date.UTC(2026, 3, 5) }),
  };
}

function rows(table: string): number {
  return beside(place, (db) => db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get()!);
}

/** Another program changes rows while the gateway stands still. */
function change(sql: string, file?: string): Promise<unknown> {
  return whileClosed(place, bench, (db) => db.exec(sql), file);
}

test('a closed month is read as if it had not moved, and the table of entries is small', async () => {
  const { ids, held } = await fill();
  const all = [...ids, held];
  const before = await everything(all);
  expect(before.kim).toHaveLength(12);
  expect(await closeAll()).toEqual(['2026-03']);
  const after = await everything(all);
  const added = after.entries.slice(before.entries.length);
  expect(added.map(({ event }) => event)).toEqual(['log.archived']);
  expect(after).toEqual({
    ...before,
    entries: [...before.entries, ...added],
    head: { ...after.head, seq: before.entries.length + 1 },
    verified: { ...before.verified, entries: before.entries.length + 1 },
  });
  const march = ids.filter((_, day) => day < 12).length;
  expect(added[0]!.detail).toMatchObject({ month: '2026-03', from: 1, messages: march });
  expect(rows('message')).toBe(all.length - march);
  expect(rows('delivery')).toBe(all.length - march);
  expect(rows('audit')).toBe(before.entries.length + 1 - (added[0]!.detail.entries as number));
  expect(rows('sought')).toBeLessThan(60);
  await bench.restart();
  expect((await everything(all)).kim).toEqual(before.kim);
});

test('searches across the end of a month come in pages of any size, nothing twice and nothing missing', async () => {
  await fill();
  bench.pass(12 * DAY);
  expect(await closeAll()).toEqual(['2026-03', '2026-04']);
  await bench.delivered('kim@a.test');
  for (const query of [{}, { recipient: 'kim@a.test' }, { states: ['delivered', 'held'] as const }]) {
    const whole = await bench.audit.search({ ...query, limit: 1_000 });
    expect(whole.length).toBeGreaterThan(12);
    for (const limit of [1, 7]) {
      const paged: (typeof whole)[number][] = [];
      for (;;) {
        const last = paged.at(-1)?.delivery;
        const page = await bench.audit.search({ ...query, limit, ...(last && { before: last }) });
        paged.push(...page);
        if (page.length < limit) break;
      }
      expect(paged).toEqual(whole);
    }
  }
});

test('broken off after each step, it is gone on with; nothing is lost, nothing stands twice', async () => {
  const { ids, held } = await fill();
  const all = [...ids, held];
  const before = await everything(all);
  const seen: Step[] = [];
  for (let stopAt = 1; ; stopAt++) {
    let steps = 0;
    const closed = archive().closeNext(place.clock.at, (step) => {
      steps += 1;
      if (steps !== stopAt || stopAt > 40) return;
      seen.push(step);
      throw new Error('broken off');
    });
    const done = await closed.then(
      () => true,
      () => false,
    );
    const now = await everything(all);
    expect({ kim: now.kim, all: now.all, traces: now.traces }).toEqual({
      kim: before.kim,
      all: before.all,
      traces: before.traces,
    });
    expect(now.verified).toMatchObject({ intact: true, lost: { count: 0 } });
    expect(now.entries.slice(0, before.entries.length)).toEqual(before.entries);
    if (done) break;
    if (stopAt % 3 === 0) await bench.restart();
  }
  expect(new Set(seen)).toEqual(new Set(['copied', 'recorded', 'some moved', 'moved']));
  expect((await archive().segments()).map(({ state }) => state)).toEqual(['moved']);
  expect(rows('message')).toBeLessThan(all.length);
});

test('who ends while a month is copied waits for none of it; it is copied anew', async () => {
  await fill();
  const stop = new AbortController();
  const closing = archive().closeNext(place.clock.at, undefined, stop.signal);
  setImmediate(() => stop.abort());
  await expect(closing).rejects.toThrow('the archivist ended');
  expect(await archive().segments()).toEqual([]);
  expect(await closeAll()).toEqual(['2026-03']);
  expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
});

test('a month is closed two days after its end, and what is not over stays', async () => {
  const held = await bench.decided({ to: ['held@a.test'] }, HOLD);
  await bench.delivered('kim@a.test');
  await bench.delivered('kim@a.test');
  place.clock.at = Date.UTC(2026, 3, 3) - 1;
  await bench.delivered('kim@a.test');
  expect(await closeAll()).toEqual([]);
  bench.pass(1);
  expect(await closeAll()).toEqual(['2026-03']);
  expect(rows('message')).toBe(2);
  // What is held may still be let go, and its end is found.
  expect(
    (await bench.queue.drop({ verb: verb(), actor: 'ann', reason: 'no' }, { messages: [held] })).changed,
  ).toHaveLength(1);
  expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
});

test('an entry from the future does not keep a month open', async () => {
  await bench.delivered('kim@a.test');
  bench.pass(YEAR);
  await bench.decided({ to: ['late@a.test'] }, BOUNCE);
  bench.pass(-YEAR);
  await bench.delivered('kim@a.test');
  bench.pass(20 * DAY);
  await bench.delivered('kim@a.test');
  expect(await closeAll()).toEqual(['2026-03']);
  expect(await bench.audit.verify()).toMatchObject({ intact: true });
});

test('a month whose file is gone is named, and nothing else is lost of it: the gateway goes on', async () => {
  await fill();
  const broken = archive().closeNext(place.clock.at, (step) => {
    if (step === 'recorded') throw new Error('broken off');
  });
  await expect(broken).rejects.toThrow('broken off');
  const [march] = await archive().segments();
  const file = join(place.path, 'audit', `${march!.name}.db`);
  const count = rows('audit');
  renameSync(file, `${file}.away`);
  await expect(archive().closeNext(place.clock.at)).rejects.toThrow('cannot be opened');
  expect(rows('audit')).toBe(count);
  writeFileSync(file, 'not a database');
  await expect(archive().closeNext(place.clock.at)).rejects.toThrow('cannot be opened');
  expect(rows('audit')).toBe(count);
  await bench.delivered('kim@a.test');
  expect(await bench.audit.verify()).toMatchObject({ intact: false, bad: { seq: 1 } });
  await expect(bench.audit.search({ recipient: 'kim@a.test', limit: 100 })).rejects.toThrow();
  renameSync(`${file}.away`, file);
  await archive().closeNext(place.clock.at);
  expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
  renameSync(file, `${file}.away`);
  await bench.restart();
  const { bad } = await bench.audit.verify();
  expect(bad).toMatchObject({ seq: 1, what: expect.stringContaining(`audit/${march!.name}.db`) });
});

describe('pruning', () => {
  async function threeMonths(): Promise<Filled> {
    const filled = await fill();
    bench.pass(40 * DAY);
    await bench.delivered('last@a.test');
    await checkpoint();
    expect(await closeAll()).toEqual(['2026-03', '2026-04', '2026-05'].slice(0, (await archive().segments()).length));
    return filled;
  }

  test('whole months by the term; the chain goes on, and verifying says what is gone', async () => {
    const { ids } = await threeMonths();
    const before = await bench.audit.verify();
    const [march] = await archive().segments();
    expect(await archive().prune(Date.UTC(2026, 3, 1) - 1, YEAR)).toBe(0);
    expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(1);
    expect(readdirSync(join(place.path, 'audit')).filter((name) => name.startsWith('2026-03'))).toEqual([]);
    const gone = march!.last - march!.first + 1;
    const after = await bench.audit.verify();
    expect(after).toMatchObject({
      ...{ intact: true, entries: before.entries - gone + 1, lost: { count: 0 }, signed: before.signed },
      pruned: { segments: 1, entries: gone, since: march!.since, until: march!.until },
    });
    expect((await bench.audit.verify(undefined, [Buffer.from((await bench.audit.firstKeys())[0]!.key)])).intact).toBe(
      true,
    );
    expect(await bench.audit.trace(ids[0]!)).toEqual([]);
    expect((await bench.audit.search({ recipient: 'kim@a.test', limit: 100 })).length).toBe(8);
    const [told] = await archive().destroyed();
    expect(told).toMatchObject({ event: 'log.pruned', detail: { month: '2026-03', from: 1, entries: gone } });
    expect(await archive().prune(Date.UTC(2026, 4, 1), YEAR)).toBe(1);
    expect(await bench.audit.verify()).toMatchObject({ intact: true, pruned: { segments: 2 } });
  });

  test('broken off after it was recorded, the file goes the next time', async () => {
    await threeMonths();
    const [march] = await archive().segments();
    const file = join(place.path, 'audit', `${march!.name}.db`);
    const broken = archive().prune(Date.UTC(2026, 3, 1), YEAR, () => {
      throw new Error('broken off');
    });
    await expect(broken).rejects.toThrow('broken off');
    expect(existsSync(file)).toBe(true);
    expect(await bench.audit.verify()).toMatchObject({ intact: true, pruned: { segments: 1 } });
    expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  test('who removes a month without an entry is found', async () => {
    await threeMonths();
    await change("UPDATE segment SET state = 'pruned' WHERE no = 1");
    const verified = await bench.audit.verify();
    expect(verified).toMatchObject({ intact: false, bad: { seq: 1 } });
    expect(verified.bad!.what).toContain('is gone');
  });

  describe('what a row says of a month does not destroy it before its term', () => {
    const kept = async (why: string) => {
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(1);
      expect((await archive().segments()).map(({ state }) => state).slice(0, 2)).toEqual(['pruned', 'moved']);
      expect(place.alarms).toEqual([expect.stringContaining(why)]);
      expect(archive().wrong()).toEqual([expect.stringContaining(why)]);
    };

    test('when its month was changed', async () => {
      await threeMonths();
      await change("UPDATE segment SET month = '2020-01', first_at = 0, last_at = 1 WHERE no = 2");
      await kept('an entry of it is younger than that');
      expect(await bench.audit.verify()).toMatchObject({ intact: true });
    });

    test('nor when the times of its entries were changed too', async () => {
      await threeMonths();
      const [, april] = await archive().segments();
      await change('UPDATE audit SET at = 1', join('audit', `${april!.name}.db`));
      await change("UPDATE segment SET month = '2020-01', first_at = 0, last_at = 1 WHERE no = 2");
      // And nothing else goes: what else was edited may have been a legal hold.
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(0);
      expect(archive().wrong()).toEqual([expect.stringContaining('was edited: its digest does not match')]);
    });

    test('nor when its end was moved', async () => {
      await threeMonths();
      await change("UPDATE segment SET month = '2020-01', hash = zeroblob(32) WHERE no = 2; DELETE FROM legal_hold");
      await change('UPDATE segment SET last_at = 1 WHERE no = 2');
      await kept('an entry of it is younger than that');
    });
  });

  test('a hold that is set while months are destroyed keeps the next one', async () => {
    await threeMonths();
    const hold = { id: verb(), organization: 'clinic', address: null, message: null, reason: 'case 9' };
    const range = { since: Date.UTC(2026, 3, 10), until: Date.UTC(2026, 3, 11) };
    const step = (one: Step) => (one === 'pruned' ? archive().addHold({ ...hold, ...range }, 'ann') : undefined);
    expect(await archive().prune(Date.UTC(2026, 4, 1), YEAR, step)).toBe(1);
    expect((await archive().segments()).map(({ state }) => state).slice(0, 2)).toEqual(['pruned', 'moved']);
  });

  describe('who writes rows takes no hold away', () => {
    const march = { since: Date.UTC(2026, 2, 25), until: Date.UTC(2026, 2, 26) };
    const hold = {
      id: verb(),
      organization: 'clinic',
      address: 'Kim@a.test',
      message: null,
      reason: 'case 7',
      ...march,
    };
    const events = async () => (await bench.audit.read(null, 10_000)).map(({ event }) => event);

    test.each([
      ['taken away', 'DELETE FROM legal_hold'],
      ['changed', 'UPDATE legal_hold SET until = 1'],
      ['changed', 'UPDATE legal_hold SET recipient_tag = zeroblob(16), sender_tag = zeroblob(16), until = 1'],
    ])('%s, it is put back before anything is destroyed: %s', async (word, sql) => {
      await threeMonths();
      await archive().addHold(hold, 'ann');
      await change(sql);
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(0);
      expect(await archive().holds()).toEqual([{ ...hold, addedAt: bench.now }]);
      expect(place.alarms).toEqual([expect.stringContaining(`${hold.id} was ${word}`)]);
      expect(archive().wrong()).toEqual([expect.stringContaining(`${hold.id} was ${word}`)]);
      expect((await events()).filter((event) => event === 'log.hold_restored')).toHaveLength(1);
      await archive().removeHold(hold.id, 'ann', 'closed');
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(1);
    });

    test('nor by what the row of a month says of its time', async () => {
      await threeMonths();
      await archive().addHold(hold, 'ann');
      await change('UPDATE segment SET first_at = 1, last_at = 2 WHERE no = 1');
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(0);
      expect(place.alarms).toEqual([expect.stringContaining('of other times than its row says')]);
    });

    test('it stands also when its entry is in a closed month, which stays for that long', async () => {
      bench.pass(10 * DAY);
      await archive().addHold({ ...hold, since: 0, until: 1 }, 'ann');
      await threeMonths();
      await change('DELETE FROM legal_hold');
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(0);
      await archive().removeHold(hold.id, 'ann', 'closed');
      expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(1);
    });

    test('a month that cannot be read does not keep the rest from being looked at', async () => {
      await threeMonths();
      const [first] = await archive().segments();
      await archive().addHold({ ...hold, since: Date.UTC(2026, 3, 10), until: Date.UTC(2026, 3, 11) }, 'ann');
      await change('DELETE FROM legal_hold');
      renameSync(join(place.path, 'audit', `${first!.name}.db`), join(place.path, 'audit', 'away.db'));
      expect(await archive().prune(Date.UTC(2026, 4, 1), YEAR)).toBe(0);
      expect(archive().wrong()).toEqual([
        expect.stringMatching(new RegExp(`^nothing of the audit is destroyed.* audit/${first!.name}.db`)),
        expect.stringContaining('taken away'),
      ]);
    });

    test.each<[string, (path: string) => void]>([
      ['away', (path) => renameSync(path, `${path}.away`)],
      ['damaged', (path) => copyFileSync(path, `${path}.away`)],
    ])('what a month tells is believed as soon as it can be read again, and what later ones say of it: %s', async (how, away) => {
      bench.pass(10 * DAY);
      const [stays, ends] = [hold, { ...hold, id: verb() }];
      for (const one of [stays, ends]) await archive().addHold({ ...one, since: 0, until: 1 }, 'ann');
      await threeMonths();
      await archive().removeHold(ends.id, 'ann', 'closed');
      await change('DELETE FROM legal_hold');
      const path = join(place.path, 'audit', `${(await archive().segments())[0]!.name}.db`);
      away(path);
      if (how === 'damaged') writeFileSync(path, Buffer.alloc(8_192, 'x'));
      expect(await archive().holds()).toEqual([]);
      expect(await archive().holds()).toEqual([]);
      renameSync(`${path}.away`, path);
      expect((await archive().holds()).map(({ id }) => id)).toEqual([stays.id]);
    });
  });

  test('a changed entry of a closed month is named', async () => {
    await threeMonths();
    const [, april] = await archive().segments();
    await change(
      `UPDATE audit SET actor = 'nobody' WHERE seq = ${april!.first + 3}`,
      join('audit', `${april!.name}.db`),
    );
    expect(await bench.audit.verify()).toMatchObject({ intact: false, bad: { seq: april!.first + 3 } });
  });

  test('a legal hold keeps the months that it touches, until it is removed', async () => {
    await threeMonths();
    const hold = { id: verb(), organization: 'clinic', address: 'Kim@a.test', message: null, reason: 'case 7' };
    await archive().addHold({ ...hold, since: Date.UTC(2026, 2, 25), until: Date.UTC(2026, 2, 26) }, 'ann');
    await archive().addHold({ ...hold, id: verb(), since: Date.UTC(2027, 0, 1), until: null }, 'ann');
    const [first] = await archive().holds();
    expect(first).toMatchObject({
      organization: 'clinic',
      address: 'Kim@a.test',
      reason: 'case 7',
      addedAt: bench.now,
    });
    expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(0);
    await archive().removeHold(hold.id, 'ann', 'case closed');
    expect(await archive().prune(Date.UTC(2026, 3, 1), YEAR)).toBe(1);
    await expect(archive().removeHold(hold.id, 'ann', 'again')).rejects.toMatchObject({ code: 'not found' });
    const events = (await bench.audit.read(null, 10_000)).map(({ event }) => event);
    expect(events.filter((event) => event.startsWith('log.hold'))).toEqual([
      ...['log.hold_added', 'log.hold_added', 'log.hold_removed'],
    ]);
  });
});

test('a legal hold keeps the bodies of what it covers, and nothing else', async () => {
  const settleAll = async () => {
    for (const one of await bench.take())
      await bench.settle(one.lease, ...one.deliveries.map(({ id }) => settlement(id, 'delivered')));
  };
  const before = await bench.decided({ to: ['kim@a.test'] });
  bench.pass(DAY);
  const covered = await bench.decided({ to: ['sam@a.test', 'Kim@a.test'] });
  const sent = await bench.decided({ from: 'kim@a.test', to: ['sam@b.test'] });
  const other = await bench.decided({ to: ['sam@a.test'] });
  const elsewhere = await bench.decided({ organization: 'practice', to: ['kim@a.test'] });
  await settleAll();
  const hold = { id: verb(), organization: 'clinic', address: 'kim@A.test', message: null, until: null };
  await archive().addHold({ ...hold, since: bench.now - MINUTE, reason: 'case 7' }, 'ann');
  const over = async () => new Set((await bench.queue.finished(100)).map(({ id }) => id));
  expect(await over()).toEqual(new Set([before, other, elsewhere]));
  await archive().removeHold(hold.id, 'ann', 'closed');
  await archive().addHold({ ...hold, id: verb(), address: null, message: sent, since: null, reason: 'case 8' }, 'ann');
  expect(await over()).toEqual(new Set([before, covered, other, elsewhere]));
});

test('a message with a parcel goes into a month only when nobody can open it; a legal hold keeps the parcel', async () => {
  const { id, made } = await escrowed(bench, { to: ['kim@a.test'] });
  for (const one of await bench.take()) await bench.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'));
  const sweepBodies = async () => {
    for (const one of await bench.queue.finished(100)) await bench.queue.bodiless(verb(), one.id);
  };
  await sweepBodies();
  expect(await bench.stage(id)).toBe('bodiless');
  const { parcels } = bench.opened;
  const parcel = made[0]!.parcel.id;
  const sweep = async () => {
    const gone = await parcels.sweep(bench.now, KEEP);
    for (const one of gone) await parcels.forgotten(one.parcel);
    return gone.length;
  };
  place.clock.at = Date.UTC(2026, 3, 10);
  await bench.delivered('later@a.test');
  expect(await closeAll()).toEqual(['2026-03']);
  expect([rows('parcel'), await bench.stage(id)]).toEqual([1, 'bodiless']);
  expect((await bench.queue.message(id))!.deliveries[0]!.state).toBe('noticed');
  const hold = { id: verb(), organization: 'clinic', message: null, since: null, until: null, reason: 'case 7' };
  await archive().addHold({ ...hold, address: 'kim@a.test' }, 'ann');
  place.clock.at = made[0]!.parcel.expiresAt + KEEP + DAY;
  expect([await sweep(), await sweep()]).toEqual([0, 0]);
  expect((await parcels.parcel(parcel))!.state).toBe('expired');
  await archive().removeHold(hold.id, 'ann', 'closed');
  expect([await sweep(), await sweep()]).toEqual([1, 0]);
  expect((await parcels.parcel(parcel))!.state).toBe('deleted');
  await bench.delivered('later@a.test');
  place.clock.at = Date.UTC(2026, 6, 4);
  await bench.delivered('last@a.test');
  await closeAll();
  expect([rows('parcel'), rows('conversation'), rows('access_grant')]).toEqual([0, 0, 0]);
  expect((await bench.queue.message(id))!.deliveries[0]!.state).toBe('noticed');
  expect(await bench.events(id)).toEqual(
    expect.arrayContaining(['delivery.noticed', 'portal.expired', 'portal.deleted']),
  );
  expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
  expect(
    await archive().erase({ organization: 'clinic', address: 'kim@a.test', actor: 'ann', reason: 'x' }),
  ).toMatchObject({
    waiting: 0,
  });
  expect(await bench.audit.verify()).toMatchObject({ intact: true, erased: expect.any(Number) });
});

test('what the sweeps destroyed is recorded once: how much, and from when to when', async () => {
  expect(await archive().recordDestroyed()).toBe(false);
  const first = bench.now;
  await bench.delivered('kim@a.test');
  await bench.delivered('sam@a.test');
  bench.pass(DAY);
  await bench.delivered('kim@a.test');
  expect(await archive().recordDestroyed()).toBe(true);
  expect(await archive().recordDestroyed()).toBe(false);
  await bench.delivered('kim@a.test');
  expect(await archive().recordDestroyed()).toBe(true);
  const [one, two, ...more] = await archive().destroyed();
  expect(one).toMatchObject({
    event: 'retention.destroyed',
    detail: { bodies: 3, parcels: 0, since: first, until: first + DAY },
  });
  expect(two!.detail).toMatchObject({ bodies: 1, since: first + DAY });
  expect(more).toEqual([]);
});

describe('erasing what is boxed of one person', () => {
  const erase = (at?: (step: Step) => unknown) =>
    archive().erase({ organization: 'clinic', address: 'Kim@a.test', actor: 'ann', reason: 'asked for' }, at);

  /** Boxes of kim's messages, as they stand in the files. */
  async function boxesOf(ids: readonly QueueId[]): Promise<Buffer[]> {
    const found: Buffer[] = [];
    const files = ['queue.db', ...readdirSync(join(place.path, 'audit')).map((name) => join('audit', name))];
    for (const file of files) {
      beside(
        place,
        (db) => {
          const boxes = db
            .prepare<[string], Buffer>('SELECT boxed FROM audit WHERE message = ? AND boxed IS NOT NULL')
            .pluck();
          for (const id of ids) found.push(...boxes.all(id));
        },
        file,
      );
    }
    return found;
  }

  /** Of these octets, how many stand in any file of the folder. */
  function standing(boxes: readonly Buffer[]): number {
    const names = readdirSync(place.path, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const all = names.map((one) => readFileSync(join(one.parentPath, one.name)));
    return boxes.filter((box) => all.some((octets) => octets.includes(box.subarray(16)))).length;
  }

  async function closed(): Promise<{ kim: QueueId[]; others: QueueId[]; boxes: Buffer[] }> {
    const { ids } = await fill();
    expect(await closeAll()).toEqual(['2026-03']);
    const kim = ids.filter((_, day) => day % 3 === 0);
    const boxes = await boxesOf(kim);
    expect(boxes.length).toBeGreaterThan(kim.length * 2);
    expect(standing(boxes)).toBe(boxes.length);
    return { kim, others: ids.filter((id) => !kim.includes(id)), boxes };
  }

  test('no octet of it is left in any file; the chain verifies, and says how many', async () => {
    const { kim, others, boxes } = await closed();
    const before = await Promise.all(others.map((id) => bench.audit.trace(id)));
    expect(await erase()).toEqual({ entries: boxes.length, messages: kim.length, waiting: 0 });
    expect(standing(boxes)).toBe(0);
    expect(await bench.audit.search({ recipient: 'kim@a.test', limit: 100 })).toEqual([]);
    for (const id of kim) {
      const trace = await bench.audit.trace(id);
      expect(trace.length).toBeGreaterThan(3);
      expect(JSON.stringify(trace)).not.toContain('kim');
      expect(JSON.stringify(await bench.queue.message(id))).not.toContain('kim');
    }
    expect(await Promise.all(others.map((id) => bench.audit.trace(id)))).toEqual(before);
    const verified = await bench.audit.verify();
    expect(verified).toMatchObject({ intact: true, erased: boxes.length, lost: { count: 0 } });
    const told = (await archive().destroyed()).filter(({ event }) => event === 'log.erased');
    expect(told.reduce((sum, { detail }) => sum + (detail.count as number), 0)).toBe(boxes.length);
    expect(told[0]).toMatchObject({ actor: 'ann', organization: 'clinic', boxed: { reason: 'asked for' } });
    bench.pass(40 * DAY);
    await bench.delivered('last@a.test');
    await closeAll();
    expect(await bench.audit.verify()).toMatchObject({ intact: true, erased: boxes.length });
    expect(await erase()).toEqual({ entries: 0, messages: 0, waiting: 0 });
  });

  test('broken off, it is made again', async () => {
    const { boxes } = await closed();
    await expect(
      erase(() => {
        throw new Error('broken off');
      }),
    ).rejects.toThrow('broken off');
    expect(standing(boxes)).toBeGreaterThan(0);
    expect(await bench.audit.verify()).toMatchObject({ intact: true });
    await bench.restart();
    await archive().prune(0, YEAR);
    expect(archive().wrong()).toEqual([
      expect.stringMatching(/^an erasure was broken off: detail of \d+ entries .*audit\/2026-03-1\.db/),
    ]);
    await erase();
    expect(standing(boxes)).toBe(0);
    const undone = () => rows('erased WHERE done = 0');
    expect(undone()).toBe(boxes.length);
    await archive().prune(0, YEAR);
    expect([archive().wrong(), undone()]).toEqual([[], 0]);
    expect(await bench.audit.verify()).toMatchObject({ intact: true, erased: boxes.length });
  });

  test('asked for while a month is copied, nothing of it is left in the copy', async () => {
    await fill();
    let erased: ReturnType<typeof erase> | undefined;
    await archive().closeNext(place.clock.at, async (step) => {
      if (step !== 'copied') return;
      erased = erase();
      for (let i = 0; i < 300; i++) await archive().holds();
    });
    expect((await erased)?.entries).toBeGreaterThan(0);
    expect(await erase()).toEqual({ entries: 0, messages: 0, waiting: 0 });
    expect(await bench.audit.verify()).toMatchObject({ intact: true });
  });

  test('out of more months than are open at once', async () => {
    for (let month = 0; month < 18; month++) {
      await bench.delivered('kim@a.test');
      bench.pass(31 * DAY);
    }
    bench.pass(3 * DAY);
    await bench.delivered('other@b.test');
    expect((await closeAll()).length).toBeGreaterThan(16);
    expect(await erase()).toMatchObject({ messages: 18, waiting: 0 });
    expect(await erase()).toEqual({ entries: 0, messages: 0, waiting: 0 });
    // A thread for each month, twice: on a slow machine that takes its time.
  }, 120_000);

  test('not what is under way, and nothing that a legal hold covers', async () => {
    await bench.delivered('kim@a.test');
    const waiting = await bench.decided({ to: ['kim@a.test'] }, HOLD);
    const hold = { id: verb(), organization: 'clinic', address: 'kim@a.test', message: null, since: null, until: null };
    await archive().addHold({ ...hold, reason: 'case 7' }, 'ann');
    await expect(erase()).rejects.toMatchObject({ code: 'wrong state' });
    await archive().removeHold(hold.id, 'ann', 'closed');
    await archive().addHold({ ...hold, address: 'sam@a.test', reason: 'case 8' }, 'ann');
    expect(await erase()).toMatchObject({ messages: 1, waiting: 1 });
    expect(JSON.stringify(await bench.queue.message(waiting))).toContain('kim@a.test');
  });

  test('not what a legal hold covers that is set meanwhile', async () => {
    const ids: QueueId[] = [];
    for (let i = 0; i < 60; i++) ids.push(await bench.delivered('kim@a.test'));
    const hold = { id: verb(), organization: 'clinic', address: null, since: null, until: null, reason: 'case 9' };
    const later = { ...hold, message: ids.at(-1)! };
    const broken = erase((step) => (step === 'named' ? archive().addHold(later, 'ann') : undefined));
    await expect(broken).rejects.toMatchObject({ code: 'wrong state' });
    expect(JSON.stringify(await bench.queue.message(ids.at(-1)!))).toContain('kim@a.test');
    expect(JSON.stringify(await bench.queue.message(ids[0]!))).not.toContain('kim@a.test');
    await expect(erase()).rejects.toMatchObject({ code: 'wrong state' });
  });

  test('nor what a legal hold covers whose row was taken away', async () => {
    await bench.delivered('kim@a.test');
    const hold = { id: verb(), organization: 'clinic', address: 'kim@a.test', message: null, since: null, until: null };
    await archive().addHold({ ...hold, reason: 'case 7' }, 'ann');
    await change('DELETE FROM legal_hold');
    await expect(erase()).rejects.toMatchObject({ code: 'wrong state' });
    expect(place.alarms).toHaveLength(1);
  });

  test('among hundreds of messages whose rows grew and moved, no octet is left', async () => {
    const ids: QueueId[] = [];
    for (let i = 0; i < 300; i++) {
      const id = await bench.decided({ to: [i % 3 === 0 ? 'kim@a.test' : `other${i}@b.test`] });
      if (i % 3 === 0) ids.push(id);
    }
    for (const one of await bench.take(1000))
      await bench.settle(one.lease, ...one.deliveries.map(({ id }) => settlement(id, 'delivered')));
    for (let some = await bench.queue.finished(100); some.length > 0; some = await bench.queue.finished(100))
      for (const one of some) await bench.queue.bodiless(verb(), one.id);
    mkdirSync(join(place.path, 'audit'));
    const boxes = await boxesOf(ids);
    expect(await erase()).toMatchObject({ messages: 100, entries: boxes.length });
    expect(standing(boxes)).toBe(0);
  });

  test('who takes detail away without an entry is found, and so is who changes what is left', async () => {
    const { kim } = await closed();
    await erase();
    const n = await whileClosed(place, bench, (db) => {
      const changed = db.prepare<[string], number>('SELECT n FROM audit WHERE message = ? LIMIT 1').pluck();
      const first = changed.get(kim.at(-1)!)!;
      db.prepare("UPDATE audit SET actor = 'nobody' WHERE n = ?").run(first);
      return first;
    });
    expect(await bench.audit.verify()).toMatchObject({ intact: false, bad: { seq: n } });
  });
});
