// Attempts at destinations while they are under way. One at a destination that hangs, whatever it did before, keeps one
// connection for as long as RFC 5321 §4.5.3.2 asks for; its others are left after seconds when somebody wants them. Those on
// which the final dot was sent are not, since what they carry would be sent twice: they are set aside, as many as there may be
// connections, and count as none. Logs nothing.

import type { Duration, OrganizationName } from '../../domain/ids.ts';
import type { Clock } from '../../domain/types.ts';
import type { Half } from './half.ts';
import { hasAnswered, hasFailed, type Known, narrow } from './known.ts';
import type { After, Places } from './places.ts';

/** An attempt that takes longer is slow … */
const PROMPT: Duration = 2_000;
/** … but one that carries much may take a second more for so many octets. */
const OCTETS = 1 << 20;
/** After so long, as much more for what is large, it hangs. */
const HANGS: Duration = 15_000;
/** Then it is looked whether others want what it has. */
const AGAIN: Duration = 5_000;

/** What came of an attempt: a next hop answered, none was reached, or it says nothing of the destination. */
export type Reached = 'answered' | 'nobody' | 'unknown';

export type Attempt = {
  readonly kind: 'go';
  /** Aborted when the destination hangs, other attempts at it are under way, and others want its connection. */
  readonly signal: AbortSignal;
  /** From now on the destination is waited for. Behind the dot it is not left, but does not count as a connection when it
   *  hangs. */
  readonly watch: (stage: 'before the dot' | 'behind the dot') => void;
  /** Once, whatever came of it. */
  readonly leave: (reached: Reached) => void;
};

export type UnderWayDeps = {
  readonly clock: Pick<Clock, 'now'>;
  readonly fraction: () => number;
  readonly after: After;
  /** One more may have a connection. */
  readonly freed: () => void;
  readonly bounds: () => { readonly connections: number };
  readonly half: Pick<Half, 'count' | 'giveBack' | 'hasRoom'>;
  readonly connections: Pick<Places, 'give'>;
};

export type UnderWay = {
  /** For a message of `size` octets; places of the destination and of all connections were taken, of the half when `counted`. */
  begin(one: Known, size: number, organization: OrganizationName, counted: boolean): Attempt;
  /** Attempts that only wait for the answer to the final dot. */
  setAside(): number;
};

export function createUnderWay(deps: UnderWayDeps): UnderWay {
  const { clock, fraction, after, freed, bounds, half, connections } = deps;
  let setAside = 0;

  function begin(one: Known, size: number, organization: OrganizationName, counted: boolean): Attempt {
    const begun = clock.now();
    const larger = Math.floor((size / OCTETS) * 1_000);
    const patience = PROMPT + larger;
    const stopping = new AbortController();
    let counts = counted;
    let apart = false;
    let unwatch = () => {};
    one.underWay += 1;
    // One that answered promptly may hang today.
    const cancel = after(patience, () => {
      if (!counts) half.count(organization);
      counts = true;
      one.prompt = false;
    });
    const stop = (): boolean => {
      if (one.underWay <= 1) return false;
      one.underWay -= 1;
      narrow(one);
      stopping.abort();
      return true;
    };
    const setApart = (): boolean => {
      if (setAside >= bounds().connections) return false;
      setAside += 1;
      apart = true;
      narrow(one);
      giveBack();
      freed();
      return true;
    };
    const giveBack = (): void => {
      if (counts) half.giveBack(organization, clock.now() - begun);
      counts = false;
      connections.give();
    };
    const watch = (stage: 'before the dot' | 'behind the dot'): void => {
      const yields = stage === 'before the dot' ? stop : setApart;
      const look = (): void => {
        if (half.hasRoom(organization) || !yields()) unwatch = after(AGAIN, look);
      };
      unwatch();
      // Another next hop of the same attempt, which counts as none already.
      if (!apart) unwatch = after(HANGS + larger, look);
    };
    const leave = (reached: Reached): void => {
      cancel();
      unwatch();
      if (!stopping.signal.aborted) one.underWay -= 1;
      if (reached === 'answered') hasAnswered(one, clock.now() - begun < patience);
      else if (reached === 'nobody') hasFailed(one, clock.now(), fraction);
      if (apart) setAside -= 1;
      else giveBack();
      one.places.give();
    };
    return { kind: 'go', signal: stopping.signal, watch, leave };
  }

  return { begin, setAside: () => setAside };
}
