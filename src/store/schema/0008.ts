// Eighth step: what one operator asked for and another has to confirm, and what was done without. What counts stands in the
// box; the clear columns find the rows.

export const STEP_0008 = `
CREATE TABLE approval (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  box BLOB NOT NULL
) STRICT;
CREATE INDEX approval_open ON approval(asked_at) WHERE state IN ('waiting', 'confirmed', 'unreviewed');
`;
