// All transitions of a message's stage and a delivery's state; the store refuses every other.

import type { DeliveryState, Stage } from './types.ts';

export const STAGE_NEXT: Readonly<Record<Stage, readonly Stage[]>> = {
  accepted: ['examined', 'decided', 'corrupt'],
  examined: ['decided', 'accepted', 'corrupt'],
  decided: ['finished', 'accepted', 'corrupt'],
  finished: ['bodiless'],
  bodiless: [],
  corrupt: ['finished'],
};

export const STATE_NEXT: Readonly<Record<DeliveryState, readonly DeliveryState[]>> = {
  undecided: ['ready', 'held', 'bounced', 'dropped', 'delivered'],
  // `ready` and `held` → `undecided` only by redecide.
  ready: ['leased', 'held', 'bounced', 'dropped', 'undecided', 'delivered'],
  leased: ['delivered', 'noticing', 'ready', 'held', 'bounced'],
  // What becomes of its notice becomes of it; `ready` when no hop shows what the notice demands.
  noticing: ['noticed', 'ready', 'held', 'bounced', 'dropped'],
  held: ['ready', 'bounced', 'dropped', 'undecided', 'delivered', 'noticed'],
  // A late settle: what the peer took was delivered, whatever we had given up meanwhile.
  bounced: ['delivered', 'noticed'],
  dropped: ['delivered', 'noticed'],
  delivered: [],
  noticed: [],
};

export const DELIVERY_STATES = Object.keys(STATE_NEXT) as readonly DeliveryState[];
export const STAGES = Object.keys(STAGE_NEXT) as readonly Stage[];

export function mayBecome(from: DeliveryState, to: DeliveryState): boolean {
  return STATE_NEXT[from].includes(to);
}

export function mayReach(from: Stage, to: Stage): boolean {
  return STAGE_NEXT[from].includes(to);
}

/** True when nothing more will be done for it. */
export function isEnded(state: DeliveryState): boolean {
  return state === 'delivered' || state === 'noticed' || state === 'bounced' || state === 'dropped';
}
