// What stands under organization keys, page by page: bodies by ranges of message numbers, so that a page costs the same
// however few of them still have a body.

import type Database from 'better-sqlite3';
import type { KeyBoxPage, KeyBoxRow } from '../calls/keys.ts';

/** Messages looked at in a page, and rows of the other kinds. */
const RANGE = 2_000;
const PAGE = 500;

export function rotateQueries(db: Database.Database) {
  const mark = db.prepare<[], string>("SELECT value FROM tally WHERE name = 'rotation'").pluck();
  const last = db.prepare<[], number | null>('SELECT max(n) FROM message').pluck();
  const bodies = db.prepare<[number, number], KeyBoxRow>(
    `SELECT n AS row, id, organization, NULL AS box, body, bodied = 0 AS gone FROM message
     WHERE n > ? AND n <= ? AND json_extract(body, '$.key') <> ''`,
  );
  const grants = db.prepare<[Uint8Array, number], KeyBoxRow>(
    `SELECT locator AS row, lower(hex(locator)) AS id, organization, key AS box, NULL AS body, 0 AS gone FROM access_grant
     WHERE locator > ? ORDER BY locator LIMIT ?`,
  );
  const privates = db.prepare<[number, number], KeyBoxRow>(
    `SELECT n AS row, id, organization, private AS box, NULL AS body, 0 AS gone FROM address_key
     WHERE n > ? AND private IS NOT NULL ORDER BY n LIMIT ?`,
  );
  const paged = (rows: KeyBoxRow[]): KeyBoxPage => ({ rows, next: rows.length < PAGE ? null : rows.at(-1)!.row });

  return {
    rotation: () => mark.get() ?? null,
    bodyBoxes([after]: readonly [number]): KeyBoxPage {
      const to = after + RANGE;
      return { rows: bodies.all(after, to), next: to < (last.get() ?? 0) ? to : null };
    },
    grantBoxes: ([after]: readonly [Uint8Array | 0]) => paged(grants.all(after || new Uint8Array(0), PAGE)),
    privateBoxes: ([after]: readonly [number]) => paged(privates.all(after, PAGE)),
  };
}
