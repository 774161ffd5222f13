// What one operator asked for and another has to confirm (four eyes), and what was done without (break-glass).

import type { Time } from '../../domain/ids.ts';
import type { Actor } from '../../domain/types.ts';

/** waiting → confirmed → used, or refused before it is used; done without: unreviewed → reviewed. Past `until`, waiting and confirmed are
 *  over without a change. */
export type ApprovalState = 'waiting' | 'confirmed' | 'refused' | 'used' | 'unreviewed' | 'reviewed';

/** What was asked for, as the asker gave it. */
export type Asked = {
  readonly command: string;
  readonly args: unknown;
  /** What the arguments do not say: a digest of the files that a reload reads, or nothing. */
  readonly of: string;
  /** The asker's words; empty when none were given. */
  readonly reason: string;
};
export type Approval = Asked & {
  readonly id: string;
  readonly state: ApprovalState;
  readonly askedBy: Actor;
  readonly askedAt: Time;
  readonly until: Time;
  readonly decidedBy: Actor | null;
  readonly decidedAt: Time | null;
  /** Of what was done without: it failed, or changed nothing. */
  readonly failed: boolean;
};

export interface Approvals {
  /** Keeps it as `waiting`, or, when it is done at once, as `unreviewed`; with its entry in the audit. */
  ask(asked: Asked, actor: Actor, until: Time, state: 'waiting' | 'unreviewed'): Promise<Approval>;
  /** Waiting, confirmed and unreviewed ones, oldest first; those past their time are left out. One whose box does not open is
   *  left out with an alarm. */
  open(): Promise<readonly Approval[]>;
  /** Moves it on, with its entry. Throws QueueError: `not found`; `wrong state` when it is in
   *  another state, past its time, or asked for by who would confirm or review it. */
  confirm(id: string, actor: Actor, reason: string): Promise<void>;
  refuse(id: string, actor: Actor, reason: string): Promise<void>;
  use(id: string, actor: Actor): Promise<void>;
  /** Marks one that was done without as failed; it stays unreviewed. */
  fail(id: string, actor: Actor): Promise<void>;
  review(id: string, actor: Actor, reason: string): Promise<void>;
}
