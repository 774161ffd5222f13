// One shape of message through all systems, round by round, and what each took for it.

import { setTimeout as sleep } from 'node:timers/promises';
import { usageOf } from '../support/processes.ts';
import { accountOf, since } from './account.ts';
import { makeMessages, RECIPIENTS, type Shape } from './messages.ts';
import { sendAll } from './send.ts';
import type { SlowSync } from './slow-sync.ts';
import type { Bed, Name, System } from './systems.ts';

export const SESSIONS = 20;
/** Rounds' worth of messages that each system gets before the first round: V8 goes on compiling for some 10,000 messages. */
export const WARM_UP = 4;
/** Work that follows the last delivery belongs to the messages too; its CPU is counted, its time is not. */
const SETTLE_MS = 300;

/** Of one round; CPU in ms a message. */
export type Measured = {
  readonly rate: number;
  readonly cpu: number;
  readonly parts: readonly [string, number][];
  readonly generator: number;
  readonly sink: number;
  /** Octets; the proportional part of shared pages. */
  readonly pss: number;
  /** Syncs a message by program, where they are slowed. */
  readonly syncs: readonly [string, number][];
  /** Connections to the sink. */
  readonly sessions: number;
};
export type Run = {
  readonly bed: Bed;
  readonly shape: Shape;
  /** Messages in each round. */
  readonly count: number;
  readonly rounds: number;
  readonly tls: boolean;
  readonly slow: SlowSync | null;
};
export type Results = ReadonlyMap<Name, readonly Measured[]>;

/** Warms up all, then lets each take its turn in every round; another one begins each time. */
export async function compare(run: Run, told: (name: Name, measured: Measured) => void): Promise<Results> {
  const { systems } = run.bed;
  const messages = makeMessages(run.shape);
  for (const system of systems) await measure({ ...run, count: WARM_UP * run.count }, system, messages);
  const results = new Map<Name, Measured[]>(systems.map(({ name }) => [name, []]));
  for (let round = 0; round < run.rounds; round++) {
    for (let i = 0; i < systems.length; i++) {
      const system = systems[(i + round) % systems.length]!;
      const measured = await measure(run, system, messages);
      results.get(system.name)!.push(measured);
      told(system.name, measured);
    }
  }
  return results;
}

/** From the first octet until the sink has taken the last recipient. Throws when less or fewer octets arrived than were sent. */
async function measure(run: Run, system: System, messages: readonly Buffer[]): Promise<Measured> {
  const { bed, shape, count, tls, slow } = run;
  const { sink } = bed;
  const recipients = RECIPIENTS[shape];
  const before = await sink.taken(0);
  const account = accountOf(system.roots);
  const syncs = slow?.counts(system.name) ?? new Map();
  const sinkCpu = usageOf(sink.pid).cpu;
  const own = process.cpuUsage();
  const begun = performance.now();
  await sendAll({ port: system.port, sessions: SESSIONS, count, messages, recipients, tls });
  const after = await sink.taken(before.recipients + count * recipients);
  const seconds = (performance.now() - begun) / 1000;
  const { user, system: inKernel } = process.cpuUsage(own);
  await sleep(SETTLE_MS);
  check(after.octets - before.octets, count, messages);
  if (tls && after.secured === before.secured && after.sessions > before.sessions) {
    throw new Error(`${system.name} delivered without STARTTLS`);
  }
  const parts = since(account, accountOf(system.roots), count);
  return {
    rate: count / seconds,
    cpu: parts.reduce((sum, [, ms]) => sum + ms, 0),
    parts,
    generator: (user + inKernel) / 1000 / count,
    sink: (usageOf(sink.pid).cpu - sinkCpu) / count,
    pss: system.roots.reduce((sum, { pid }) => sum + usageOf(pid).pss, 0),
    syncs: slow === null ? [] : since(syncs, slow.counts(system.name), count),
    sessions: after.sessions - before.sessions,
  };
}

function check(arrived: number, count: number, messages: readonly Buffer[]): void {
  let sent = 0;
  for (let i = 0; i < count; i++) sent += messages[i % messages.length]!.length;
  if (arrived < sent) throw new Error(`${sent} octets were sent, ${arrived} arrived`);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Of the ratios of each round; `byCpu`: what it would be if all processors were always busy, which other load changes less. */
export function ratio(results: Results, ours: Name, theirs: Name, byCpu = false): number | null {
  const [a, b] = [results.get(ours), results.get(theirs)];
  if (!a || !b) return null;
  const speed = ({ rate, cpu, generator, sink }: Measured) => (byCpu ? 1 / (cpu + generator + sink) : rate);
  return median(a.map((one, round) => speed(one) / speed(b[round]!)));
}
