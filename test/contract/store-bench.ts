// What the parts of the store's contract share: a store under test, invented messages, and the steps that tests begin with.

import { randomBytes } from 'node:crypto';
import type { Vault } from '../../src/crypto/vault.ts';
import { type Address, type DeliveryId, type Owner, type QueueId, queueId } from '../../src/domain/ids.ts';
import type {
  Action,
  Cause,
  Decision,
  Examination,
  Lease,
  MessageLease,
  NewMessage,
  Outcome,
  Priority,
  Settlement,
  Transaction,
} from '../../src/domain/types.ts';
import type { Accepted, Operation, Queue } from '../../src/store/queue/port.ts';
import type { Store } from '../../src/store/sqlite/open.ts';
import { NOON } from '../support/vault.ts';

export type TestClock = { at: number };
/** Ports and the vault that boxes for them. */
export type Opened = Pick<Store, 'queue' | 'audit' | 'accounts' | 'keyring' | 'book' | 'parcels' | 'close'> & {
  readonly vault: Vault;
};
/** `open` gives a store over one lasting place: called again after `close` it must find what was durable. */
export type StoreUnderTest = {
  readonly clock: TestClock;
  readonly open: () => Promise<Opened>;
  /** The next commit, or the one after `others`, fails as on a full disk. */
  readonly failCommit: (others?: number) => void;
  readonly remove: () => void;
};

export const MINUTE = 60_000;
export const DAY = 86_400_000;
export const A = 'gw 1' as Owner;
export const B = 'gw 2' as Owner;
export const TLS: Action = { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] };
export const PORTAL: Action = { kind: 'deliver', protections: [{ name: 'portal', level: 'encrypt' }] };
export const HOLD: Action = { kind: 'hold' };
export const BOUNCE: Action = { kind: 'bounce' };
export const EXAMINATION: Examination = {
  ...{ subject: 'a subject', messageId: '<1@clinic.test>', subjectTags: [], autoSubmitted: false },
  ...{ eightBit: false, utf8Headers: false, findings: { phi: false, counts: [], places: [] } },
  coverage: { state: 'full', parts: [] },
};

export const verb = () => randomBytes(16).toString('hex');

export type Letter = {
  readonly organization?: string;
  readonly from?: string;
  readonly sender?: string;
  readonly to?: readonly string[];
  readonly priority?: Priority;
  readonly cause?: Cause;
  readonly origin?: NewMessage['origin'];
  readonly notify?: NonNullable<NewMessage['deliveries'][number]['dsn']['notify']>;
  /** For mail of ours. */
  readonly decision?: Decision;
  readonly acceptedAt?: number;
};

export function decision(action: Action = TLS, rule = 'all'): Decision {
  return { action, rule, because: `rule ${rule}`, policyVersion: 'p1', engineVersion: '1' };
}

export function letter(at: number, what: Letter = {}): NewMessage {
  const { organization = 'clinic', from = 'Lee@clinic.test', to = ['kim@a.test'], priority = 'normal' } = what;
  const { origin = 'relayed', acceptedAt = at } = what;
  const id = queueId(acceptedAt, randomBytes(9));
  return {
    ...{ id, organization, origin, acceptedAt, acceptedBy: 'gw', size: 4096, digest: randomBytes(32), dsn: {} },
    ...{ reversePath: from, sender: [(what.sender ?? from) as Address], smtpUtf8: false },
    cause: what.cause ?? { kind: 'smtp', key: id },
    trace: { helo: 'mail.clinic.test', ip: '192.0.2.7', with: 'ESMTPS', proof: ['network'] },
    body: { object: verb(), file: '1', offset: 0, length: 4200, key: 'AA' },
    deliveries: to.map((one) => ({
      recipient: one as Address,
      dsn: what.notify ? { notify: what.notify } : {},
      destination: one.slice(one.lastIndexOf('@') + 1).toLowerCase(),
      priority,
      expiresAt: acceptedAt + 5 * DAY,
      ...(what.decision && { decision: what.decision }),
    })),
  };
}

const OUTCOMES: Record<'delivered' | 'refused' | 'unreached', Outcome> = {
  delivered: {
    kind: 'delivered',
    reply: { code: 250, enhanced: '2.0.0', text: 'ok' },
    evidence: { hop: 'mx.a.test', address: '192.0.2.25', port: 25, mx: 'mx.a.test', level: 'verify' },
  },
  refused: { kind: 'refused', reply: { code: 550, enhanced: '5.1.1', text: 'no kim here' } },
  unreached: { kind: 'unreached', reason: 'no answer', status: '4.4.1' },
};

