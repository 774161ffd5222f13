// Seventh step: what was retracted since a moment, which goes off the machine with the anchors of the audit, so that a
// restored gateway can retract it again.

export const STEP_0007 = `
CREATE INDEX parcel_retracted ON parcel(ended_at) WHERE state = 'retracted';
`;
