// First step of the schema. Clear are ids, organization, times, sizes, states, counts, destination domain, status codes,
// rule name, policy version, protection, level (src/README.md, "Rows"); everything else stands in the boxes `fixed`,
// `examination`, `decision`, `because`, `box`, `boxed`.
//
// A delivery's number is its message's number × 65,536 + its index: a message's deliveries are one range of the table.
// What waits for a time stands in partial indexes only, so that finished rows cost the line nothing:
//   message_due        messages to examine; while leased, `due` is the end of the lease
//   delivery_due       ready deliveries by lane; while leased, `not_before` is the end of the lease
//   delivery_tell      what somebody has to be told: class 1 now, class 2 when it has waited too long
// `sought` finds messages and deliveries by search tag, one day after the other: a tag is as good as random, and an
// index over all years would touch a cold page for every insert.

export const STEP_0001 = `
CREATE TABLE message (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  organization TEXT NOT NULL,
  stage TEXT NOT NULL,
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  digest BLOB NOT NULL,
  accepted_at INTEGER NOT NULL,
  accepted_by TEXT NOT NULL,
  cause TEXT NOT NULL,
  parent TEXT,
  smtp_utf8 INTEGER NOT NULL,
  body TEXT NOT NULL,
  deliveries INTEGER NOT NULL,
  open INTEGER NOT NULL,
  fixed BLOB NOT NULL,
  examination BLOB,
  examine_attempts INTEGER NOT NULL DEFAULT 0,
  due INTEGER,
  lease_owner TEXT,
  lease_no INTEGER NOT NULL DEFAULT 0,
  finished_at INTEGER,
  bodied INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX message_cause ON message(cause);
CREATE INDEX message_due ON message(due) WHERE due IS NOT NULL;
CREATE INDEX message_unfinished ON message(accepted_at) WHERE finished_at IS NULL;
CREATE INDEX message_finished ON message(finished_at) WHERE finished_at IS NOT NULL AND bodied = 1;

CREATE TABLE delivery (
  n INTEGER PRIMARY KEY,
  lane INTEGER NOT NULL,
  destination TEXT NOT NULL,
  domain TEXT NOT NULL,
  priority TEXT NOT NULL,
  state TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT '',
  rule TEXT NOT NULL DEFAULT '',
  list TEXT NOT NULL DEFAULT '',
  level TEXT,
  policy_version TEXT NOT NULL DEFAULT '',
  step INTEGER NOT NULL DEFAULT 0,
  step_since INTEGER,
  step_attempts INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  told_at INTEGER,
  may_tell INTEGER NOT NULL,
  tell INTEGER NOT NULL DEFAULT 0,
  told INTEGER NOT NULL DEFAULT 0,
  tell_class INTEGER NOT NULL DEFAULT 0,
  tell_at INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_no INTEGER NOT NULL DEFAULT 0,
  in_doubt INTEGER NOT NULL DEFAULT 0,
  decision BLOB,
  because BLOB
) STRICT;
CREATE INDEX delivery_due ON delivery(lane, not_before) WHERE state IN ('ready', 'leased');
CREATE INDEX delivery_tell ON delivery(tell_class, tell_at) WHERE tell_class > 0;

CREATE TABLE attempt (
  delivery INTEGER NOT NULL,
  no INTEGER NOT NULL,
  lease INTEGER NOT NULL,
  step INTEGER NOT NULL,
  owner TEXT NOT NULL,
  begun_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT,
  status TEXT,
  level TEXT,
  PRIMARY KEY (delivery, no)
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
  n INTEGER PRIMARY KEY,
  organization TEXT NOT NULL,
  destination TEXT NOT NULL,
  priority TEXT NOT NULL,
  next_due INTEGER,
  waiting INTEGER NOT NULL DEFAULT 0,
  leased INTEGER NOT NULL DEFAULT 0,
  paced_until INTEGER NOT NULL DEFAULT 0,
  last_served INTEGER NOT NULL DEFAULT 0,
  UNIQUE (organization, destination, priority)
) STRICT;
CREATE INDEX lane_active ON lane(n) WHERE waiting + leased > 0;

CREATE TABLE sought (
  day INTEGER NOT NULL,
  tag BLOB NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (day, tag, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  n INTEGER PRIMARY KEY,
  node TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  organization TEXT NOT NULL,
  message TEXT,
  delivery TEXT,
  actor TEXT NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL,
  boxed BLOB,
  digest BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_message ON audit(message) WHERE message IS NOT NULL;

CREATE TABLE chain (
  node TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  base INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (node, epoch)
) STRICT;

CREATE TABLE tally (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE organization (name TEXT PRIMARY KEY) STRICT;
CREATE TABLE verb (id TEXT PRIMARY KEY, at INTEGER NOT NULL, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE operator (name TEXT PRIMARY KEY, box BLOB NOT NULL) STRICT;
CREATE TABLE login (name TEXT PRIMARY KEY, organization TEXT NOT NULL, box BLOB NOT NULL) STRICT;
CREATE TABLE key (
  organization TEXT NOT NULL,
  purpose TEXT NOT NULL,
  generation INTEGER NOT NULL,
  id TEXT NOT NULL,
  wrapped_by TEXT NOT NULL,
  box BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization, purpose, generation)
) STRICT;
`;
