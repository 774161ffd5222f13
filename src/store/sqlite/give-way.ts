// What the writer does when the disk is full (P11): it removes the reserve (reserve.ts), and from then on runs only what must
// not be forgotten, out of the space that this gave; all else is refused as `full` until the reserve is there again.

import { existsSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Answer, BatchRunner } from './batch.ts';
import type { Call } from './protocol.ts';

/** Outcomes of what is under way, the leases under which it is, the audit; what a person does to the queue, with another where two
 *  are needed; what says that a body is gone, which makes space; and what only reads. */
const LAST = new Set([
  ...['settle', 'renew', 'append', 'checkpoint', 'keepOutages', 'operate', 'ask', 'approve', 'bodiless'],
  ...['nextDue', 'recall', 'tally', 'emptyLog'],
]);

/** Of these there may be any number: they run only while half of what the reserve gave is free, and the rest is for outcomes. */
const MANY = new Set(['bodiless']);

export type GivingWay = {
  run(calls: readonly Call[]): Answer[];
  /** True while only the last runs. */
  readonly isFull: () => boolean;
};

/** `reserve`: its path; null: there is none, and a batch that does not fit is refused whole. */
export function givingWay(runner: BatchRunner, reserve: string | null, spent: () => void): GivingWay {
  let full = false;
  /** Octets that the reserve gave. */
  let given = 0;

  function hasHalf(path: string): boolean {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize >= given / 2;
  }

  function runLast(calls: readonly Call[], path: string): Answer[] {
    const mayMany = calls.some(([, verb]) => MANY.has(verb)) && hasHalf(path);
    const runs = (verb: string) => LAST.has(verb) && (mayMany || !MANY.has(verb));
    const last = calls.filter(([, verb]) => runs(verb));
    const others = calls.filter(([, verb]) => !runs(verb));
    const answers = last.length > 0 ? runner.run(last) : [];
    return [
      ...answers,
      ...others.map(([no]) => ({ no, code: 'full', value: 'the disk is full; sealrelay doctor says what to do' })),
    ];
  }

  return {
    isFull: () => full,
    run(calls) {
      if (reserve === null) return runner.run(calls);
      // Made again by the main thread, whole as soon as it has its name.
      if (full && existsSync(reserve)) full = false;
      if (full) return runLast(calls, reserve);
      const answers = runner.run(calls);
      if (!answers.some(({ code }) => code === 'full')) return answers;
      full = true;
      given = statSync(reserve, { throwIfNoEntry: false })?.size ?? 0;
      rmSync(reserve, { force: true });
      spent();
      return runLast(calls, reserve);
    },
  };
}
