// The second step: a worker reads the bytes, policy decides for every recipient, and the decisions are stored. What
// ended its examiner three times is held before any rule (P6); what could not be read counts as `unreadable`, never as
// clean (P4). Logs queue id, organization and rule names.

import { setImmediate as yieldNow } from 'node:timers/promises';
import type {
  Coverage,
  Decision,
  Delivery,
  Examination,
  Facts,
  Findings,
  Message,
  MessageLease,
} from '../domain/types.ts';
import { ENGINE_VERSION } from '../policy/version.ts';
import { BodyError } from '../store/bodies/port.ts';
import { type Decided, verbId } from '../store/queue/port.ts';
import { WorkError } from '../work/pool.ts';
import { deliverInBackground, fullDestinations, roomFor } from './deliver.ts';
import { codeOf, LEASE, type Line } from './line.ts';
import { untilSpace } from './patience.ts';

/** After so many examiners were lost on it, a message is held by the line. */
export const EXAMINE_ATTEMPTS = 3;
const SLICE = 50;
const MINUTE = 60_000;

/** Messages that may still be taken up; what is more waits in the queue, not in memory. */
export function roomToExamine(line: Line): number {
  return Math.max(0, line.settings().examineWaiting - line.load.examining);
}

export function examineInBackground(line: Line, lease: MessageLease): void {
  line.load.examining += 1;
  void examineMessage(line, lease)
    .catch((error) => {
      // The lease runs out and the message is examined again.
      line.meter.alarm('stage failed');
      line.log.error({ queueId: lease.message.id, stage: 'examine', code: codeOf(error) }, 'examination failed');
    })
    .finally(() => {
      line.load.examining -= 1;
      // The queue gives out one at a time of those that were in hand when an examiner was lost.
      if (lease.message.examineAttempts > 1) line.wake('examine');
      else line.freed('examine');
    });
}

/** Examines, decides and stores; takes the deliveries that can go at once. */
export async function examineMessage(line: Line, { lease, message, deliveries }: MessageLease): Promise<void> {
  const undecided = deliveries.filter((one) => one.state === 'undecided');
  const examined = await examination(line, message);
  if (examined.kind === 'corrupt') {
    const verb = verbId(line);
    const became = await untilSpace(line, () => line.queue.corrupt(verb, message.id, examined.why));
    if (became === 'abandoned') {
      line.log.warn(
        { queueId: message.id },
        'an earlier run ended before it acknowledged this message; its sender has it',
      );
      return;
    }
    line.meter.alarm('corrupt body');
    line.log.error({ queueId: message.id, why: examined.why }, 'the body cannot be opened; its deliveries are held');
    return;
  }
  if (examined.kind === 'failed') {
    const due = line.clock.now() + examined.wait;
    const verb = verbId(line);
    await untilSpace(line, () => line.queue.examineFailed(verb, message.id, lease, examined.why, due));
    line.wakeAt('examine', due);
    return;
  }
  const result = examined.kind === 'read' ? examined.examination : null;
  const judged =
    examined.kind === 'given up' && undecided.every((one) => one.decision === undefined)
      ? undecided.map((one) => ({ delivery: one.id, decision: heldByLine() }))
      : await decideAll(line, message, result, undecided);
  if ('unknown' in judged) {
    const due = line.clock.now() + MINUTE;
    if (result !== null && !overdue(line, message)) {
      const verb = verbId(line);
      await untilSpace(line, () => line.queue.examined(verb, message.id, lease, result, due));
      line.wakeAt('examine', due);
      return;
    }
  }
  const decisions =
    'unknown' in judged
      ? undecided.map((one) => ({ delivery: one.id, decision: heldUnknown(judged.unknown) }))
      : judged;
  await store(line, message, lease, result, decisions, undecided);
}

async function store(
  line: Line,
  message: Message,
  lease: MessageLease['lease'],
  result: Examination | null,
  decisions: readonly Decided[],
  deliveries: readonly Delivery[],
): Promise<void> {
  const limit = roomFor(line, message.organization);
  // The queue, which is told what is full, takes these when a connection is free.
  const full = new Set(fullDestinations(line));
  const free = limit > 0 && !deliveries.some((one) => full.has(one.destination));
  const take = free ? { owner: line.owner, until: line.clock.now() + LEASE, limit } : undefined;
  const verb = verbId(line);
  const store = () => line.queue.decided(verb, message.id, lease, result, decisions, take);
  const transactions = await untilSpace(line, store);
  line.log.info(
    {
      queueId: message.id,
      organization: message.organization,
      rules: [...new Set(decisions.map((one) => one.decision.rule))],
    },
    'decided',
  );
  for (const transaction of transactions) deliverInBackground(line, transaction);
  const taken = transactions.reduce((sum, one) => sum + one.deliveries.length, 0);
  if (taken < decisions.filter(({ decision }) => decision.action.kind === 'deliver').length) line.wake('deliver');
  if (decisions.some(({ decision }) => decision.action.kind !== 'deliver' || decision.warn !== undefined))
    line.wake('notify');
}

