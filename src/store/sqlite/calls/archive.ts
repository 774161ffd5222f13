// Calls and rows of segments (closed months of the audit), legal holds and what was destroyed.

import type { Octets } from './octets.ts';

/** A segment's row: entries `first` to `last` of that epoch, numbered n = base + seq. */
export type SegmentRow = {
  readonly no: number;
  /** Its file is `<name>.db` under `audit/`. */
  readonly name: string;
  /** YYYY-MM */
  readonly month: string;
  readonly node: string;
  readonly epoch: number;
  readonly base: number;
  readonly first: number;
  readonly last: number;
  /** Of its last entry. */
  readonly hash: Uint8Array;
  readonly first_at: number;
  readonly last_at: number;
  readonly messages: number;
  /** Numbers of messages and checkpoints; 0 when there are none. */
  readonly first_message: number;
  readonly last_message: number;
  readonly first_checkpoint: number;
  readonly last_checkpoint: number;
  readonly state: 'copied' | 'moved' | 'pruned';
  readonly closed_at: number;
  readonly pruned_at: number | null;
};

/** What was copied; hashes cross threads as bytes. */
export type Copied = Omit<SegmentRow, 'no' | 'state' | 'closed_at' | 'pruned_at'>;

/** What has to be closed: entries behind n = base + `after` that are before the end of their month. */
export type Closable = {
  readonly node: string;
  readonly epoch: number;
  readonly base: number;
  readonly after: number;
  /** seq of the epoch's last entry. */
  readonly until: number;
  readonly month: string;
  readonly end: number;
};

export const MOVED_TABLES = ['sought', 'message', 'checkpoint', 'audit'] as const;
export type MovedTable = (typeof MOVED_TABLES)[number];
export type MoveCall = readonly [name: string, table: MovedTable, after: readonly (number | Octets)[]];
/** Where to go on; null: nothing of that table is left. */
export type MoveAnswer = readonly (number | Octets)[] | null;

export type HoldRow = {
  readonly id: string;
  readonly organization: string;
  readonly sender_tag: Uint8Array | null;
  readonly recipient_tag: Uint8Array | null;
  readonly message: string | null;
  readonly since: number | null;
  readonly until: number | null;
  readonly added_at: number;
  readonly box: Uint8Array;
};

export type HoldCall = readonly [
  id: string,
  organization: string,
  senderTag: Octets | null,
  recipientTag: Octets | null,
  message: string | null,
  since: number | null,
  until: number | null,
  box: Octets,
  actor: string,
  detail: string,
];

export type EraseCall = readonly [
  organization: string,
  actor: string,
  /** Clear detail of each `log.erased`. */
  details: readonly string[],
  reason: Octets,
  /** Numbers. */
  entries: readonly number[],
  messages: readonly (readonly [n: number, id: string])[],
  senderTags: readonly Octets[],
  recipientTags: readonly Octets[],
  /** Legal holds that were looked at: one that is newer may cover what is named here. */
  holds: readonly string[],
];

/** What of a segment is erased. */
export type EraseInSegment = {
  readonly entries: readonly number[];
  readonly messages: readonly number[];
  readonly senderTags: readonly Uint8Array[];
  readonly recipientTags: readonly Uint8Array[];
};

/** What the archivist does, and says when it is done. */
export type ArchivistJob =
  | { readonly kind: 'copy'; readonly what: Closable; readonly now: number; readonly cutoff: number }
  | { readonly kind: 'erase'; readonly name: string; readonly what: EraseInSegment };
export type ArchivistData = { readonly database: string; readonly job: ArchivistJob };
export type ArchivistSaid = { readonly done: Copied | null } | { readonly refused: string };
