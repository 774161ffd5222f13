// Fifth step: closed months of the audit in files of their own, legal holds, erased detail. A `segment` is a file under
// `audit/` with the entries `first` to `last` of one epoch, numbered n = base + seq, and with the messages that were over by
// then. state: `copied` (whole and synced, its rows may still stand here too), `moved` (they do not any more), `pruned`
// (the file is gone). `erased`: entries whose boxed detail was destroyed; `done` 0: not seen to be done where they stand.
// `destruction`: numbers of the entries that tell what was destroyed.

export const STEP_0005 = `
CREATE TABLE segment (
  no INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  month TEXT NOT NULL,
  node TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  base INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  hash BLOB NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  first_message INTEGER NOT NULL,
  last_message INTEGER NOT NULL,
  first_checkpoint INTEGER NOT NULL,
  last_checkpoint INTEGER NOT NULL,
  state TEXT NOT NULL,
  closed_at INTEGER NOT NULL,
  pruned_at INTEGER
) STRICT;

CREATE TABLE legal_hold (
  id TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  sender_tag BLOB,
  recipient_tag BLOB,
  message TEXT,
  since INTEGER,
  until INTEGER,
  added_at INTEGER NOT NULL,
  box BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erased (n INTEGER PRIMARY KEY, done INTEGER NOT NULL) STRICT;
CREATE TABLE destruction (n INTEGER PRIMARY KEY) STRICT;
`;
