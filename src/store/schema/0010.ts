// Tenth step: indexes, so that what must be asked inside a transaction, or at each login, looks at no table whole: under which
// key a box of the portal or of a correspondent's key is, and which entries of the audit tell of what lasts: holds, accounts,
// what was pruned or restored (the same list in queries/lasting.ts).

export const STEP_0010 = `
CREATE INDEX parcel_boxed ON parcel(substr(fixed, 1, 4));
CREATE INDEX conversation_boxed ON conversation(substr(fixed, 1, 4));
CREATE INDEX address_key_boxed ON address_key(substr(box, 1, 4));
CREATE INDEX audit_lasting ON audit(n) WHERE event IN ('log.hold_added', 'log.hold_removed', 'operator.added',
  'operator.removed', 'submission.added', 'submission.removed', 'gateway.restored', 'log.pruned');
`;
