// The SMTP client of the gateway: takes one message for recipients of one destination to the first next hop that shows
// the level demanded and answers. Never falls back: a hop that shows less is left for the next one, and when none is left
// nothing was sent. Cannot retry later, knows no queue and no policy. Logs nothing.

import type { ConnectionOptions } from 'node:tls';
import type { Clock, DsnEnvelope, EnvelopeRecipient, Evidence, Level, Outcome } from '../domain/types.ts';
import type { Hop } from '../route/resolve.ts';
import { heloName, recipientFault, reversePathFault } from './commands.ts';
import {
  type Connection,
  DEFAULT_TIMEOUTS,
  type Failure,
  judgeConnection,
  openConnection,
  QUIT_MS,
  type Timeouts,
} from './connection.ts';
import { DialogError } from './dialog.ts';
import { createPool, DEFAULT_LIMITS, type Pool, type PoolLimits, poolKey } from './pool.ts';
import { runTransaction, type TransactionResult } from './transaction.ts';

export type Send = {
  readonly hops: readonly Hop[];
  readonly demanded: Level;
  /** Our name in EHLO. */
  readonly helo: string;
  readonly reversePath: string;
  readonly recipients: readonly EnvelopeRecipient[];
  readonly dsn: DsnEnvelope;
  /** The transaction in came with SMTPUTF8; it goes out with it only where an address or a header field needs it. */
  readonly smtpUtf8: boolean;
  readonly eightBit: boolean;
  readonly utf8Headers: boolean;
  /** Octets of the mail data. */
  readonly size: number;
  /** Plain mail data, canonical CRLF, in chunks; may be opened again for the next hop. */
  readonly body: () => AsyncIterable<Uint8Array>;
  /** Asked before the final dot; false: the connection is dropped without the dot (lease not renewable). */
  readonly beforeDot: () => Promise<boolean>;
  /** Ends the attempt; after the final dot that leaves it in doubt. */
  readonly signal?: AbortSignal;
};

export type ClientDeps = {
  readonly clock: Pick<Clock, 'now'>;
  /** From `clientTls`. */
  readonly tls: ConnectionOptions;
  readonly timeouts?: Partial<Timeouts>;
  readonly limits?: Partial<PoolLimits>;
  /** Connections at the same time: idle ones give way to those in use. How many are in use at most is for who sends. */
  readonly connections?: () => number;
  /** Source address of all connections. */
  readonly localAddress?: string;
};

export type SmtpClient = {
  /** One outcome for each recipient, in order. Never throws for a network reason. */
  readonly send: (what: Send) => Promise<readonly Outcome[]>;
  /** Takes leave of all idle connections; those in use close when they are done. */
  readonly close: () => Promise<void>;
  /** Idle connections. */
  readonly idle: () => number;
};

type Inner = {
  readonly deps: ClientDeps;
  readonly timeouts: Timeouts;
  readonly pool: Pool;
  /** Hops that are tried now: each has one connection. */
  inUse: number;
};

export function createClient(deps: ClientDeps): SmtpClient {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...deps.timeouts };
  const pool = createPool({ clock: deps.clock, limits: { ...DEFAULT_LIMITS, ...deps.limits } });
  const inner = { deps, timeouts, pool, inUse: 0 };
  return {
    send: (what) => send(inner, what),
    close: async () => pool.close(),
    idle: () => pool.idle(),
  };
}

async function send(inner: Inner, what: Send): Promise<readonly Outcome[]> {
  heloName(what.helo);
  const outcomes = unfitForTheWire(what);
  const failures: Failure[] = [];
  for (const hop of what.hops) {
    const open = outcomes.flatMap((outcome, i) => (outcome === null ? [i] : []));
    if (open.length === 0) break;
    inner.inUse += 1;
    const result = await tryHop(
      inner,
      what,
      hop,
      open.map((i) => what.recipients[i] as EnvelopeRecipient),
    ).finally(() => {
      inner.inUse -= 1;
      makeRoom(inner);
    });
    if ('kind' in result) {
      failures.push(result);
    } else {
      for (const [n, i] of open.entries()) outcomes[i] = result.outcomes[n] ?? null;
      if (result.failure !== null) failures.push(result.failure);
      if (result.stop) break;
    }
    if (what.signal?.aborted) break;
  }
  const rest = conclude(failures, what.hops.length);
  return outcomes.map((outcome) => outcome ?? rest);
}

