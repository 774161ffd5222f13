// The schema as numbered steps. A step only widens (new tables, columns, indexes), so that a gateway of the release
// before still works on it; what it leaves behind is removed a release later.

import { STEP_0001 } from './0001.ts';
import { STEP_0002 } from './0002.ts';
import { STEP_0003 } from './0003.ts';
import { STEP_0004 } from './0004.ts';
import { STEP_0005 } from './0005.ts';
import { STEP_0006 } from './0006.ts';
import { STEP_0007 } from './0007.ts';
import { STEP_0008 } from './0008.ts';
import { STEP_0009 } from './0009.ts';
import { STEP_0010 } from './0010.ts';

/** SQL of step i + 1. Append only; a step that was released is never edited. */
export const STEPS: readonly string[] = [
  STEP_0001,
  STEP_0002,
  STEP_0003,
  STEP_0004,
  STEP_0005,
  STEP_0006,
  STEP_0007,
  STEP_0008,
  STEP_0009,
  STEP_0010,
];

/** Steps still to run on a database that is at `version`; throws when the database is newer than this gateway. */
export function stepsAfter(version: number): readonly string[] {
  if (version > STEPS.length) {
    throw new Error(
      `the database has schema ${version}, this gateway knows ${STEPS.length}: start the newer gateway, or restore`,
    );
  }
  return STEPS.slice(version);
}
