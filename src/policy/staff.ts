// Mail of ours (DSNs, staff notes, notices, codes) is not decided by rules: a rule must not be able to send it plainer, nor to
// hold the note that says that something is held.

import type { Decision, Level } from '../domain/types.ts';
import { ENGINE_VERSION } from './version.ts';

/** Decision for mail of ours to staff: authenticated TLS, or the delivery is held with an alarm. */
export function staffDecision(): Decision {
  return {
    action: { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] },
    rule: '(line)',
    because: 'mail of ours to staff',
    policyVersion: '-',
    engineVersion: ENGINE_VERSION,
  };
}

/** Decision for a notice or code to a recipient: a hop at least at the level of the decision that asked for the portal. */
export function noticeDecision(level: Level): Decision {
  return {
    action: { kind: 'deliver', protections: [{ name: 'tls', level }] },
    rule: '(line)',
    because: 'mail of the portal, which says nothing of the message',
    policyVersion: '-',
    engineVersion: ENGINE_VERSION,
  };
}
