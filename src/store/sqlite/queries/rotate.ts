// What stands under organization keys, and what should stand under `fields lasting` and does not, page by page: bodies by ranges
// of message numbers, so that a page costs the same however few of them still have a body.

import type Database from 'better-sqlite3';
import { GATEWAY } from '../../../domain/ids.ts';
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
  /** Rows whose box is not under the newest key `fields lasting` of their organization. */
  const notLasting = (table: string, number: string, id: string, organization: string) =>
    db.prepare<[number, number], KeyBoxRow>(
      `SELECT ${number} AS row, ${id} AS id, ${organization} AS organization, box, NULL AS body, 0 AS gone FROM ${table}
       WHERE ${number} > ? AND lower(hex(substr(box, 1, 4))) IS NOT
         (SELECT k.id FROM key k WHERE k.organization = ${organization} AND k.purpose = 'fields lasting'
          ORDER BY k.generation DESC LIMIT 1) ORDER BY ${number} LIMIT ?`,
    );
  const addressKeys = notLasting('address_key', 'n', 'id', 'address_key.organization');
  const operators = notLasting('operator', 'rowid', 'name', `'${GATEWAY}'`);
  const logins = notLasting('login', 'rowid', 'name', 'login.organization');
  const paged = (rows: KeyBoxRow[]): KeyBoxPage => ({ rows, next: rows.length < PAGE ? null : rows.at(-1)!.row });

  return {
    rotation: () => mark.get() ?? null,
    bodyBoxes([after]: readonly [number]): KeyBoxPage {
      const to = after + RANGE;
      return { rows: bodies.all(after, to), next: to < (last.get() ?? 0) ? to : null };
    },
    grantBoxes: ([after]: readonly [Uint8Array | 0]) => paged(grants.all(after || new Uint8Array(0), PAGE)),
    addressKeyBoxes: ([after]: readonly [number]) => paged(addressKeys.all(after, PAGE)),
    operatorBoxes: ([after]: readonly [number]) => paged(operators.all(after, PAGE)),
    loginBoxes: ([after]: readonly [number]) => paged(logins.all(after, PAGE)),
    privateBoxes: ([after]: readonly [number]) => paged(privates.all(after, PAGE)),
  };
}
