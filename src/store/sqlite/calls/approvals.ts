// Calls and rows of what one operator asked for and another confirms.

import type { Octets } from './octets.ts';

export type AskCall = readonly [
  id: string,
  state: string,
  actor: string,
  until: number,
  box: Octets,
  event: string,
  /** Clear audit detail, JSON. */
  detail: string,
];
export type ApproveCall = readonly [
  id: string,
  /** The box that is replaced. */
  before: Octets,
  box: Octets,
  state: string,
  actor: string,
  event: string,
  detail: string,
  reason: Octets,
];
export type ApprovalRow = { readonly id: string; readonly box: Uint8Array };
