// Pages of open deliveries beside what a look at every row says: ties of time longer than a slice, few open among many, several
// recipients, conditions of the delivery and of its message.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { DELIVERIES } from '../../src/store/sqlite/calls/queue.ts';
import { migrate } from '../../src/store/sqlite/database.ts';
import { type ListCall, listQuery } from '../../src/store/sqlite/queries/list.ts';

const MESSAGES = 6_000;
/** Who has old mail that waits: one in so many is open at first, all at the end. */
const FEW = 50;

let folder: string;
let db: Database.Database;

type Row = {
  readonly n: number;
  readonly id: string;
  readonly at: number;
  readonly organization: string;
  readonly domain: string;
};
const rows: Row[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-list-'));
  db = new Database(join(folder, 'queue.db'));
  migrate(db);
  const message = db.prepare(
    `INSERT INTO message (n, id, organization, stage, origin, size, digest, accepted_at, accepted_by, cause, smtp_utf8, body,
       deliveries, open, fixed, finished_at) VALUES (?, ?, ?, 'decided', 'relayed', 1, x'00', ?, 'gw', ?, 0, '{}', 1, 1, x'00', ?)`,
  );
  const delivery = db.prepare(
    `INSERT INTO delivery (n, lane, destination, domain, priority, state, expires_at, may_tell) VALUES (?, 1, 'a', ?, 'normal', ?, 1, 0)`,
  );
  db.transaction(() => {
    for (let n = 1; n <= MESSAGES; n++) {
      const isOpen = n > MESSAGES / 2 || n % FEW === 0;
      // The clock stands for 2,500 messages and steps back once.
      const at = 1_000 + Math.floor(n / 2_500) - (n % 1_777 === 0 ? 5 : 0);
      const organization = n % 3 === 0 ? 'clinic' : 'practice';
      message.run(n, `m${n}`, organization, at, `c${n}`, isOpen ? null : 1);
      for (let i = 0; i <= n % 3; i++) {
        const domain = `d${(n + i) % 40}.test`;
        delivery.run(n * DELIVERIES + i, domain, isOpen ? 'held' : 'delivered');
        if (isOpen) rows.push({ n: n * DELIVERIES + i, id: `m${n}.${i}`, at, organization, domain });
      }
    }
  })();
  rows.sort((a, b) => b.at - a.at || b.n - a.n);
});

afterAll(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

test.each<[Omit<ListCall, 'limit'>, number, (row: Row) => boolean]>([
  [{}, 200, () => true],
  [{ states: ['held'] }, 7, (row) => row.at < 1_001],
  [{ domain: 'd7.test' }, 200, (row) => row.domain === 'd7.test'],
  [{ domain: 'd7.test' }, 3, (row) => row.domain === 'd7.test'],
  [{ organization: 'clinic' }, 100, (row) => row.organization === 'clinic'],
  [
    { organization: 'clinic', domain: 'd3.test' },
    50,
    (row) => row.organization === 'clinic' && row.domain === 'd3.test',
  ],
  [{ states: ['ready'] }, 50, () => false],
  [{ domain: 'nowhere.test' }, 50, () => false],
])('%j, %i a page', (what, limit, wanted) => {
  const list = listQuery(db);
  const call = { ...what, ...(what.states?.[0] === 'held' && { acceptedBefore: 1_001 }) };
  const found: string[] = [];
  for (;;) {
    const before = found.at(-1);
    const page = list({ ...call, limit, ...(before !== undefined && { before }) });
    found.push(...page.map(({ n, message }) => `${message.id}.${n % DELIVERIES}`));
    if (page.length < limit) break;
    expect(found.length).toBeLessThanOrEqual(rows.length);
  }
  expect(found).toEqual(rows.filter(wanted).map(({ id }) => id));
});

test('what does not match costs no look at its message or its boxes', () => {
  const sql: string[] = [];
  const watched = new Database(join(folder, 'queue.db'), { verbose: (text) => void sql.push(String(text)) });
  listQuery(watched)({ domain: 'nowhere.test', limit: 200 });
  watched.close();
  const matching = sql.filter((text) => text.includes('d.domain'));
  expect(matching.length).toBeLessThan(MESSAGES / 4);
  expect(matching.every((text) => !text.includes('JOIN') && text.startsWith('SELECT d.n FROM'))).toBe(true);
});
