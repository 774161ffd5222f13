// Mail of ours to staff (DSNs, staff notes) is not decided by rules: a rule must not be able to send it plainer, nor to
// hold the note that says that something is held.

import type { Decision } from '../domain/types.ts';
import { ENGINE_VERSION } from './version.ts';

/** Decision for a message of origin `dsn` or `note`: authenticated TLS, or the delivery is held with an alarm. */
export function staffDecision(): Decision {
  return {
    action: { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] },
    rule: '(line)',
    because: 'mail of ours to staff',
    policyVersion: '-',
    engineVersion: ENGINE_VERSION,
  };
}
