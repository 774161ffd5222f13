// A rotation of the master key that was begun and not finished goes on by itself; so does one that an operator began by
// putting a new line in front of the key that the gateway was started with.

import { MasterKeyError } from '../keys/master.ts';
import { codeOf } from '../relay/line.ts';
import { type Base, meterOf } from './base.ts';
import type { State } from './state.ts';

/** Returns at once; what it does is in the log. */
export function resumeRotation(base: Base, { rotation }: Pick<State, 'rotation'>): void {
  const { log } = base;
  const go = async () => {
    if ((await rotation.pending()) === null) return;
    log.info('the rotation of the master key goes on');
    const { to, linesLeft } = await rotation.run({ actor: 'gateway', reason: 'begun before this start' });
    log.info({ to, linesLeft }, 'the master key is rotated');
  };
  go().catch((error) => {
    meterOf(base).alarm('rotation failed');
    const why = error instanceof MasterKeyError ? error.message : codeOf(error);
    log.error({ why }, 'the rotation of the master key stopped; sealrelay keys master rotate goes on with it');
  });
}
