// Calls and rows of the audit and its checkpoints.

import type { StoredEntry } from '../../../record/verify.ts';
import type { Octets } from './octets.ts';

export type EntryCall = readonly [
  organization: string,
  message: string | null,
  delivery: string | null,
  actor: string,
  event: string,
  detail: string,
  boxed: Octets | null,
];

export type AuditRow = StoredEntry;

export const AUDIT_ROW =
  'node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed, digest, hash';

export type CheckpointRow = {
  readonly no: number;
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly at: number;
  /** JSON. */
  readonly others: string;
  readonly key: Uint8Array;
  readonly next: Uint8Array | null;
  readonly signature: Uint8Array;
};

export type CheckpointCall = readonly [
  no: number,
  node: string,
  epoch: number,
  seq: number,
  hash: Octets,
  at: number,
  others: string,
  key: Octets,
  next: Octets | null,
  signature: Octets,
];
