// What every verb works with inside the writer thread: the connection, the chain, the lanes, the counters, and the few
// changes that several verbs make. All of it belongs to one transaction; `flush` before COMMIT, `reload` after ROLLBACK.

import type Database from 'better-sqlite3';
import { mayBecome, mayReach } from '../../domain/states.ts';
import type { DeliveryState, Stage } from '../../domain/types.ts';
import { MUTE, TELL } from './calls/queue.ts';
import { type Held, openHeld, openUsage, type Usage } from './counts.ts';
import { type Lanes, openLanes } from './lanes.ts';
import { type Ledger, openLedger } from './ledger.ts';
import type { Tally } from './protocol.ts';

/** Refusal of a verb: code of QueueError, and words without addresses. */
export class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type Workbench = {
  readonly db: Database.Database;
  readonly ledger: Ledger;
  readonly lanes: Lanes;
  readonly tally: Tally;
  readonly usage: Usage;
  readonly held: Held;
  /** Time of the call that runs. */
  at: number;
  /** Longest wait that is no delay yet, as toNotify last gave it. */
  delayAfter: number;
  /** Accepted by an earlier process that may have ended before it answered 250. */
  mayBeUnacknowledged(n: number): boolean;
  /** Messages of this process up to `n` were acknowledged. */
  acknowledge(n: number): void;
  nextLease(): number;
  /** Organization keys were deleted in this process: boxes under them may still come. */
  retiring: boolean;
  /** Throws Refusal when the organization's key of that box was deleted. */
  refuseRetired(organization: string, box: Uint8Array): void;
  knowOrganization(name: string): void;
  flush(): void;
  reload(): void;
};

const EMPTY: Tally = { stages: {}, states: {}, lease: 0, served: 0, acknowledged: 0 };
const FOUR_HOURS = 4 * 3_600_000;

export function openWorkbench(db: Database.Database, node: string): Workbench {
  const ledger = openLedger(db, node);
  const lanes = openLanes(db);
  const usage = openUsage(db);
  const readTally = db.prepare<[], { value: string }>("SELECT value FROM tally WHERE name = 'queue'");
  // Only where it is not there: a start writes nothing before others have seen whether the disk takes it.
  if (readTally.get() === undefined)
    db.prepare("INSERT INTO tally (name, value) VALUES ('queue', ?)").run(JSON.stringify(EMPTY));
  const writeTally = db.prepare("UPDATE tally SET value = ? WHERE name = 'queue'");
  const addOrganization = db.prepare('INSERT OR IGNORE INTO organization (name) VALUES (?)');
  const organizations = new Set<string>();
  const tally: Tally = { ...EMPTY };
  const reloadTally = () => {
    const row = readTally.get();
    Object.assign(tally, row ? JSON.parse(row.value) : { ...EMPTY, stages: {}, states: {} });
  };
  reloadTally();
  const before = {
    acknowledged: tally.acknowledged,
    last: db.prepare<[], number | null>('SELECT max(n) FROM message').pluck().get() ?? 0,
  };
  const firstAccepted = db
    .prepare<[number, number], number>(
      "SELECT n FROM message WHERE n >= ? AND n <= ? AND stage = 'accepted' ORDER BY n LIMIT 1",
    )
    .pluck();
  const standing = db.prepare<[string, string], number>('SELECT 1 FROM key WHERE organization = ? AND id = ?').pluck();
  let doubtFrom: number | null = before.acknowledged + 1;
  return {
    db,
    ledger,
    lanes,
    tally,
    usage,
    held: openHeld(db),
    at: 0,
    delayAfter: FOUR_HOURS,
    acknowledge(n) {
      // Until everything that an earlier process left was looked at, the mark would pass over it: a second crash would
      // make it look acknowledged.
      if (doubtFrom !== null) doubtFrom = firstAccepted.get(doubtFrom, before.last) ?? null;
      if (doubtFrom === null) tally.acknowledged = Math.max(tally.acknowledged, n);
    },
    mayBeUnacknowledged: (n) => n > before.acknowledged && n <= before.last,
    retiring: false,
    refuseRetired(organization, box) {
      if (!this.retiring || standing.get(organization, Buffer.from(box.subarray(0, 4)).toString('hex'))) return;
      throw new Refusal('wrong state', 'the key that boxes this was deleted: make it anew');
    },
    nextLease() {
      tally.lease += 1;
      return tally.lease;
    },
    knowOrganization(name) {
      if (organizations.has(name)) return;
      addOrganization.run(name);
      organizations.add(name);
    },
    flush() {
      ledger.flush();
      lanes.flush();
      usage.flush();
      writeTally.run(JSON.stringify(tally));
    },
    reload() {
      ledger.reload();
      lanes.reload();
      usage.reload();
      reloadTally();
      doubtFrom = before.acknowledged + 1;
      organizations.clear();
    },
  };
}

/** Counts a state change and refuses one that the table of domain/states.ts does not have. */
export function countState(tally: Tally, from: DeliveryState | null, to: DeliveryState): void {
  if (from !== null) {
    if (from !== to && !mayBecome(from, to)) throw new Refusal('wrong state', `a ${from} delivery cannot become ${to}`);
    tally.states[from] = (tally.states[from] ?? 0) - 1;
  }
  tally.states[to] = (tally.states[to] ?? 0) + 1;
}

export function countStage(tally: Tally, from: Stage | null, to: Stage): void {
  if (from !== null) {
    if (from !== to && !mayReach(from, to))
      throw new Refusal('wrong state', `a message cannot go from ${from} to ${to}`);
    tally.stages[from] = (tally.stages[from] ?? 0) - 1;
  }
  tally.stages[to] = (tally.stages[to] ?? 0) + 1;
}

/** Which notice waits: 1 something to tell now, 2 only a delay that is not long enough yet, 0 nothing. */
export function tellClass(tell: number): 0 | 1 | 2 {
  if ((tell & ~TELL.delayed) !== 0) return 1;
  return tell === 0 ? 0 : 2;
}

/** Why nobody is told, in words for the audit. */
export function whyMute(mayTell: number): string {
  if (mayTell & MUTE.ours) return 'mail of ours causes no mail';
  if (mayTell & MUTE.nullPath) return 'the reverse-path is null';
  return 'NOTIFY does not ask for it';
}
