// The lanes: what waits for one organization, destination and priority. Lanes with work are held in memory as their rows
// stand, and changed rows are written once per commit; which lane is served next is chosen here without a query.
// It cannot see whether a hop takes more connections: the caller names destinations that are at their bound.

import type Database from 'better-sqlite3';
import type { Priority } from '../../domain/types.ts';

export type Lane = {
  readonly n: number;
  readonly organization: string;
  readonly destination: string;
  readonly priority: Priority;
  /** No row of it is due before; Infinity when nothing waits. May be too early, never too late. */
  nextDue: number;
  /** Ready deliveries, and leased ones. */
  waiting: number;
  leased: number;
  /** Written for a restart; the time of the destination counts: `pacedUntil` of Lanes. */
  pacedUntil: number;
  lastServed: number;
};

type LaneRow = {
  n: number;
  organization: string;
  destination: string;
  priority: Priority;
  next_due: number | null;
  waiting: number;
  leased: number;
  paced_until: number;
  last_served: number;
};

export type Lanes = {
  /** The lane of that name, made when it is new. */
  of(organization: string, destination: string, priority: Priority): Lane;
  byNumber(n: number): Lane;
  active(): Iterable<Lane>;
  /** A delivery of the lane changed between not queued (null), ready and leased; `due` is when it is due. */
  move(lane: Lane, from: 'ready' | 'leased' | null, to: 'ready' | 'leased' | null, due: number): void;
  touch(lane: Lane): void;
  /** Earliest time behind `after` at which a lane has something due; Infinity when none. */
  nextDue(after: number): number;
  /** By destination: milliseconds between two transactions. */
  setPaces(paces: readonly (readonly [destination: string, interval: number])[]): void;
  /** Nothing goes to the lane's destination before. */
  pacedUntil(lane: Lane): number;
  /** A transaction of the lane was leased. */
  pace(lane: Lane, at: number): void;
  flush(): void;
  reload(): void;
};

/** Lanes without work that are kept in memory. */
const IDLE_LANES = 10_000;

export function openLanes(db: Database.Database): Lanes {
  const columns = 'n, organization, destination, priority, next_due, waiting, leased, paced_until, last_served';
  const loadActive = db.prepare<[], LaneRow>(`SELECT ${columns} FROM lane WHERE waiting + leased > 0`);
  const find = db.prepare<[string, string, string], LaneRow>(
    `SELECT ${columns} FROM lane WHERE organization = ? AND destination = ? AND priority = ?`,
  );
  const findNumber = db.prepare<[number], LaneRow>(`SELECT ${columns} FROM lane WHERE n = ?`);
  const insert = db.prepare('INSERT INTO lane (organization, destination, priority) VALUES (?, ?, ?)');
  const update = db.prepare(
    'UPDATE lane SET next_due = ?, waiting = ?, leased = ?, paced_until = ?, last_served = ? WHERE n = ?',
  );

  const byName = new Map<string, Lane>();
  const byNo = new Map<number, Lane>();
  const working = new Set<Lane>();
  const dirty = new Set<Lane>();
  const paces = new Map<string, number>();
  /** By destination. */
  const pacedUntil = new Map<string, number>();

  const take = (row: LaneRow): Lane => {
    const known = byNo.get(row.n);
    if (known) return known;
    const lane: Lane = {
      n: row.n,
      organization: row.organization,
      destination: row.destination,
      priority: row.priority,
      nextDue: row.next_due ?? Number.POSITIVE_INFINITY,
      waiting: row.waiting,
      leased: row.leased,
      pacedUntil: row.paced_until,
      lastServed: row.last_served,
    };
    byName.set(`${row.organization}\0${row.destination}\0${row.priority}`, lane);
    byNo.set(lane.n, lane);
    if (lane.pacedUntil > (pacedUntil.get(lane.destination) ?? 0)) pacedUntil.set(lane.destination, lane.pacedUntil);
    if (lane.waiting + lane.leased > 0) working.add(lane);
    return lane;
  };

  const forgetIdle = () => {
    if (byNo.size < IDLE_LANES + working.size) return;
    for (const [name, lane] of byName) {
      if (working.has(lane) || dirty.has(lane)) continue;
      byName.delete(name);
      byNo.delete(lane.n);
    }
  };

  const reload = () => {
    for (const all of [byName, byNo, working, dirty, pacedUntil]) all.clear();
    for (const row of loadActive.all()) take(row);
  };
  reload();

  return {
    of(organization, destination, priority) {
      const known = byName.get(`${organization}\0${destination}\0${priority}`);
      if (known) return known;
      let row = find.get(organization, destination, priority);
      if (!row) {
        insert.run(organization, destination, priority);
        row = find.get(organization, destination, priority) as LaneRow;
      }
      return take(row);
    },
    byNumber(n) {
      return byNo.get(n) ?? take(findNumber.get(n) as LaneRow);
    },
    active: () => working,
    move(lane, from, to, due) {
      if (from === 'ready') lane.waiting -= 1;
      if (from === 'leased') lane.leased -= 1;
      if (to === 'ready') lane.waiting += 1;
      if (to === 'leased') lane.leased += 1;
      if (to !== null && due < lane.nextDue) lane.nextDue = due;
      if (lane.waiting + lane.leased > 0) {
        working.add(lane);
      } else {
        lane.nextDue = Number.POSITIVE_INFINITY;
        working.delete(lane);
      }
      dirty.add(lane);
    },
    touch: (lane) => {
      dirty.add(lane);
    },
    nextDue(after) {
      let earliest = Number.POSITIVE_INFINITY;
      for (const lane of working) {
        const due = Math.max(lane.nextDue, pacedUntil.get(lane.destination) ?? 0);
        if (due > after && due < earliest) earliest = due;
      }
      return earliest;
    },
    setPaces(given) {
      paces.clear();
      for (const [destination, interval] of given) paces.set(destination, interval);
      for (const destination of pacedUntil.keys()) if (!paces.has(destination)) pacedUntil.delete(destination);
    },
    pacedUntil: (lane) => pacedUntil.get(lane.destination) ?? 0,
    pace(lane, at) {
      const interval = paces.get(lane.destination);
      if (interval === undefined) return;
      // Who asks a little late does not lose what that took, or the rate would stay below its bound.
      const due = Math.max(pacedUntil.get(lane.destination) ?? 0, at - interval / 2);
      lane.pacedUntil = Math.round(due + interval);
      pacedUntil.set(lane.destination, due + interval);
      dirty.add(lane);
    },
    flush() {
      for (const lane of dirty) {
        const due = lane.nextDue === Number.POSITIVE_INFINITY ? null : lane.nextDue;
        update.run(due, lane.waiting, lane.leased, lane.pacedUntil, lane.lastServed, lane.n);
      }
      dirty.clear();
      forgetIdle();
    },
    reload,
  };
}

