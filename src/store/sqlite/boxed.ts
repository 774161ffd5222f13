// Where boxes under `fields` keys stand: each column of each table. A key is deleted only when none of them has a box under
// it, so a column that is missing here is detail lost (a test compares it with the schema).

import { DELIVERIES } from './calls/queue.ts';

export type BoxedTable = {
  readonly table: string;
  readonly columns: readonly string[];
  /** A number by which its rows are looked through in slices; null: it is small, and only looked at in the transaction. */
  readonly number: string | null;
  /** Numbers in a slice: well under a second. */
  readonly slice: number;
  /** Which mark (`BoxMarks`) its numbers are compared with in the transaction; null: all of it is looked at again there, by an
   *  index when it may be large. */
  readonly after: { readonly mark: 'message' | 'audit'; readonly times: number } | null;
  /** It stands in segments too. */
  readonly moves: boolean;
};

const whole = { number: null, slice: 0, after: null, moves: false } as const;

export const BOXED: readonly BoxedTable[] = [
  { table: 'audit', columns: ['boxed'], number: 'n', slice: 5_000, after: { mark: 'audit', times: 1 }, moves: true },
  {
    ...{ table: 'message', columns: ['fixed', 'examination'], number: 'n', slice: 2_000, moves: true },
    after: { mark: 'message', times: 1 },
  },
  {
    ...{ table: 'delivery', columns: ['decision', 'because'], number: 'n', slice: 2_000 * DELIVERIES, moves: true },
    after: { mark: 'message', times: DELIVERIES },
  },
  { table: 'parcel', columns: ['fixed'], number: 'n', slice: 5_000, after: null, moves: true },
  { table: 'conversation', columns: ['fixed'], number: 'rowid', slice: 5_000, after: null, moves: false },
  { table: 'address_key', columns: ['box'], number: 'n', slice: 5_000, after: null, moves: false },
  { table: 'approval', columns: ['box'], ...whole },
  { table: 'legal_hold', columns: ['box'], ...whole },
  { table: 'operator', columns: ['box'], ...whole },
  { table: 'login', columns: ['box'], ...whole },
];
