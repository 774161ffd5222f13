// What the trials share: a gateway that is ended again and again under load, two sinks in this process, a ledger of what was sent, acknowledged
// and arrived, and the table at the end.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { Random } from '../../src/domain/types.ts';
import { findCanaries, findCanariesIn, type Leak } from '../support/canary.ts';
import { type Running, type StartOptions, sealrelay, startGateway } from '../support/gateway.ts';
import { makeCa } from '../support/pki.ts';
import { seeded } from '../support/random.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSink, type Sink } from '../support/sink.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { CANARIES, type Load, SECRET_DOMAIN } from './load.ts';

const POLICY = `version: 1
rules:
  - name: over verified TLS or not at all
    when: { recipient_domain: ${SECRET_DOMAIN} }
    then: { deliver: [tls] }
  - name: everything else may leave
    then: { deliver: [{ tls: may }] }
`;
/** The part of the next hop's replies to EHLO that offer no STARTTLS. */
const NO_STARTTLS = 0.2;
/** The folder of the gateway is looked through after every so many kills. */
const LOOK_EVERY = 50;

export type Trial = {
  readonly files: RelayFiles;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly sinks: readonly Sink[];
  /** Folder of its authority. */
  readonly pki: string;
  /** Recipients in transactions that the next hop took and cut without a reply. */
  dropped: number;
  /** Ms that the next hop takes for the reply to a message. */
  delay: number;
  kills: number;
  killsInStart: number;
  verified: number;
  entries: number;
  /** What `log verify` said when it was not content. */
  readonly broken: string[];
  /** Where a word of a message stands in a file or a log. */
  readonly leaks: string[];
  /** Messages of the log at level error and above → how often. */
  readonly errors: Map<string, number>;
};

export type TrialOptions = {
  /** The part of transactions that the next hop takes and cuts without a reply. */
  readonly drop?: number;
  /** That section of gateway.yaml. */
  readonly limits?: Readonly<Record<string, unknown>>;
  /** To the next hop at the same time. */
  readonly connections?: number;
};

