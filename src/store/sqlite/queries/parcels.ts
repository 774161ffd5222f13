// Reading parcels, grants and sessions: one by its name, or pages newest first by slices of rows.

import type Database from 'better-sqlite3';
import { type GrantRow, PARCEL_ROW, type ParcelRow, type SessionRow } from '../calls/parcels.ts';

export type ParcelList = {
  readonly organization?: string;
  readonly states?: readonly string[];
  /** Id of the last parcel seen. */
  readonly before?: string;
  readonly limit: number;
};

/** Rows that one statement looks at. */
const SLICE = 20_000;

export function parcelQueries(db: Database.Database) {
  const grant = db.prepare<[Uint8Array], GrantRow>(
    'SELECT locator, organization, conversation, kind, expires_at, key FROM access_grant WHERE locator = ?',
  );
  const session = db.prepare<[Uint8Array], SessionRow>(
    `SELECT hash, organization, conversation, kind, made_at, seen_at, expires_at, key FROM portal_session WHERE hash = ?`,
  );
  const byId = db.prepare<[string], ParcelRow>(`SELECT ${PARCEL_ROW} FROM parcel WHERE id = ?`);
  const ofConversation = db.prepare<[string], ParcelRow>(
    `SELECT ${PARCEL_ROW} FROM parcel WHERE conversation = ? ORDER BY n DESC LIMIT 1000`,
  );
  // What went another way and came back has a second one: the newest is meant.
  const ofDelivery = db.prepare<[string], ParcelRow>(
    `SELECT ${PARCEL_ROW} FROM parcel WHERE delivery = ? ORDER BY n DESC LIMIT 1`,
  );
  const retracted = db
    .prepare<[number], string>(
      "SELECT delivery FROM parcel INDEXED BY parcel_retracted WHERE state = 'retracted' AND ended_at > ? ORDER BY ended_at",
    )
    .pluck();
  const last = db.prepare<[], number | null>('SELECT max(n) FROM parcel').pluck();

  function list({ organization, states, before, limit }: ParcelList): ParcelRow[] {
    const conditions: string[] = [];
    const values: unknown[] = [];
    if (organization !== undefined) {
      conditions.push('AND organization = ?');
      values.push(organization);
    }
    if (states) {
      conditions.push(`AND state IN (${states.map(() => '?').join(', ')})`);
      values.push(...states);
    }
    const slice = db.prepare<unknown[], ParcelRow>(
      `SELECT ${PARCEL_ROW} FROM parcel WHERE n < ? AND n >= ? ${conditions.join(' ')} ORDER BY n DESC LIMIT ?`,
    );
    let high = before === undefined ? (last.get() ?? 0) + 1 : (byId.get(before)?.n ?? 0);
    const found: ParcelRow[] = [];
    while (high > 0 && found.length < limit) {
      const low = Math.max(high - SLICE, 0);
      found.push(...slice.all(high, low, ...values, limit - found.length));
      high = low;
    }
    return found;
  }

  return {
    grant: ([locator]: readonly [Uint8Array]) => grant.get(locator) ?? null,
    session: ([hash]: readonly [Uint8Array]) => session.get(hash) ?? null,
    parcel: ([id]: readonly [string]) => byId.get(id) ?? null,
    parcelsOfConversation: ([id]: readonly [string]) => ofConversation.all(id),
    parcelOfDelivery: ([id]: readonly [string]) => ofDelivery.get(id) ?? null,
    retractedSince: ([since]: readonly [number]) => retracted.all(since),
    parcelList: list,
  };
}
