// The half of the connections that destinations share which are slow, new or do not answer. Organizations take turns: what becomes
// free goes to the one that has the fewest of the half and has had it for the shortest time, and a fifth is kept for those that have
// few. Who has not failed comes before who has. Logs nothing.

import type { Duration, OrganizationName } from '../../domain/ids.ts';
import { type After, PATIENCE } from './places.ts';

/** This part of the half is kept for organizations that have less of it. */
const KEPT = 1 / 5;

export type Half = {
  /** Whether one of the half became free in time; then it is taken. `failed`: since it answered or was new. */
  enter(organization: OrganizationName, failed: boolean): Promise<boolean>;
  /** One that was prompt when it began belongs to the half now. */
  count(organization: OrganizationName): void;
  /** Whether a new destination of it would get one at once, and nobody waits. */
  hasRoom(organization: OrganizationName): boolean;
  /** One of the half is free again, after so long. */
  giveBack(organization: OrganizationName, took: Duration): void;
  waiting(): number;
};

export type HalfDeps = {
  readonly after: After;
  readonly bounds: () => { readonly connections: number; readonly deliveriesInFlight: number };
};

type Waiter = {
  readonly organization: OrganizationName;
  readonly failed: boolean;
  readonly end: (go: boolean) => void;
};

export function createHalf({ after, bounds }: HalfDeps): Half {
  /** In order of arrival. */
  const waiters = new Set<Waiter>();
  /** Under way, of all and by organization. */
  let tardy = 0;
  const tardyOf = new Map<OrganizationName, number>();
  /** How long its attempts of the half took, together, since none of it was under way or waited. */
  const used = new Map<OrganizationName, Duration>();

  const share = () => Math.max(1, Math.floor(bounds().connections / 2));

  function count(organization: OrganizationName, by: 1 | -1): void {
    tardy += by;
    const left = (tardyOf.get(organization) ?? 0) + by;
    if (left > 0) tardyOf.set(organization, left);
    else tardyOf.delete(organization);
  }

  function mayHave(organization: OrganizationName): boolean {
    const kept = Math.floor(share() * KEPT);
    return tardy < ((tardyOf.get(organization) ?? 0) < kept ? share() : share() - kept);
  }

  /** Whose turn it is of those who may have one. */
  function first(): Waiter | undefined {
    const may = [...waiters].filter(({ organization }) => mayHave(organization));
    const fresh = may.filter(({ failed }) => !failed);
    const has = ({ organization }: Waiter) => tardyOf.get(organization) ?? 0;
    const had = ({ organization }: Waiter) => used.get(organization) ?? 0;
    // Sorting keeps the order of arrival among equals.
    return (fresh.length > 0 ? fresh : may).sort((a, b) => has(a) - has(b) || had(a) - had(b))[0];
  }

  function giveBack(organization: OrganizationName, took: Duration): void {
    count(organization, -1);
    used.set(organization, (used.get(organization) ?? 0) + took);
    for (let one = first(); one !== undefined; one = first()) one.end(true);
    if (tardyOf.has(organization)) return;
    if (![...waiters].some((one) => one.organization === organization)) used.delete(organization);
  }

  /** Whether there is room to wait: who has not failed takes that of one that has, else that of who has most that wait. */
  function makesRoom(organization: OrganizationName, failed: boolean): boolean {
    if (waiters.size < bounds().deliveriesInFlight / 2) return true;
    const last = [...waiters].reverse();
    const same = last.filter((one) => one.failed === failed);
    const waiting = new Map<OrganizationName, number>();
    for (const one of same) waiting.set(one.organization, (waiting.get(one.organization) ?? 0) + 1);
    const most = Math.max(0, ...waiting.values());
    const out =
      (failed ? undefined : last.find((one) => one.failed)) ??
      (most > (waiting.get(organization) ?? 0) + 1
        ? same.find((one) => waiting.get(one.organization) === most)
        : undefined);
    out?.end(false);
    return out !== undefined;
  }

  /** Whether one of the half became free in time; then it is taken. */
  async function enter(organization: OrganizationName, failed: boolean): Promise<boolean> {
    // Nobody who may have one waits.
    if (mayHave(organization)) {
      count(organization, 1);
      return true;
    }
    if (!makesRoom(organization, failed)) return false;
    return new Promise((resolve) => {
      const end = (go: boolean): void => {
        cancel();
        waiters.delete(waiter);
        if (go) count(organization, 1);
        resolve(go);
      };
      const waiter = { organization, failed, end };
      const cancel = after(PATIENCE, () => end(false));
      waiters.add(waiter);
    });
  }

  return {
    enter,
    count: (organization) => count(organization, 1),
    hasRoom: (organization) => waiters.size === 0 && mayHave(organization),
    giveBack,
    waiting: () => waiters.size,
  };
}
