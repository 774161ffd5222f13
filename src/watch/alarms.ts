// What each alarm means and what to do about it: the words of alert mails and of `doctor`. Never a name of a person.

import type { AlarmName } from '../relay/line.ts';

export type AlarmWords = {
  /** What happened, as a sentence. */
  readonly means: string;
  /** What to do now. */
  readonly next: string;
};

const DISK = 'free or add disk space under storage.path (config/README.md), or raise what the disk can do';

export const ALARMS: Readonly<Record<AlarmName, AlarmWords>> = {
  'corrupt body': {
    means: 'A message that was accepted cannot be read from the disk any more. Its deliveries are held.',
    next: 'sealrelay queue list --state held; check the disk; ask the sender to send it again, then drop it.',
  },
  'examiner lost': {
    means: 'A worker ended while it read a message. After three times the message is held.',
    next: 'look at limits.worker_memory when it happens often; sealrelay queue list --state held.',
  },
  'staff mail held': {
    means: 'A mail of ours to staff could not be handed over at an authenticated TLS level and is held.',
    next: 'check the certificate of the host in organizations[].return, or of the MX; then sealrelay queue release.',
  },
  'break-glass used': {
    means: 'An operator did at once what four_eyes: wants another operator to confirm.',
    next: 'look at it and say so: sealrelay approvals list; sealrelay approvals review ID --reason "…".',
  },
  'store failed': {
    means: 'The database failed. Mail is no longer taken and the gateway ends.',
    next: 'check the disk; start again; if it comes back: systemd/README.md, "When the database is lost".',
  },
  'stage failed': {
    means: 'A stage of the line failed at its work and tries again. Mail waits meanwhile.',
    next: 'the log names the stage and a code; when it does not end, restart and report it.',
  },
  'checkpoint failed': {
    means: 'The audit could not be signed. It is tried again each minute.',
    next: 'check that audit.keys in storage.path can be written and the disk is not full.',
  },
  'audit key lost': {
    means: 'The key that signs the audit was gone at the start. A new series of keys has begun.',
    next: 'sealrelay log key, and keep the new key beside the old one.',
  },
  'anchor failed': {
    means: 'A signed checkpoint could not leave this machine. It is tried again each minute.',
    next: 'check the file, the https server or the address in anchors: of gateway.yaml.',
  },
  'own outage': {
    means: 'Most destinations fail at once: the fault is most likely ours. Deliveries wait without losing their time.',
    next: 'check the uplink and the DNS servers of this machine.',
  },
  'clock jumped': {
    means: 'The clock of this machine was set by a large step.',
    next: 'check the time service (chrony, systemd-timesyncd).',
  },
  'rotation failed': {
    means: 'Keys could not be wrapped again under the newest master key. It goes on at the next start or rotation.',
    next: 'sealrelay keys master check; the log has a code.',
  },
  'held mail': {
    means: 'Messages are held for longer than alerts.held. Nobody has decided about them.',
    next: 'sealrelay queue list --state held; then queue release, bounce or drop.',
  },
  'held mail ended': {
    means: 'Held messages reached queue.held.limit without a decision and were returned to their senders.',
    next: 'sealrelay log search --state bounced; look at held mail more often, or change the rule that holds.',
  },
  'recovered mail': {
    means: 'Messages that came back after a loss are held, since they may have been delivered before.',
    next: 'sealrelay recover --release --help, or after a restore: sealrelay restore --release --help.',
  },
  'old mail': {
    means: 'A message has been under way for longer than alerts.oldest.',
    next: 'sealrelay queue list --state ready; sealrelay trace QUEUE-ID says what its next hop answers.',
  },
  'low disk': {
    means:
      'Disk space runs out. Below limits.reserve_disk no mail is taken any more; when none is left, nothing is sent either.',
    next: `${DISK}.`,
  },
  'slow disk': {
    means: 'A sync to the disk takes long. Every message waits for one before it is accepted.',
    next: 'look for another program that writes much; move storage.path to a faster disk.',
  },
  'large log': {
    means: 'The write-ahead log of the database is large: something keeps it from being emptied.',
    next: 'look for a program that has queue.db open (lsof); restart the gateway when there is none.',
  },
  'long read': {
    means: 'A read of the database takes long. The write-ahead log cannot be emptied meanwhile.',
    next: 'see whether a search or export runs; restart the gateway when there is none.',
  },
  'full heap': {
    means: 'Memory of the main process is nearly used up even after it was cleaned.',
    next: 'restart soon; lower limits.sessions or limits.deliveries_in_flight; report it.',
  },
  'slow loop': {
    means: 'The main process was kept busy for long at a time. Sessions wait meanwhile.',
    next: 'check the CPU of this machine (other programs, too few cores).',
  },
  'stage late': {
    means: 'Work that is due is not taken up.',
    next: 'sealrelay status; check CPU and disk; the log names failures.',
  },
  'audit broken': {
    means:
      'The audit trail does not fit together, or what it proves (a legal hold, a closed month) is not as it says: something else wrote there, or an erasure was broken off.',
    next: 'sealrelay log verify names the first entry; keep a copy of the storage folder; find out who had access. A closed month that is damaged: put its file in audit/ back from a backup.',
  },
  'certificate ends': {
    means: 'A certificate ends soon. After that, others refuse to hand mail over or to open the portal.',
    next: 'renew it, put it in place, then: sealrelay reload.',
  },
  'key ends': {
    means: "An organization's own key or certificate ends soon. Mail signed with it will be refused.",
    next: 'sealrelay keys list --own; then sealrelay keys import of a new one.',
  },
  'no mail': {
    means: 'An organization has sent no mail for longer than its silence: allows.',
    next: 'check its connector (certificate, address, port) and listen.smtp; sealrelay status.',
  },
};

/** Those that are watched: they begin and end. All others are events. */
export const STANDING: ReadonlySet<AlarmName> = new Set<AlarmName>([
  'held mail',
  'recovered mail',
  'old mail',
  'low disk',
  'slow disk',
  'large log',
  'long read',
  'full heap',
  'slow loop',
  'stage late',
  'audit broken',
  'certificate ends',
  'key ends',
  'no mail',
]);
