// Answers of a copy of the living database.

/** Where the audit of the copy ends, and what made it. `hash`: hex. */
export type SnapshotHead = {
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly hash: string;
  readonly schema: number;
};
/** `near`: only few pages are left, and `finish` is waited for. */
export type SnapshotState = { readonly pages: number; readonly left: number; readonly near: boolean };
