// What the adapters on the main thread and the two store threads say to each other: the verbs, and how calls and answers are
// posted. Shapes of arguments, answers and rows: calls/. Threads see boxes, tags and clear columns, never what is in a box.

import type { ApproveCall, AskCall } from './calls/approvals.ts';
import type { Copied, EraseCall, HoldCall, HoldRow, MoveAnswer, MoveCall } from './calls/archive.ts';
import type { CheckpointCall, EntryCall } from './calls/audit.ts';
import type {
  AddAddressKeyCall,
  ChangeAddressKeyCall,
  DestroyKeysCall,
  KeyRowCall,
  ReplaceCall,
  RetireCall,
  RewrapCall,
  SegmentKeysCall,
  StoredKey,
} from './calls/keys.ts';
import type { Octets } from './calls/octets.ts';
import type { ChallengeCall, EscrowCall, GoneRow, SessionCall, TriedAnswer, TryCall } from './calls/parcels.ts';
import type {
  AcceptAnswer,
  AcceptCall,
  DecideAnswer,
  DecideCall,
  MessageLeaseRow,
  NotificationRow,
  OperateAnswer,
  OperateCall,
  SettleCall,
} from './calls/queue.ts';
import type {
  BeginRecoveryCall,
  BeginRestoreCall,
  HoldRestoredCall,
  RecoverAnswer,
  RecoverCall,
  RestoreAnswer,
} from './calls/recovery.ts';
import type { SnapshotHead, SnapshotState } from './calls/snapshot.ts';
import type { AlertedCall } from './calls/watch.ts';

