// A full disk: what gives way, what goes on out of the reserve, and how the reserve comes back.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/domain/types.ts';
import { openReserve, reservePath } from '../../src/store/sqlite/reserve.ts';
import { testClock } from '../support/clock.ts';
import { A, Bench, by, EXAMINATION, MINUTE, refuses, settlement } from './store-bench.ts';
import { type Place, setUp } from './store-place.ts';

const SIZE = 3_000_000;

let place: Place;
let path: string;
let told: number;
beforeEach(() => {
  told = 0;
  place = setUp({}, undefined, {
    reserve: true,
    onFull: () => {
      told += 1;
    },
  });
  path = reservePath(place.path);
});
afterEach(() => place.remove());

describe('a commit finds no space', () => {
  let b: Bench;
  beforeEach(async () => {
    writeFileSync(path, 'the reserve');
    b = new Bench(place, await place.open());
  });
  afterEach(() => b.opened.close());

  test('the reserve is given up, and only what must not be forgotten goes on, until it is there again', async () => {
    const id = await b.decided();
    await b.decided();
    const [taken] = await b.take(1);
    const hand = await b.inHand();
    place.fail('SQLITE_FULL');
    const one = taken!.deliveries[0]!.id;
    const all = await Promise.allSettled([
      b.accept(),
      b.settle(taken!.lease, settlement(one, 'delivered')),
      b.audit.append([{ organization: 'clinic', actor: 'gateway', event: 'gateway.started' }]),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(existsSync(path)).toBe(false);
    expect(told).toBe(1);
    expect(await b.states(id)).toBe('delivered');
    await refuses(b.accept(), 'full', 'the disk is full');
    await refuses(b.take(), 'full');
    await refuses(b.queue.toExamine(A, 10, b.now + MINUTE), 'full');
    await refuses(b.queue.examined('e', hand.message.id, hand.lease, EXAMINATION, b.now), 'full');
    await refuses(b.queue.toNotify(A, 10, b.now + MINUTE, b.now, MINUTE), 'full');
    expect(await b.queue.renew(A, [{ id: one, no: taken!.lease.no }], b.now + MINUTE)).toEqual([]);
    expect((await b.queue.counts()).states).toMatchObject({ delivered: 1, ready: 1, undecided: 1 });
    await b.queue.hold(by(), { states: ['ready'] });
    await b.queue.nextDue();
    const asked = { command: 'queue.drop', args: {}, of: '', reason: 'full' };
    const { approvals } = place.store();
    const drop = await approvals.ask(asked, 'ann', b.now + MINUTE, 'waiting');
    await approvals.confirm(drop.id, 'bob', 'looked at it');
    await approvals.use(drop.id, 'ann');
    // Else what was swept frees nothing, and is swept again and again.
    await b.queue.bodiless('b', id);
    expect(await b.queue.finished(10)).toEqual([]);
    writeFileSync(path, 'the reserve');
    await b.accept();
    await b.decide(hand);
    expect(await b.take()).toHaveLength(1);
    expect(told).toBe(1);
    expect(place.failures).toEqual([]);
  });

  test('what the sweep writes leaves half of the reserve to outcomes, however much there is to sweep', async () => {
    const id = await b.decided();
    await b.decided();
    const taken = await b.take();
    const settle = (i: number) => b.settle(taken[i]!.lease, settlement(taken[i]!.deliveries[0]!.id, 'delivered'));
    await settle(0);
    // Holes: of that size more is missing on this disk than the half that is free when it is gone.
    truncateSync(path, 2 ** 43);
    place.fail('SQLITE_FULL');
    await refuses(b.accept(), 'full');
    await refuses(b.queue.bodiless('b', id), 'full');
    expect((await b.queue.finished(10)).map((one) => one.id)).toEqual([id]);
    await settle(1);
    writeFileSync(path, 'the reserve');
    await b.queue.bodiless('b', id);
    expect((await b.queue.finished(10)).map((one) => one.id)).not.toContain(id);
  });

  test('what finds no space even then is refused, and taken when it is tried again', async () => {
    await b.decided();
    const [taken] = await b.take(1);
    place.fail('SQLITE_FULL');
    await refuses(b.accept(), 'full');
    place.fail('SQLITE_FULL');
    const settle = () => b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'delivered'));
    await refuses(settle(), 'full');
    await settle();
    expect(told).toBe(1);
  });
});

describe('the file', () => {
  const LOOK = 2_000;
  const still = testClock();
  /** A look ends when the next begins to wait. */
  let waits = 0;
  const clock: Clock = {
    ...still,
    sleep: (...given) => {
      waits += 1;
      return still.sleep(...given);
    },
  };
  const open = async (size = SIZE) => {
    const states: string[] = [];
    const reserve = await openReserve({ path, size, clock, became: (state) => states.push(state) });
    return { reserve, states };
  };

  test('is made where it is missing, of another size or unfinished, and kept where it is whole', async () => {
    for (const left of [null, 'short', 'x'.repeat(SIZE + 1)]) {
      rmSync(path, { force: true });
      if (left !== null) writeFileSync(path, left);
      writeFileSync(`${path}.new`, 'of a process that was killed');
      const { reserve, states } = await open();
      expect(statSync(path)).toMatchObject({ size: SIZE, mode: 0o100600 });
      expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(SIZE);
      expect(readdirSync(place.path)).not.toContain('reserve.new');
      expect([reserve.isMissing(), states]).toEqual([false, []]);
      await reserve.stop();
    }
    const before = readFileSync(path);
    await (await open()).reserve.stop();
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('holes are no reserve', async () => {
    writeFileSync(path, '');
    truncateSync(path, SIZE);
    expect(statSync(path).blocks).toBe(0);
    await (await open()).reserve.stop();
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(SIZE);
  });

  test.each(['', '.new'])('a folder of its name is left, and named with the next step: reserve%s', async (end) => {
    mkdirSync(`${path}${end}`);
    await expect(open()).rejects.toMatchObject({
      message: `${path}${end} is a folder, and the reserve (limits.reserve_file) is a file of that name`,
      next: expect.stringContaining('start the gateway again'),
    });
    expect(readdirSync(place.path)).toEqual([`reserve${end}`]);
  });

  test('where there is no space for it, it is missing, and a start goes on', async () => {
    writeFileSync(path, 'short');
    const { reserve, states } = await open(2 ** 52);
    expect(reserve.isMissing()).toBe(true);
    expect(states).toEqual(['missing']);
    expect(readdirSync(place.path)).toEqual([]);
    await reserve.stop();
  });

  test('once it was spent it is made again when there is space at two looks', async () => {
    const { reserve, states } = await open();
    rmSync(path);
    reserve.spent();
    expect(reserve.isMissing()).toBe(true);
    const made = async (times: number) => {
      while (states.filter((state) => state === 'made').length < times) {
        still.advance(LOOK / 2);
        await sleep(1);
      }
    };
    const before = waits;
    still.advance(LOOK);
    while (waits === before && states.length === 1) await sleep(1);
    expect([existsSync(path), states]).toEqual([false, ['spent']]);
    await made(1);
    expect(statSync(path).size).toBe(SIZE);
    rmSync(path);
    reserve.spent();
    await made(2);
    expect(reserve.isMissing()).toBe(false);
    expect(states).toEqual(['spent', 'made', 'spent', 'made']);
    await reserve.stop();
  });
});