/** `ready`: due again at `notBefore`. */
export function settlement(
  delivery: DeliveryId,
  state: Settlement['next']['state'],
  notBefore = 0,
  step = 0,
): Settlement {
  const kind = state === 'delivered' ? 'delivered' : state === 'ready' ? 'unreached' : 'refused';
  const status = { delivered: '2.0.0', unreached: '4.4.1', refused: '5.1.1' }[kind];
  const next: Settlement['next'] =
    state === 'ready' ? { state, notBefore, step: 0, stepSince: null, stepAttempts: 0 } : { state };
  return { delivery, outcome: OUTCOMES[kind], step, protection: 'tls: verify', next, because: `was ${kind}`, status };
}

/** Rejects with QueueError of this code. */
export async function refuses(work: Promise<unknown>, code: string, words = ''): Promise<void> {
  const error = await work.then(
    () => null,
    (reason) => reason,
  );
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(words);
}

/** A store that is open, and the steps that most tests begin with. */
export class Bench {
  readonly test: StoreUnderTest;
  opened: Opened;
  constructor(test: StoreUnderTest, opened: Opened) {
    this.test = test;
    this.opened = opened;
  }

  get queue(): Queue {
    return this.opened.queue;
  }
  get audit() {
    return this.opened.audit;
  }
  get now(): number {
    return this.test.clock.at;
  }

  pass(ms: number): number {
    this.test.clock.at += ms;
    return this.test.clock.at;
  }

  async restart(): Promise<void> {
    await this.opened.close();
    this.opened = await this.test.open();
  }

  async accept(what: Letter = {}): Promise<QueueId> {
    return (await this.accepted(letter(this.now, what))).id;
  }

  accepted(message: NewMessage): Promise<Accepted> {
    return this.queue.accept(verb(), message, message.cause);
  }

  /** Accepts and leases it to A for examination. */
  async inHand(what: Letter = {}): Promise<MessageLease> {
    const message = letter(this.now, what);
    const until = this.now + MINUTE;
    return (await this.queue.accept(verb(), message, message.cause, { owner: A, until })).lease!;
  }

  /** Decides what is in hand: one action for all, or one for each. */
  async decide({ lease, message, deliveries }: MessageLease, ...actions: Action[]): Promise<QueueId> {
    const decisions = deliveries.map(({ id }, i) => ({
      delivery: id,
      decision: decision(actions[i] ?? actions[0] ?? TLS),
    }));
    await this.queue.decided(verb(), message.id, lease, EXAMINATION, decisions);
    return message.id;
  }

  /** Accepted and decided. */
  async decided(what: Letter = {}, ...actions: Action[]): Promise<QueueId> {
    return this.decide(await this.inHand(what), ...actions);
  }

  take(limit = 100, options: Partial<{ owner: Owner; recipients: number; ms: number }> = {}): Promise<Transaction[]> {
    const { owner = A, recipients = 50, ms = MINUTE } = options;
    return this.queue.lease(owner, limit, this.now + ms, { recipients });
  }

  settle(lease: Lease, ...settlements: Settlement[]): Promise<void> {
    return this.queue.settle(verb(), lease, settlements);
  }

  /** To its end, the body gone. */
  async delivered(to = 'kim@a.test'): Promise<QueueId> {
    const id = await this.decided({ to: [to] });
    for (const one of await this.take()) await this.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'));
    for (const one of await this.queue.finished(100)) await this.queue.bodiless(verb(), one.id);
    return id;
  }

  async states(id: QueueId): Promise<string> {
    return (await this.queue.message(id))!.deliveries.map(({ state }) => state).join(' ');
  }

  async stage(id: QueueId): Promise<string> {
    return (await this.queue.message(id))!.message.stage;
  }

  /** Events of a message in order of the chain. */
  async events(id: QueueId): Promise<string[]> {
    return (await this.audit.trace(id)).map(({ event }) => event);
  }
}

export const by = (reason = 'a reason', dryRun = false): Operation => ({ verb: verb(), actor: 'ann', reason, dryRun });

export { NOON };