/** Verbs of the writer thread: argument and answer of each. */
export type WriterVerbs = {
  accept: { args: AcceptCall; answer: AcceptAnswer };
  toExamine: { args: readonly [owner: string, limit: number, until: number]; answer: MessageLeaseRow[] };
  examined: {
    args: readonly [id: string, owner: string, lease: number, box: Octets, notBefore: number];
    answer: null;
  };
  examineFailed: {
    args: readonly [id: string, owner: string, lease: number, box: Octets, notBefore: number];
    answer: null;
  };
  decided: { args: DecideCall; answer: DecideAnswer };
  lease: {
    args: readonly [
      owner: string,
      limit: number,
      until: number,
      recipients: number,
      not: readonly string[],
      urgentOnlyOf: readonly string[],
      rooms: readonly (readonly [destination: string, most: number])[] | null,
    ];
    answer: MessageLeaseRow[];
  };
  /** Milliseconds between two transactions to a destination. */
  pace: { args: readonly (readonly [destination: string, interval: number])[]; answer: null };
  renew: {
    args: readonly [owner: string, until: number, deliveries: readonly string[], nos: readonly number[]];
    answer: string[];
  };
  settle: { args: SettleCall; answer: null };
  /** Holds what does not open; the box says so. */
  unopened: { args: readonly [deliveries: readonly string[], boxes: readonly Octets[]]; answer: null };
  toNotify: {
    args: readonly [limit: number, until: number, now: number, delayAfter: number];
    answer: NotificationRow[];
  };
  told: { args: readonly [deliveries: readonly string[], kind: number, how: string]; answer: null };
  bodiless: { args: readonly [id: string]; answer: null };
  corrupt: { args: readonly [id: string, why: string, lacks: 'body' | 'boxes']; answer: 'corrupt' | 'abandoned' };
  abandon: { args: readonly [id: string, why: string]; answer: null };
  nextDue: {
    args: readonly [after: number];
    answer: readonly [examine: number | null, deliver: number | null, notify: number | null];
  };
  clearLeases: { args: readonly [owner: string]; answer: readonly [messages: number, deliveries: number] };
  operate: { args: OperateCall; answer: OperateAnswer };
  recall: { args: readonly [verb: string]; answer: { complete: boolean; answers: OperateAnswer[] } };
  keepOutages: { args: readonly [outages: string, event: string, detail: string]; answer: null };
  append: { args: readonly EntryCall[]; answer: null };
  checkpoint: { args: CheckpointCall; answer: null };
  closeSegment: { args: readonly [Copied]; answer: null };
  moveOut: { args: MoveCall; answer: MoveAnswer };
  segmentMoved: { args: readonly [name: string]; answer: null };
  pruneSegment: { args: readonly [name: string, months: number]; answer: boolean };
  erase: { args: EraseCall; answer: null };
  erasedDone: { args: readonly [entries: readonly number[]]; answer: null };
  recordDestroyed: { args: readonly [detail: string]; answer: null };
  addHold: { args: HoldCall; answer: null };
  putHoldBack: { args: readonly [row: HoldRow]; answer: boolean };
  removeHold: { args: readonly [id: string, actor: string, detail: string, reason: Octets]; answer: null };
  addKey: { args: KeyRowCall; answer: StoredKey };
  beginRotation: { args: readonly [mark: string, actor: string, detail: string, reason: Octets]; answer: null };
  rewrapKeys: { args: RewrapCall; answer: number };
  replaceBoxes: { args: ReplaceCall; answer: number };
  retireKeys: { args: RetireCall; answer: null };
  emptyLog: { args: null; answer: boolean };
  segmentKeys: { args: SegmentKeysCall; answer: null };
  destroyKeys: { args: DestroyKeysCall; answer: string[] };
  endRotation: { args: readonly [actor: string, detail: string]; answer: null };
  addAddressKey: { args: AddAddressKeyCall; answer: boolean };
  changeAddressKey: { args: ChangeAddressKeyCall; answer: boolean };
  ask: { args: AskCall; answer: null };
  approve: { args: ApproveCall; answer: null };
  addOperator: {
    args: readonly [name: string, box: Octets, actor: string, detail: string, reason: Octets];
    answer: null;
  };
  dropAccount: { args: readonly [kind: 'operator' | 'submission', name: string, box: Octets]; answer: boolean };
  removeOperator: { args: readonly [name: string, actor: string, reason: Octets]; answer: null };
  addLogin: {
    args: readonly [name: string, organization: string, box: Octets, actor: string, detail: string, reason: Octets];
    answer: null;
  };
  removeLogin: { args: readonly [name: string, organization: string, actor: string, reason: Octets]; answer: null };
  escrow: { args: EscrowCall; answer: null };
  challenge: { args: ChallengeCall; answer: 'made' | 'too many' };
  tryCode: { args: TryCall; answer: TriedAnswer };
  openSession: { args: SessionCall; answer: null };
  touchSession: { args: readonly [hash: Octets, seenAt: number]; answer: null };
  closeSession: { args: readonly [hash: Octets]; answer: null };
  parcelSeen: { args: readonly [parcel: string, what: 'viewed' | 'downloaded', detail: string]; answer: null };
  parcelReplied: { args: readonly [parcel: string, mail: AcceptCall]; answer: null };
  extendParcel: {
    args: readonly [parcel: string, until: number, actor: string, reason: Octets];
    answer: null;
  };
  retractParcel: { args: readonly [parcel: string, actor: string, reason: Octets]; answer: null };
  sweepParcels: { args: readonly [now: number, keep: number]; answer: GoneRow[] };
  forgetParcel: { args: readonly [parcel: string]; answer: null };
  beginRecovery: { args: BeginRecoveryCall; answer: null };
  recover: { args: RecoverCall; answer: RecoverAnswer };
  discardUnclaimed: { args: readonly [actor: string, reason: Octets]; answer: number };
  beginRestore: { args: BeginRestoreCall; answer: RestoreAnswer };
  holdRestored: { args: HoldRestoredCall; answer: number };
  alerted: { args: AlertedCall; answer: null };
  tally: { args: null; answer: Tally };
  snapshot: { args: readonly [path: string]; answer: SnapshotHead };
  snapshotState: { args: null; answer: SnapshotState | null };
  snapshotFinish: { args: null; answer: null };
  snapshotCancel: { args: null; answer: null };
  /** Only with fault injection: the next commit fails with this SQLite code. */
  fault: { args: readonly [code: string]; answer: null };
};

export type WriterVerb = keyof WriterVerbs;

export type Tally = {
  stages: Record<string, number>;
  states: Record<string, number>;
  /** Last lease number given. */
  lease: number;
  /** Messages up to this number were acknowledged. */
  acknowledged: number;
  /** Last place in the order in which lanes were served. */
  served: number;
};

/** One call as it is posted; a batch is an array of them. */
export type Call = readonly [no: number, verb: string, id: string, at: number, args: unknown];

/** Answers of a batch, three places each: call number, 0 or an error's code, value or message. */
export type Answers = readonly unknown[];

export type ThreadMessage =
  | { readonly ready: true; readonly synchronous: number }
  | { readonly refused: string; readonly code: string | undefined }
  | { readonly failed: string }
  | { readonly grown: true }
  /** The disk is full, the reserve removed. */
  | { readonly full: true };
