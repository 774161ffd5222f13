// `npm run bench [-- --quick] [-- --large] [-- --profile FOLDER]`: how many messages a second are accepted and delivered, by the gateway with
// sealing, scan and audit on and by a plain Postfix, one after the other in each round, into the same sink. Prints rates, CPU a message and the
// median of the ratios; ends with 1 below the goals. `--large [--way tls|pgp|smime|portal]` passes one message of 150 MB instead (large.ts). `--profile` writes V8 profiles of a run of the gateway alone.

import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Running, startGateway } from '../support/gateway.ts';
import { startPostfix } from '../support/postfix.ts';
import { usageOf } from '../support/processes.ts';
import { lacking } from '../support/programs.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { type SmtpSink, startSmtpSink } from '../support/smtp-sink.ts';
import { largeBy } from './large.ts';
import { makeMessages, type Shape } from './messages.ts';
import { sendAll } from './send.ts';

const SESSIONS = 20;
const GOALS: Readonly<Record<Shape, number>> = { '4 kB': 1.2, '75 kB': 0.8 };
const COUNTS = { full: { '4 kB': 3000, '75 kB': 1000 }, quick: { '4 kB': 600, '75 kB': 200 } } as const;

type System = { readonly name: string; readonly port: number; readonly pid: number };
type Measured = { readonly rate: number; readonly cpu: number };

/** From the first octet until the sink has taken the last message. */
async function measure(system: System, sink: SmtpSink, count: number, messages: readonly Buffer[]): Promise<Measured> {
  const before = sink.count();
  const cpu = usageOf(system.pid).cpu;
  const begun = performance.now();
  await sendAll(system.port, SESSIONS, count, messages);
  await untilTaken(sink, before + count);
  const seconds = (performance.now() - begun) / 1000;
  return { rate: count / seconds, cpu: (usageOf(system.pid).cpu - cpu) / count };
}

async function untilTaken(sink: SmtpSink, wanted: number): Promise<void> {
  for (const end = Date.now() + 120_000; sink.count() < wanted; await sleep(2)) {
    if (Date.now() > end) throw new Error(`${wanted - sink.count()} messages did not arrive`);
  }
}

async function compare(
  systems: readonly [System, System],
  sink: SmtpSink,
  shape: Shape,
  quick: boolean,
): Promise<boolean> {
  const count = COUNTS[quick ? 'quick' : 'full'][shape];
  const messages = makeMessages(shape);
  const size = messages.reduce((sum, { length }) => sum + length, 0) / messages.length / 1000;
  console.log(`\n${shape} (${size.toFixed(1)} kB, ${count} messages a round, ${SESSIONS} sessions)`);
  for (const system of systems) await measure(system, sink, count, messages);
  const ratios: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const rates: number[] = [];
    for (const system of systems) {
      const { rate, cpu } = await measure(system, sink, count, messages);
      rates.push(rate);
      console.log(
        `  round ${round}  ${system.name.padEnd(9)}${rate.toFixed(0).padStart(6)}/s  ${cpu.toFixed(2)} ms CPU a message`,
      );
    }
    ratios.push(rates[0]! / rates[1]!);
  }
  const median = ratios.sort((a, b) => a - b)[1]!;
  const good = median >= GOALS[shape];
  console.log(`  gateway ÷ postfix: ${median.toFixed(2)} (goal ${GOALS[shape]})${good ? '' : '  BELOW'}`);
  return good;
}

async function openGateway(sink: SmtpSink, options: Parameters<typeof startGateway>[1] = {}) {
  const files = await writeRelay({
    sinkPort: sink.port,
    domains: ['clinic.example'],
    extra: { log: { level: 'info' } },
  });
  return { files, gateway: await startGateway(files, options) };
}

async function close({ files, gateway }: { files: RelayFiles; gateway: Running }): Promise<void> {
  await gateway.stop();
  rmSync(files.folder, { recursive: true, force: true });
}

async function rates(sink: SmtpSink, quick: boolean): Promise<boolean> {
  const postfix = await startPostfix(sink.port);
  const open = await openGateway(sink);
  try {
    const systems = [
      { name: 'gateway', port: open.files.port, pid: open.gateway.pid },
      { name: 'postfix', port: postfix.port, pid: postfix.pid },
    ] as const;
    const small = await compare(systems, sink, '4 kB', quick);
    return (await compare(systems, sink, '75 kB', quick)) && small;
  } finally {
    postfix.stop();
    await close(open);
  }
}

async function profile(sink: SmtpSink, folder: string): Promise<void> {
  const open = await openGateway(sink, { flags: ['--cpu-prof', `--cpu-prof-dir=${folder}`] });
  for (const shape of ['4 kB', '75 kB'] as const) {
    const { rate, cpu } = await measure(
      { name: 'gateway', port: open.files.port, pid: open.gateway.pid },
      sink,
      COUNTS.full[shape],
      makeMessages(shape),
    );
    console.log(`${shape}: ${rate.toFixed(0)}/s, ${cpu.toFixed(2)} ms CPU a message, profiled`);
  }
  await close(open);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      large: { type: 'boolean', default: false },
      way: { type: 'string', default: 'tls' },
      profile: { type: 'string' },
    },
  });
  const missing = lacking(['postfix', 'smtp-sink']);
  if (missing.length > 0) {
    console.error(`needs: apt-get install ${missing.join(' ')}`);
    return 2;
  }
  const sink = await startSmtpSink();
  try {
    if (values.profile !== undefined) await profile(sink, values.profile);
    else if (values.large) return (await largeBy(values.way)) ? 0 : 1;
    else return (await rates(sink, values.quick)) ? 0 : 1;
    return 0;
  } finally {
    await sink.stop();
  }
}

process.exitCode = await main();
