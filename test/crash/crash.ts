// `npm run crash -- --kills N [--seed S] [--sessions 8]`: the gateway is killed with SIGKILL at random moments under load, also while it
// starts, and started again. At the end the queue drains, and what was acknowledged is compared with what arrived at sinks that live in this
// process. Ends with 1 when an acknowledged recipient was lost, a message was changed, two DSNs speak of one recipient, or the audit does not
// verify after a start.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Random } from '../../src/domain/types.ts';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { makeCa } from '../support/pki.ts';
import { seeded } from '../support/random.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSink, type Sink } from '../support/sink.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { type Load, startLoad } from './load.ts';

/** Of the kills, those that come while the gateway starts, and when: a start takes about this many ms. */
const IN_START = 0.25;
const START_MS = 1_200;
/** Longest life of a gateway after it is ready and verified, ms. */
const LIFE_MS = 1_500;
/** The queue must be empty this long after the last kill: retries of what was under way come within a few minutes. */
const DRAIN_MS = 5 * 60_000;

type Trial = {
  readonly files: RelayFiles;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly sinks: readonly Sink[];
  /** Folder of its authority. */
  readonly pki: string;
  kills: number;
  killsInStart: number;
  verified: number;
  entries: number;
  /** What `log verify` said when it was not content. */
  readonly broken: string[];
  /** Messages of the log at level error and above → how often. */
  readonly errors: Map<string, number>;
};

async function openTrial(seed: number): Promise<Trial> {
  const ledger = openLedger();
  const ca = makeCa('crash trial');
  const pki = mkdtempSync(join(tmpdir(), 'sealrelay-crash-'));
  writeFileSync(join(pki, 'ca.pem'), ca.cert);
  const putOff = new Set<string>();
  const mail = await openSink({
    onMessage: ledger.took,
    onRecipient: (argument) => {
      if (argument.startsWith('<p')) return '550 5.1.1 Nobody of that name';
      if (!argument.startsWith('<t') || putOff.has(argument)) return null;
      putOff.add(argument);
      return '451 4.2.1 Not now';
    },
  });
  const staff = await openSink({ tls: ca.issue({ names: ['localhost'] }), onMessage: ledger.tookReport });
  const files = await writeRelay({
    sinkPort: mail.port,
    domains: ['clinic.crash.example'],
    extra: {
      organizations: [
        {
          name: 'Crash Clinic',
          domains: ['clinic.crash.example'],
          from: { networks: ['127.0.0.0/8'] },
          return: { smart_host: `localhost:${staff.port}` },
        },
      ],
      overrides: { ca: [join(pki, 'ca.pem')] },
    },
  });
  return {
    files,
    ledger,
    random: seeded(seed),
    sinks: [mail, staff],
    pki,
    kills: 0,
    killsInStart: 0,
    verified: 0,
    entries: 0,
    broken: [],
    errors: new Map(),
  };
}

/** Starts it and asks it to verify its audit. */
async function start(trial: Trial): Promise<Running> {
  const gateway = await startGateway(trial.files);
  // The first operator may be made by whoever opens the control socket.
  if (trial.verified === 0) await sealrelay(trial.files, ['user', 'add', 'trial', '--role', 'admin', '--write']);
  const ran = await sealrelay(trial.files, ['log', 'verify', '--json']);
  const result = ran.out === '' ? null : (JSON.parse(ran.out) as { entries: number; intact: boolean });
  if (result?.intact === true) {
    trial.verified += 1;
    trial.entries = result.entries;
  } else trial.broken.push(`after kill ${trial.kills}: ${ran.out}${ran.err}`.trim());
  return gateway;
}

async function killInStart(trial: Trial): Promise<void> {
  const wait = trial.random.fraction() * START_MS;
  let killed: Promise<unknown> = Promise.resolve();
  const gateway = await startGateway(trial.files, {
    onSpawn: (child) => {
      killed = sleep(wait).then(() => child.kill('SIGKILL'));
    },
  }).catch(() => null);
  await killed;
  if (gateway !== null) note(trial, gateway, await gateway.ended);
  trial.kills += 1;
  trial.killsInStart += 1;
}

async function killUnderLoad(trial: Trial): Promise<void> {
  const gateway = await start(trial);
  await sleep(trial.random.fraction() * LIFE_MS);
  note(trial, gateway, await gateway.kill());
  trial.kills += 1;
}

