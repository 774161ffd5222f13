// The audit chain, read. Entries are written only by the verbs of the other ports, in their transactions, and by
// `append` for what changes no queue row (start, reload, operators, log searches).

import type { AuditEvent } from '../../domain/events.ts';
import type { DeliveryId, OrganizationName, QueueId, Time } from '../../domain/ids.ts';
import type { Actor, DeliveryState } from '../../domain/types.ts';
import type { SignedCheckpoint } from '../../record/checkpoint.ts';
import type { Bad, Head } from '../../record/verify.ts';

/** An entry as people see it: the boxed detail opened. */
export type AuditEntry = {
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly at: Time;
  readonly organization: OrganizationName;
  readonly message: QueueId | null;
  readonly delivery: DeliveryId | null;
  readonly actor: Actor;
  readonly event: AuditEvent;
  /** Clear detail: times, sizes, codes, levels, rule names, domains. Never an address. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** Boxed detail, opened; null when its key was deleted. */
  readonly boxed: Readonly<Record<string, unknown>> | null;
  /** hex */
  readonly hash: string;
};

/** Conditions of `log search`; one result is one delivery's life, newest first. Addresses are compared normalised. */
export type LogQuery = {
  readonly since?: Time;
  readonly until?: Time;
  readonly organization?: OrganizationName;
  readonly sender?: string;
  readonly recipient?: string;
  readonly domain?: string;
  readonly message?: QueueId;
  readonly states?: readonly DeliveryState[];
  /** A protection name, `none` for connections without TLS. */
  readonly protection?: string;
  readonly rule?: string;
  readonly limit: number;
  /** Cursor of the page before: the delivery id of its last row. */
  readonly before?: DeliveryId;
};
export type LogRow = {
  readonly delivery: DeliveryId;
  readonly message: QueueId;
  readonly organization: OrganizationName;
  readonly acceptedAt: Time;
  readonly endedAt: Time | null;
  readonly sender: string;
  readonly recipient: string;
  readonly destination: string;
  readonly size: number;
  readonly protection: string | null;
  readonly level: string | null;
  readonly state: DeliveryState;
  readonly status: string;
  readonly rule: string;
};

/** What `log verify` says. */
export type Verification = {
  readonly entries: number;
  readonly intact: boolean;
  /** The first entry that does not fit, and what is wrong with it. */
  readonly bad?: Bad;
  /** The last checkpoint whose signature fits; null when there is none. */
  readonly signed: { readonly no: number; readonly seq: number; readonly at: Time } | null;
  /** Deliveries that were accepted and have neither an end nor a row: how many, and the first. */
  readonly lost: { readonly count: number; readonly first?: string };
  readonly head: { readonly node: string; readonly epoch: number; readonly seq: number; readonly hash: string } | null;
  /** Entries that were pruned with their months, which `entries` does not count: named by an entry, not checked. */
  readonly pruned?: { readonly segments: number; readonly entries: number; readonly since: Time; readonly until: Time };
  /** Entries whose boxed detail was erased; the rest of them is checked. */
  readonly erased?: number;
};

/** What the next checkpoint is made of, of one moment. */
export type ProofState = {
  readonly head: Head;
  /** Heads of the other nodes and epochs. */
  readonly others: readonly Head[];
  /** The last checkpoint. */
  readonly last: SignedCheckpoint | null;
  /** The last one that names the key to go on with. */
  readonly standing: SignedCheckpoint | null;
};
/** An anchor that fits; `position`: entries of the whole audit up to it. */
export type Anchored = Head & { readonly no: number; readonly at: Time; readonly position: number };
/** The last anchor of each node and epoch that fits, and the first entry that does not. */
export type AnchorCheck = { readonly fitted: readonly Anchored[]; readonly bad: Bad | null };

export interface Audit {
  append(entries: readonly NewEntry[]): Promise<void>;
  search(query: LogQuery): Promise<readonly LogRow[]>;
  /** All entries of a message in order of the chain. */
  trace(message: QueueId): Promise<readonly AuditEntry[]>;
  /** Entries after `seq` in pages, for export. */
  read(after: { epoch: number; seq: number } | null, limit: number): Promise<readonly AuditEntry[]>;
  /** `keys`: first public keys kept elsewhere; null: the audit's own is believed. */
  verify(
    progress?: (checked: number, total: number) => void,
    keys?: readonly Uint8Array[] | null,
  ): Promise<Verification>;
  /** Compares anchors (lines of JSON, by rising number) with the chain; `fitted` as the call before gave it. */
  checkAnchors(lines: readonly string[], fitted: readonly Anchored[]): Promise<AnchorCheck>;
  /** Checkpoints that begin a series of day keys: the public keys to keep elsewhere. */
  firstKeys(): Promise<readonly SignedCheckpoint[]>;
  /** What the next checkpoint of that node is made of. */
  proofState(node: string): Promise<ProofState>;
  addCheckpoint(checkpoint: SignedCheckpoint): Promise<void>;
}

export type NewEntry = {
  readonly organization: OrganizationName;
  readonly actor: Actor;
  readonly event: AuditEvent;
  readonly message?: QueueId;
  readonly delivery?: DeliveryId;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly boxed?: Readonly<Record<string, unknown>>;
};
