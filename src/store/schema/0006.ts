// Sixth step: what is watched. All of it is clear: numbers of rows, times, counts, organizations, names of causes.
//   held         since when a delivery is held, and how many reminders of it were told; gone when it is held no more
//   usage        what each organization sent in a month (UTC): `what` is `accepted`, or the protection it left by
//   alert        what was told by mail, so that a restart neither repeats it nor forgets to say that it is over
//   alert_mail   the last mail of that kind to each organization
// What is held already counts from this step on.

export const STEP_0006 = `
CREATE TABLE held (
  n INTEGER PRIMARY KEY,
  since INTEGER NOT NULL,
  reminded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX held_since ON held(since);
CREATE INDEX held_reminded ON held(reminded, since);
INSERT INTO held (n, since) SELECT n, unixepoch() * 1000 FROM delivery WHERE state = 'held';

CREATE TABLE usage (
  month TEXT NOT NULL,
  organization TEXT NOT NULL,
  what TEXT NOT NULL,
  messages INTEGER NOT NULL,
  recipients INTEGER NOT NULL,
  octets INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (month, organization, what)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
  cause TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_mail (
  organization TEXT PRIMARY KEY,
  message TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