/** The order in which due lanes are served: urgent before normal before bulk, each lower class keeps a tenth; inside a
 *  class organizations take turns, inside an organization the destination that waited longest. */
export class Turns {
  readonly #classes: Record<Priority, Map<string, Lane[]>>;
  readonly #served: Map<string, number>;

  /** `served`: when each class and organization was last served, kept by the caller. */
  constructor(due: Iterable<Lane>, served: Map<string, number>) {
    this.#classes = { urgent: new Map(), normal: new Map(), bulk: new Map() };
    this.#served = served;
    for (const lane of due) {
      const organizations = this.#classes[lane.priority];
      const lanes = organizations.get(lane.organization);
      if (lanes) lanes.push(lane);
      else organizations.set(lane.organization, [lane]);
    }
    for (const organizations of Object.values(this.#classes)) {
      for (const lanes of organizations.values()) lanes.sort((a, b) => b.lastServed - a.lastServed);
    }
  }

  /** The lane whose turn is `turn` (counted up by one for every transaction); null when none is left. */
  next(turn: number): Lane | null {
    for (const priority of classOrder(turn)) {
      const organizations = this.#classes[priority];
      let chosen: string | null = null;
      let longest = Number.POSITIVE_INFINITY;
      for (const organization of organizations.keys()) {
        const last = this.#served.get(`${priority} ${organization}`) ?? 0;
        if (last < longest) {
          longest = last;
          chosen = organization;
        }
      }
      if (chosen !== null) return (organizations.get(chosen) as Lane[]).at(-1) as Lane;
    }
    return null;
  }

  /** It was served at `turn` and has more that is due. */
  again(lane: Lane, turn: number): void {
    this.#served.set(`${lane.priority} ${lane.organization}`, turn);
    const lanes = this.#classes[lane.priority].get(lane.organization) as Lane[];
    lanes.pop();
    lanes.unshift(lane);
  }

  /** It cannot be served now. */
  skip(lane: Lane): void {
    const organizations = this.#classes[lane.priority];
    const lanes = organizations.get(lane.organization) as Lane[];
    lanes.pop();
    if (lanes.length === 0) organizations.delete(lane.organization);
  }

  /** Nothing of it is due any more. */
  remove(lane: Lane, turn: number): void {
    this.#served.set(`${lane.priority} ${lane.organization}`, turn);
    this.skip(lane);
  }
}

const URGENT_FIRST: readonly Priority[] = ['urgent', 'normal', 'bulk'];
const NORMAL_FIRST: readonly Priority[] = ['normal', 'urgent', 'bulk'];
const BULK_FIRST: readonly Priority[] = ['bulk', 'urgent', 'normal'];

function classOrder(turn: number): readonly Priority[] {
  if (turn % 10 === 0) return NORMAL_FIRST;
  if (turn % 10 === 5) return BULK_FIRST;
  return URGENT_FIRST;
}
