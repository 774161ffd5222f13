// Second step: keys of correspondents and organizations; the portal. Clear are ids, organizations, times, sizes, states and
// kinds; addresses, names and key boxes stand in `box`, `fixed` and `key`. Tokens, codes and cookies are not in here: only
// what is derived from them (src/README.md, "Tokens and parcels").

export const STEP_0002 = `
CREATE TABLE address_key (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  organization TEXT NOT NULL,
  kind TEXT NOT NULL,
  own INTEGER NOT NULL,
  tag BLOB NOT NULL,
  pinned INTEGER NOT NULL,
  valid_until INTEGER,
  revoked_at INTEGER,
  added_at INTEGER NOT NULL,
  box BLOB NOT NULL,
  private BLOB
) STRICT;
CREATE INDEX address_key_tag ON address_key(tag);
CREATE INDEX address_key_organization ON address_key(organization, n);

CREATE TABLE conversation (
  id TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  fixed BLOB NOT NULL
) STRICT;

CREATE TABLE parcel (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  organization TEXT NOT NULL,
  conversation TEXT NOT NULL,
  delivery TEXT NOT NULL,
  object TEXT,
  state TEXT NOT NULL,
  level TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  opened_at INTEGER,
  replied_at INTEGER,
  ended_at INTEGER,
  due INTEGER,
  body TEXT,
  fixed BLOB NOT NULL
) STRICT;
CREATE INDEX parcel_delivery ON parcel(delivery);
CREATE INDEX parcel_conversation ON parcel(conversation);
CREATE INDEX parcel_object ON parcel(object) WHERE object IS NOT NULL;
CREATE INDEX parcel_due ON parcel(due) WHERE due IS NOT NULL;

CREATE TABLE access_grant (
  locator BLOB PRIMARY KEY,
  organization TEXT NOT NULL,
  conversation TEXT NOT NULL,
  kind TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_grant_conversation ON access_grant(conversation);
CREATE INDEX access_grant_empty ON access_grant(expires_at) WHERE length(key) = 0;

CREATE TABLE challenge (
  id BLOB PRIMARY KEY,
  locator BLOB NOT NULL,
  organization TEXT NOT NULL,
  parcel TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  used INTEGER NOT NULL DEFAULT 0,
  code BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX challenge_locator ON challenge(locator, made_at);
CREATE INDEX challenge_made ON challenge(made_at);

CREATE TABLE portal_session (
  hash BLOB PRIMARY KEY,
  organization TEXT NOT NULL,
  conversation TEXT NOT NULL,
  kind TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX portal_session_conversation ON portal_session(conversation);
CREATE INDEX portal_session_expires ON portal_session(expires_at);
`;
