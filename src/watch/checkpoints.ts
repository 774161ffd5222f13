// Signs the audit chain: a checkpoint every thousand entries, each minute that has entries, and at the end, by the key of the
// day (src/README.md, "Audit"). What is not whole (a crash or a failure amid the change of keys) is put in order from what
// the store says before anything else is signed: the last committed checkpoint that names a key decides which one goes on.
// Logs numbers only. It signs what it finds: whether the chain was changed before is for `log verify`.

import type { Time } from '../domain/ids.ts';
import type { Clock } from '../domain/types.ts';
import { type Checkpoint, type SignedCheckpoint, signCheckpoint } from '../record/checkpoint.ts';
import { codeOf, type Log } from '../relay/line.ts';
import type { DayKey, DayKeys } from '../store/audit/day-keys.ts';
import type { Audit } from '../store/audit/port.ts';

export type CheckpointDeps = {
  readonly node: string;
  readonly audit: Pick<Audit, 'proofState' | 'addCheckpoint'>;
  readonly dayKeys: DayKeys;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
  readonly alarm: (name: 'checkpoint failed' | 'audit key lost') => void;
};

export type Checkpoints = {
  /** Many entries came. */
  grown(): void;
  /** The last one that was committed. */
  latest(): SignedCheckpoint | null;
  /** What is done once the last one is signed. */
  atEnd(work: () => Promise<void>): void;
  /** Signs what is there, and ends. */
  stop(): Promise<void>;
};

const MINUTE = 60_000;
const DAY = 86_400_000;
const dayOf = (at: Time) => Math.floor(at / DAY);

/** Signs once before it resolves, so that there is a first key; rejects when that cannot be done. */
export async function startCheckpoints(deps: CheckpointDeps): Promise<Checkpoints> {
  const { clock, log, alarm } = deps;
  const signer = makeSigner(deps);
  const stopped = new AbortController();
  await signer.sign();
  let turn: Promise<void> | null = null;
  let again = false;
  let last = async (): Promise<void> => {};

  async function signAll(): Promise<void> {
    try {
      do {
        again = false;
        await signer.sign();
      } while (again);
    } catch (error) {
      alarm('checkpoint failed');
      log.error({ code: codeOf(error) }, 'the audit could not be signed; it is tried again within a minute');
    }
  }

  /** One at a time; who comes meanwhile is served by one more. */
  function soon(): Promise<void> {
    again = true;
    turn ??= signAll().finally(() => {
      turn = null;
    });
    return turn;
  }

  const minutes = (async () => {
    for (;;) {
      // At the minute, so that a day's key ends with its day.
      await clock.sleep(MINUTE - (clock.now() % MINUTE), stopped.signal);
      await soon();
    }
  })().catch(() => {});

  return {
    grown: () => void soon(),
    latest: signer.latest,
    atEnd: (work) => {
      last = work;
    },
    async stop() {
      stopped.abort();
      await minutes;
      await soon();
      await last();
      await deps.dayKeys.close();
    },
  };
}

function makeSigner({ node, audit, dayKeys, clock, log, alarm }: CheckpointDeps) {
  /** Null before the first, and after a failure: then what stands is looked up anew. */
  let inForce: { readonly key: DayKey; readonly day: number } | null = null;
  let latest: SignedCheckpoint | null = null;

  async function write(key: DayKey, next: Uint8Array | null, evenIdle = true): Promise<void> {
    const { head, others, last } = await audit.proofState(node);
    const isNew = last === null || last.node !== head.node || last.epoch !== head.epoch || last.seq < head.seq;
    latest = last;
    if (!isNew && !evenIdle) return;
    const one: Checkpoint = { ...head, no: (last?.no ?? 0) + 1, at: clock.now(), others, key: key.key, next };
    const signed = signCheckpoint(one, key.secret);
    await audit.addCheckpoint(signed);
    latest = signed;
  }

  /** The key that the last committed checkpoint names; a new series when there is none to be had. */
  async function settle(): Promise<{ readonly key: DayKey; readonly day: number }> {
    const { standing, head } = await audit.proofState(node);
    const found = standing?.next ? dayKeys.find(standing.next) : null;
    if (found && standing) {
      await dayKeys.keepOnly(found.key);
      return { key: found, day: dayOf(standing.at) };
    }
    if (standing && standing.node === head.node && standing.epoch < head.epoch) {
      log.warn({ epoch: head.epoch }, 'a new key signs the audit after a restore; keep its public half too');
    } else if (standing) {
      alarm('audit key lost');
      log.warn(
        { checkpoint: standing.no },
        'the key that signs the audit is gone: a new one begins; keep its public half',
      );
    }
    const key = await dayKeys.make(null);
    const day = dayOf(clock.now());
    await write(key, key.key);
    await dayKeys.keepOnly(key.key);
    return { key, day };
  }

  /** The next key is durable before it is endorsed, and the last one overwritten before the next is used. */
  async function change(key: DayKey): Promise<{ readonly key: DayKey; readonly day: number }> {
    const next = await dayKeys.make(key.key);
    const day = dayOf(clock.now());
    await write(key, next.key);
    await dayKeys.keepOnly(next.key);
    return { key: next, day };
  }

  async function sign(): Promise<void> {
    let now = inForce;
    inForce = null;
    now ??= await settle();
    if (now.day !== dayOf(clock.now())) now = await change(now.key);
    await write(now.key, null, false);
    inForce = now;
  }

  return { sign, latest: () => latest };
}
