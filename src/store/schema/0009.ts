// Ninth step: which keys the boxes of a segment are under, so that the key of a month is deleted with the last of them and
// not before. `keys`: JSON, the ids in hex; what is erased in a segment later makes it no longer, only too long. A segment
// without a row was not looked through yet. All of it is clear, as ids of keys are.

export const STEP_0009 = `
CREATE TABLE segment_keys (
  name TEXT PRIMARY KEY,
  keys TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