/** Keeps what the log complained of, and says so when the gateway did not end by our signal. */
function note(trial: Trial, gateway: Running, ended: number | string): void {
  const count = (what: string) => trial.errors.set(what, (trial.errors.get(what) ?? 0) + 1);
  if (ended !== 'SIGKILL') count(`ended with ${ended}: ${gateway.errors().trim().split('\n').at(-1)}`);
  for (const line of gateway.log().split('\n')) {
    if (!/"level":[56]0/.test(line)) continue;
    try {
      const { msg, code, why, stage } = JSON.parse(line) as Record<string, string | undefined>;
      count([msg, stage, code ?? why].filter((one) => one !== undefined).join(', '));
    } catch {
      // The last line of a killed process may be cut.
    }
  }
}

/** Waits until everything arrived and nothing waits; retries by command what would wait for its time. */
async function drain(trial: Trial, show: (note: string) => void): Promise<boolean> {
  for (const end = Date.now() + DRAIN_MS; Date.now() < end; await sleep(500)) {
    const waiting = await waitingIn(trial.files).catch(() => null);
    if (waiting === null) return false;
    if (waiting === 0 && trial.ledger.isComplete()) return true;
    if (waiting > 0)
      await sealrelay(trial.files, ['queue', 'retry', '--all', '--state', 'ready', '--yes', '--reason', 'trial']);
    show(`draining, ${waiting} wait`);
  }
  return false;
}

/** Deliveries that have not ended. */
async function waitingIn({ webPort }: RelayFiles): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${webPort}/metrics`)).text();
  const counts = [...text.matchAll(/^sealrelay_queue\{state="(undecided|ready|leased)"\} (\d+)/gm)];
  return counts.reduce((sum, [, , count]) => sum + Number(count), 0);
}

function report(trial: Trial, load: Load, seed: number, seconds: number, drained: boolean): boolean {
  const totals = trial.ledger.totals();
  const verify = trial.broken.length === 0 ? 'clean after each of' : 'NOT CLEAN after some of';
  const rows: [string, string | number][] = [
    ['kills', `${trial.kills}, of them ${trial.killsInStart} while starting; seed ${seed}; ${seconds.toFixed(0)} s`],
    ['sent', `${totals.sent} messages, ${load.refused()} refused`],
    ['acknowledged', `${totals.acknowledged} messages with ${totals.recipients} recipients`],
    ['arrived', `${totals.arrived} recipients; ${totals.reported} more in a DSN`],
    ['lost', totals.lost.length],
    ['changed', totals.changed],
    ['duplicates', `${totals.duplicates} (the peer said 250, we died before recording it)`],
    ['not acknowledged', `${totals.unacknowledged} arrived (committed, killed before the 250 was read)`],
    ['DSN doubles', totals.dsnDoubles.length],
    ['log verify', `${verify} ${trial.verified + trial.broken.length} starts, ${trial.entries} entries at the end`],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(18)}${value}`);
  for (const [what, count] of trial.errors) console.log(`log, ${count} times     ${what}`);
  if (totals.lost.length > 0) console.log(`lost: ${totals.lost.slice(0, 20).join(' ')}`);
  if (totals.dsnDoubles.length > 0) console.log(`two DSNs: ${totals.dsnDoubles.slice(0, 20).join(' ')}`);
  for (const line of trial.broken.slice(0, 5)) console.log(line);
  if (!drained)
    console.log(`the queue did not drain within ${DRAIN_MS / 60_000} minutes, or the gateway ended by itself`);
  return drained && totals.lost.length + totals.changed + totals.dsnDoubles.length + trial.broken.length === 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '20' },
      seed: { type: 'string' },
      sessions: { type: 'string', default: '8' },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
  const kills = Number(values.kills);
  const begun = Date.now();
  const trial = await openTrial(seed);
  const show = (words: string): void => {
    if (!process.stdout.isTTY) return;
    const { acknowledged, arrived } = trial.ledger.totals();
    process.stdout.write(
      `\r\x1b[K${trial.kills}/${kills} kills, ${acknowledged} acknowledged, ${arrived} arrived ${words}`,
    );
  };
  const load = startLoad(trial.files.port, Number(values.sessions), seeded(seed + 1), trial.ledger);
  while (trial.kills < kills) {
    if (trial.kills > 0 && trial.random.fraction() < IN_START) await killInStart(trial);
    else await killUnderLoad(trial);
    show('');
  }
  const gateway = await start(trial);
  await load.stop();
  const drained = await drain(trial, show);
  const ended = await gateway.stop();
  note(trial, gateway, ended === 0 ? 'SIGKILL' : ended);
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  const good = report(trial, load, seed, (Date.now() - begun) / 1000, drained);
  await Promise.all(trial.sinks.map((sink) => sink.close()));
  rmSync(trial.pki, { recursive: true, force: true });
  if (good) rmSync(trial.files.folder, { recursive: true, force: true });
  else console.log(`state is kept in ${trial.files.folder}`);
  return good ? 0 : 1;
}

process.exitCode = await main();
