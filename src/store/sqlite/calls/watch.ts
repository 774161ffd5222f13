// Calls and rows of what is watched.

import type { NotificationRow } from './queue.ts';

export type ReminderRow = NotificationRow & { readonly no: number; readonly since: number };

/** `bad`: what does not fit, in words; null when all does. */
export type TailAnswer = { readonly entries: number; readonly bad: string | null };

export type AlertedCall = readonly [
  told: readonly (readonly [cause: string, at: number, state: string])[],
  mails: readonly (readonly [organization: string, message: string, at: number])[],
  /** What ended before is forgotten. */
  forget: number,
];
