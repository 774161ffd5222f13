// Third step: signed checkpoints of the audit chain. All of it is clear: hashes, times, public keys.

export const STEP_0003 = `
CREATE TABLE checkpoint (
  no INTEGER PRIMARY KEY,
  node TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  at INTEGER NOT NULL,
  others TEXT NOT NULL,
  key BLOB NOT NULL,
  next BLOB,
  signature BLOB NOT NULL
) STRICT;
CREATE INDEX checkpoint_next ON checkpoint(no) WHERE next IS NOT NULL;
`;
