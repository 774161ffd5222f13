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

const ENTRY = 'node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed';
export const AUDIT_ROW = `${ENTRY}, digest, hash`;
/** A HexEntry. */
export const HEX_ROW = `${ENTRY}, lower(hex(digest)) AS digest, lower(hex(hash)) AS hash`;

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