export async function openTrial(
  seed: number,
  { drop = 0, limits, connections = 20 }: TrialOptions = {},
): Promise<Trial> {
  const ledger = openLedger();
  const ca = makeCa('crash trial');
  const pki = mkdtempSync(join(tmpdir(), 'sealrelay-crash-'));
  writeFileSync(join(pki, 'ca.pem'), ca.cert);
  const putOff = new Set<string>();
  const chance = seeded(seed + 2);
  const certificate = ca.issue({ names: ['localhost'] });
  const mail = await openSink({
    // Looked at for each reply to EHLO. Where it was offered and is then gone, the handshake fails.
    get tls() {
      return chance.fraction() < NO_STARTTLS ? undefined : certificate;
    },
    get delay() {
      return trial.delay;
    },
    onMessage: (message) => {
      ledger.took(message);
      if (chance.fraction() >= drop) return null;
      trial.dropped += message.recipients.length;
      return 'drop';
    },
    onRecipient: (argument) => {
      if (argument.startsWith('<p')) return '550 5.1.1 Nobody of that name';
      if (!argument.startsWith('<t') || putOff.has(argument)) return null;
      putOff.add(argument);
      return '451 4.2.1 Not now';
    },
  });
  const staff = await openSink({ tls: certificate, onMessage: ledger.tookReport });
  const files = await writeRelay({
    sinkPort: mail.port,
    domains: ['clinic.crash.example'],
    policy: POLICY,
    extra: {
      ...(limits !== undefined && { limits }),
      delivery: {
        smart_host: { host: 'localhost', port: mail.port },
        connections,
        per_destination: connections,
      },
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
  const trial: Trial = {
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
    leaks: [],
    errors: new Map(),
    dropped: 0,
    delay: 0,
  };
  return trial;
}

/** Starts it and asks it to verify its audit. */
export async function start(trial: Trial, options: StartOptions = {}): Promise<Running> {
  if (trial.kills % LOOK_EVERY === LOOK_EVERY - 1) lookBelow(trial);
  const gateway = await startGateway(trial.files, options);
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

/** Keeps what the log complained of, and says so when the gateway did not end by our signal. */
export function note(trial: Trial, gateway: Running, ended: number | string): void {
  const count = (what: string) => trial.errors.set(what, (trial.errors.get(what) ?? 0) + 1);
  look(trial, findCanariesIn(gateway.log() + gateway.errors(), Object.values(CANARIES), 'log'));
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

function look(trial: Trial, leaks: readonly Leak[]): void {
  for (const { file, form, canary } of leaks)
    trial.leaks.push(`after kill ${trial.kills}: ${canary} (${form}) in ${file}`);
}

function lookBelow(trial: Trial): void {
  look(trial, findCanaries([trial.files.folder], Object.values(CANARIES)));
}

/** Deliveries that have not ended. */
async function waitingIn({ webPort }: RelayFiles): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${webPort}/metrics`)).text();
  const counts = [...text.matchAll(/^sealrelay_queue\{state="(undecided|ready|leased)"\} (\d+)/gm)];
  return counts.reduce((sum, [, , count]) => sum + Number(count), 0);
}

/** Waits until everything arrived and nothing waits; retries by command what would wait for its time, and lets go what was held: because the next
 *  hop showed no TLS where policy demands it, or because its examiner was ended three times. */
export async function drain(trial: Trial, ms: number, show: (words: string) => void): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(500)) {
    const waiting = await waitingIn(trial.files).catch(() => null);
    if (waiting === null) return false;
    if (waiting === 0 && trial.ledger.isComplete()) return true;
    const all = (...words: string[]) => sealrelay(trial.files, ['queue', ...words, '--yes', '--reason', 'trial']);
    if (waiting > 0) await all('retry', '--all', '--state', 'ready');
    else await all('release', '--all', '--state', 'held');
    show(`draining, ${waiting} wait`);
  }
  return false;
}

/** Prints the table; `begun`: its first row. True when all held. */
export function report(trial: Trial, load: Load, begun: [string, string], drained: boolean): boolean {
  const totals = trial.ledger.totals();
  lookBelow(trial);
  const doubtful = inDoubt(trial.files.storage);
  const verify = trial.broken.length === 0 ? 'clean after each of' : 'NOT CLEAN after some of';
  const rows: [string, string | number][] = [
    begun,
    ['sent', `${totals.sent} messages, refused: ${refusalsOf(load)}`],
    ['acknowledged', `${totals.acknowledged} messages with ${totals.recipients} recipients`],
    ['arrived', `${totals.arrived} recipients; ${totals.reported} more in a DSN`],
    ['lost', totals.lost.length],
    ['changed', totals.changed],
    [
      'leaked',
      `${totals.leaked} went out plainer than decided; ${trial.leaks.length} words of messages on disk or in logs`,
    ],
    [
      'duplicates',
      `${totals.duplicates}, of ${doubtful} in doubt (the peer took it, and we died or lost the connection)`,
    ],
    ['not acknowledged', `${totals.unacknowledged} arrived (committed, killed before the 250 was read)`],
    ['DSN doubles', totals.dsnDoubles.length],
    ['log verify', `${verify} ${trial.verified + trial.broken.length} starts, ${trial.entries} entries at the end`],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(18)}${value}`);
  for (const [what, count] of trial.errors) console.log(`log, ${count} times     ${what}`);
  if (totals.lost.length > 0) console.log(`lost: ${totals.lost.slice(0, 20).join(' ')}`);
  if (totals.dsnDoubles.length > 0) console.log(`two DSNs: ${totals.dsnDoubles.slice(0, 20).join(' ')}`);
  for (const line of [...trial.broken.slice(0, 5), ...trial.leaks.slice(0, 5)]) console.log(line);
  if (!drained) console.log('the queue did not drain in time, or the gateway ended by itself');
  const wrong = totals.lost.length + totals.changed + totals.dsnDoubles.length + trial.broken.length;
  const leaked = totals.leaked + trial.leaks.length;
  return drained && wrong === 0 && leaked === 0 && totals.duplicates <= doubtful;
}

function refusalsOf(load: Load): string {
  const words = [...load.refused()].map(([code, count]) => `${count} × ${code}`);
  return words.length === 0 ? '0' : words.join(', ');
}

/** Attempts of which the audit says that nobody knows how they ended. The gateway has stopped. */
function inDoubt(storage: string): number {
  const db = new Database(join(storage, 'queue.db'), { readonly: true });
  try {
    return db.prepare<[], number>("SELECT count(*) FROM audit WHERE event = 'delivery.in_doubt'").pluck().get() ?? 0;
  } finally {
    db.close();
  }
}

/** Ends the sinks; the state is kept when something went wrong. */
export async function closeTrial(trial: Trial, good: boolean): Promise<void> {
  await Promise.all(trial.sinks.map((sink) => sink.close()));
  rmSync(trial.pki, { recursive: true, force: true });
  if (good) rmSync(trial.files.folder, { recursive: true, force: true });
  else console.log(`state is kept in ${trial.files.folder}`);
}