/** Outcomes of what may not go on a wire; the rest open. */
function unfitForTheWire(what: Send): (Outcome | null)[] {
  const fault = reversePathFault(what.reversePath);
  return what.recipients.map(({ address }) => {
    const reply = fault ?? recipientFault(address);
    return reply === null ? null : { kind: 'refused', reply };
  });
}

async function tryHop(
  inner: Inner,
  what: Send,
  hop: Hop,
  recipients: readonly EnvelopeRecipient[],
): Promise<TransactionResult | Failure> {
  const key = poolKey(hop, what.helo, inner.deps.localAddress);
  const suits = (connection: Connection): boolean =>
    !('kind' in judgeConnection(connection, hop, what.demanded, inner.deps.clock.now()));
  const kept = inner.pool.take(key, suits);
  if (kept !== null) {
    const result = await transact(inner, what, hop, kept, recipients);
    const stale = !('kind' in result) && result.failure?.kind === 'unreached' && !result.stop;
    // The peer had closed it, or was about to: that says nothing about the hop.
    if (!stale || what.signal?.aborted) return result;
  }
  makeRoom(inner);
  const opened = await openConnection({ ...inner.deps, timeouts: inner.timeouts }, hop, what.helo, what.signal);
  return 'kind' in opened ? opened : transact(inner, what, hop, opened, recipients);
}

function makeRoom({ pool, inUse, deps }: Inner): void {
  pool.trim(Math.max(0, (deps.connections?.() ?? Number.POSITIVE_INFINITY) - inUse));
}

async function transact(
  inner: Inner,
  what: Send,
  hop: Hop,
  connection: Connection,
  recipients: readonly EnvelopeRecipient[],
): Promise<TransactionResult | Failure> {
  const { dialog } = connection;
  // Before MAIL FROM, on every delivery: the kept facts of the handshake are judged at the present time.
  const judged = judgeConnection(connection, hop, what.demanded, inner.deps.clock.now());
  if ('kind' in judged) {
    dialog.quit(QUIT_MS);
    return judged;
  }
  const stop = (): void => dialog.destroy(new DialogError('stopped', 'stopped'));
  if (what.signal?.aborted) stop();
  what.signal?.addEventListener('abort', stop, { once: true });
  try {
    const result = await runTransaction(connection, what, recipients, judged.evidence, inner.timeouts);
    if (result.reusable) await inner.pool.give(poolKey(hop, what.helo, inner.deps.localAddress), connection);
    return result;
  } finally {
    what.signal?.removeEventListener('abort', stop);
  }
}

/**
 * The outcome of recipients that no hop answered for. A hop that would have shown the level and put us off counts before
 * one that lacked it; a proven lack counts before hops that were not reached, or one dead MX would keep mail from ever
 * taking a stronger way. `atOnce` only when every hop was seen and none of them offers STARTTLS.
 */
function conclude(failures: readonly Failure[], hops: number): Outcome {
  const putOff = failures.findLast((failure) => failure.kind === 'put off');
  if (putOff !== undefined) return { kind: 'refused', reply: putOff.reply, evidence: putOff.evidence };
  const lacks = failures.filter((failure) => failure.kind === 'lacking');
  const worst = lacks.find((failure) => failure.offered) ?? lacks[0];
  if (worst !== undefined) {
    const atOnce = lacks.length === hops && lacks.every((failure) => !failure.offered);
    return { kind: 'lacking', reason: worst.reason, status: worst.status, atOnce, ...evidenceOf(worst.evidence) };
  }
  const last = failures.findLast((failure) => failure.kind === 'unreached');
  if (last === undefined) return { kind: 'unreached', reason: 'no next hop', status: '4.4.4' };
  return { kind: 'unreached', reason: last.reason, status: last.status, ...evidenceOf(last.evidence) };
}

function evidenceOf(evidence: Evidence | undefined): { readonly evidence?: Evidence } {
  return evidence === undefined ? {} : { evidence };
}