type Examined =
  | { readonly kind: 'read'; readonly examination: Examination }
  | { readonly kind: 'given up' }
  | { readonly kind: 'failed'; readonly why: string; readonly wait: number }
  | { readonly kind: 'corrupt'; readonly why: string };

async function examination(line: Line, message: Message): Promise<Examined> {
  if (message.examination !== undefined) return { kind: 'read', examination: message.examination };
  if (message.examineAttempts > EXAMINE_ATTEMPTS) return { kind: 'given up' };
  const begun = line.clock.now();
  try {
    const handle = line.bodies.handle(message.organization, message.body);
    const examination = await line.examine(handle, message.size);
    if (!isExamination(examination)) throw new WorkError('failed', 'no examination');
    line.meter.examined((line.clock.now() - begun) / 1000);
    return { kind: 'read', examination };
  } catch (error) {
    return afterFailure(line, message, error);
  }
}

const COVERAGES: readonly string[] = ['full', 'partial', 'unreadable'] satisfies Coverage['state'][];

/** It comes from a process that read what strangers sent: what is no examination must not pass for a clean one. */
function isExamination(given: Examination): boolean {
  const { findings, coverage, subjectTags } = (given ?? {}) as Partial<Examination>;
  return (
    typeof findings?.phi === 'boolean' &&
    [findings.counts, findings.places, coverage?.parts, subjectTags].every(Array.isArray) &&
    COVERAGES.includes(coverage?.state ?? '') &&
    [given.subject, given.messageId].every((one) => typeof one === 'string') &&
    [given.autoSubmitted, given.eightBit, given.utf8Headers].every((one) => typeof one === 'boolean')
  );
}

function afterFailure(line: Line, message: Message, error: unknown): Examined {
  if (error instanceof BodyError && (error.code === 'missing' || error.code === 'corrupt'))
    return { kind: 'corrupt', why: error.code };
  if (
    error instanceof WorkError &&
    error.code === 'failed' &&
    (error.message === 'missing' || error.message === 'corrupt')
  ) {
    return { kind: 'corrupt', why: error.message };
  }
  const why = error instanceof WorkError ? error.code : codeOf(error);
  const lost = why !== 'busy' && why !== 'closed';
  if (lost) {
    line.meter.alarm('examiner lost');
    line.log.error(
      { queueId: message.id, why, attempt: message.examineAttempts },
      'the examiner was lost on this message',
    );
  }
  // The third loss is the last: the next turn holds it at once.
  return {
    kind: 'failed',
    why,
    wait: lost && message.examineAttempts < EXAMINE_ATTEMPTS ? message.examineAttempts * 5_000 : 1_000,
  };
}

function overdue(line: Line, message: Message): boolean {
  return line.clock.now() - message.acceptedAt > line.settings().undecidedFor;
}

const NO_FINDINGS: Findings = { phi: false, counts: [], places: [] };
const UNREADABLE: Coverage = { state: 'unreadable', parts: [] };

/** The facts that policy may look at; an examination of null means that the message could not be read at all. */
export function factsOf(message: Message, examination: Examination | null, delivery: Delivery): Facts {
  return {
    organization: message.organization,
    sender: message.sender,
    reversePath: message.reversePath,
    recipient: delivery.recipient,
    subjectTags: examination?.subjectTags ?? [],
    findings: examination?.findings ?? NO_FINDINGS,
    coverage: examination?.coverage ?? UNREADABLE,
    size: message.size,
  };
}

/** Decides for all, in slices, so that a thousand recipients do not hold the event loop (P10). */
async function decideAll(
  line: Line,
  message: Message,
  examination: Examination | null,
  deliveries: readonly Delivery[],
): Promise<Decided[] | { unknown: readonly string[] }> {
  const decisions: Decided[] = [];
  for (const [i, delivery] of deliveries.entries()) {
    if (i > 0 && i % SLICE === 0) await yieldNow();
    const decision = line.decide(factsOf(message, examination, delivery));
    if ('kind' in decision) return { unknown: decision.unknown };
    decisions.push({ delivery: delivery.id, decision });
  }
  return decisions;
}

function byLine(because: string): Decision {
  return { action: { kind: 'hold' }, rule: '(line)', because, policyVersion: '-', engineVersion: ENGINE_VERSION };
}

function heldByLine(): Decision {
  return byLine(`could not be examined: the examiner was lost on it ${EXAMINE_ATTEMPTS} times`);
}

function heldUnknown(unknown: readonly string[]): Decision {
  return byLine(`could not be decided in time: ${unknown.join(', ')} not known`);
}
