// Fourth step: what `sealrelay recover` rebuilt without the database. A recovered delivery may have been delivered before,
// and waits for `recover --release`. `unclaimed` are sealed objects that no row of this database can open (parcels, whose
// keys were lost; bodies that do not open): kept until an operator lets go of them.

export const STEP_0004 = `
ALTER TABLE delivery ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0;
CREATE INDEX delivery_recovered ON delivery(n) WHERE recovered = 1;

CREATE TABLE unclaimed (
  object TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  kind TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
