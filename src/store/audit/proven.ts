// Whether the audit verifies, asked before anything is destroyed for good: an entry that sets a legal hold may have been edited,
// hidden, or cut off with all that shows it. Each entry is verified once in a process; later only what came since. What the
// entries say is taken as they are verified, so that what is changed behind that counts for nothing.

import type { SignedCheckpoint } from '../../record/checkpoint.ts';
import type { Access } from '../sqlite/access.ts';
import { nothingTold, type Told, take } from './lasting.ts';
import { type Pin, sayBad } from './pin.ts';
import { newWalk, walkOn } from './verify.ts';

export type Proven = {
  /** What the entries say; null when they do not verify: then nothing may be destroyed, and an alarm says so. Rejects when
   *  `stop` is aborted. */
  prove(stop?: AbortSignal): Promise<Told | null>;
  /** Why they did not when they were looked at last, in words; null: they did. */
  wrong(): string | null;
};

export function openProven(access: Access, pin: Pin): Proven {
  const walk = newWalk();
  const told = nothingTold();
  let wrong: string | null = null;
  let last: Promise<unknown> = Promise.resolve();

  async function why(stop?: AbortSignal): Promise<string | null> {
    // A key that was lost began a new series, with an alarm: that the past is the one that was signed is asked of the pin.
    const firsts = (await access.read<SignedCheckpoint[]>('firstKeys', null)).map(({ key }) => key);
    const reading: Pick<Access, 'read'> = {
      async read(query, args) {
        stop?.throwIfAborted();
        return access.read(query, args);
      },
    };
    const { bad } = await walkOn(reading, walk, undefined, firsts.length > 0 ? firsts : null);
    walk.lost = [];
    for (const row of walk.lasting.splice(0)) take(told, row);
    return bad ? sayBad(bad) : pin.wrong();
  }

  async function prove(stop?: AbortSignal): Promise<Told | null> {
    const found = await why(stop);
    wrong = found && `nothing of the audit is destroyed, for it does not verify and may hide a legal hold: ${found}`;
    if (wrong === null) return told;
    access.alarm(`${wrong}; sealrelay log verify`);
    return null;
  }

  return {
    prove(stop) {
      const mine = last.then(
        () => prove(stop),
        () => prove(stop),
      );
      last = mine;
      return mine;
    },
    wrong: () => wrong,
  };
}
