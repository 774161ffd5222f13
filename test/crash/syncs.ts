// `node test/crash/syncs.ts`: runs the gateway under strace and proves from its system calls that each 250 came after the message was on stable
// storage. Between the read of the last octet of a message and the write of its 250 there must be, for segment, key file and write-ahead log, a
// write and then a sync that began after that write and ended before the 250: first for messages sent one by one, where no other message can have
// caused them, then under load, where there must also be fewer syncs than messages.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../support/gateway.ts';
import { flag, readOptions, whole } from '../support/options.ts';
import { descendants } from '../support/processes.ts';
import { lacking } from '../support/programs.ts';
import { writeRelay } from '../support/relay.ts';
import { openSession } from '../support/session.ts';
import { openSink } from '../support/sink.ts';
import { type Call, parseCalls } from './strace.ts';

const ONE_BY_ONE = 40;
const SESSIONS = 20;
const READS = ['read', 'readv', 'recvfrom', 'recvmsg'];
const WRITES = ['write', 'writev', 'sendto', 'sendmsg', 'pwrite64', 'pwritev', 'pwritev2'];
const SYNCS = ['fsync', 'fdatasync'];
const TRACED = [...READS, ...WRITES, ...SYNCS].join(',');
/** Replaces the sync by nothing. */
const NO_SYNC = `data:text/javascript,${encodeURIComponent(
  "import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module'; fs.fdatasync = (_fd, done) => setImmediate(done, null); syncBuiltinESMExports();",
)}`;
const FILES = { segment: /\/bodies\/[^>]*\.seg(?:ment)?>/, keys: /\/bodies\/[^>]*\.keys?>/, rows: /queue\.db-wal>/ };
type FileKind = keyof typeof FILES;

type Proof = {
  readonly messages: number;
  readonly syncs: Readonly<Record<FileKind, number>>;
  readonly missing: string[];
};

/** Sends them and gives the system calls of the time. */
async function trace(messages: number, sessions: number, control: boolean): Promise<Call[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-syncs-'));
  const sink = await openSink({ onMessage: () => {} });
  const files = await writeRelay({ sinkPort: sink.port, domains: ['clinic.example'] });
  const gateway = await startGateway(files, {
    under: [
      'strace',
      '-ff',
      '--seccomp-bpf',
      '-ttt',
      '-T',
      '-yy',
      '-s',
      '64',
      '-e',
      `trace=${TRACED}`,
      '-o',
      join(folder, 't'),
    ],
    flags: control ? ['--import', NO_SYNC] : [],
  });
  const share = Array.from({ length: sessions }, (_, i) => Math.ceil((messages - i) / sessions));
  await Promise.all(share.map((count) => sendSome(files.port, count)));
  // strace itself does not pass signals on.
  for (const pid of descendants(gateway.pid)) process.kill(pid, 'SIGTERM');
  await gateway.ended;
  await sink.close();
  const calls = readdirSync(folder).flatMap((name) => parseCalls(readFileSync(join(folder, name), 'latin1')));
  rmSync(folder, { recursive: true, force: true });
  rmSync(files.folder, { recursive: true, force: true });
  return calls.sort((a, b) => a.begun - b.begun);
}

async function sendSome(port: number, count: number): Promise<void> {
  const session = await openSession({ port });
  const data = Buffer.from(`From: <a@clinic.example>\r\nSubject: x\r\n\r\n${`${'word '.repeat(14)}\r\n`.repeat(60)}`);
  for (let i = 0; i < count; i++) {
    for (const line of ['MAIL FROM:<a@clinic.example>', 'RCPT TO:<b@partner.example>', 'DATA'])
      await session.command(line);
    const { code, text } = await session.data(data);
    if (code !== 250) throw new Error(`refused: ${text}`);
  }
  await session.quit();
}

/** Judges every 250 of the trace. */
function prove(calls: readonly Call[]): Proof {
  const lastRead = new Map<string, number>();
  const missing: string[] = [];
  let messages = 0;
  const of = (names: readonly string[], kind: FileKind) =>
    calls.filter(({ name, file }) => names.includes(name) && FILES[kind].test(file));
  const touched = Object.fromEntries(
    Object.keys(FILES).map((kind) => [
      kind,
      { writes: of(WRITES, kind as FileKind), syncs: of(SYNCS, kind as FileKind).filter(({ failed }) => !failed) },
    ]),
  ) as Record<FileKind, { writes: Call[]; syncs: Call[] }>;
  for (const call of calls) {
    if (READS.includes(call.name) && !call.failed) lastRead.set(call.file, call.ended);
    else if (WRITES.includes(call.name) && call.text.includes('250 2.6.0 Queued as')) {
      messages += 1;
      const from = lastRead.get(call.file) ?? Number.POSITIVE_INFINITY;
      for (const [kind, { writes, syncs }] of Object.entries(touched)) {
        const first = writes.find(({ begun }) => begun >= from && begun < call.begun);
        const sync = first && syncs.find(({ begun, ended }) => begun >= first.ended && ended <= call.begun);
        if (sync === undefined) missing.push(`message ${messages}: ${first ? 'no sync' : 'no write'} of ${kind}`);
      }
    }
  }
  const count = (kind: FileKind) => touched[kind].syncs.length;
  return { messages, syncs: { segment: count('segment'), keys: count('keys'), rows: count('rows') }, missing };
}

function report(name: string, { messages, syncs, missing }: Proof): void {
  const each = Object.entries(syncs).map(([kind, count]) => `${kind} ${count}`);
  console.log(`${name.padEnd(14)}${messages} messages; syncs: ${each.join(', ')}; unproven: ${missing.length}`);
  for (const line of missing.slice(0, 5)) console.log(`  ${line}`);
}

async function main(): Promise<number> {
  const options = readOptions({
    usage: 'node test/crash/syncs.ts',
    about:
      'Runs the gateway under strace and proves from its system calls that each 250 came after the message was on stable storage: first of messages sent one by one, then under load, where there must also be fewer syncs than messages.',
    options: {
      messages: whole(400, 'how many under load', { least: SESSIONS }),
      control: flag('takes the syncs away, and must find that they are missing'),
    },
    example: 'node test/crash/syncs.ts --messages 400',
    exits: { 0: 'it is proven; with --control, what is missing was found', 1: 'it is not' },
  });
  if (lacking(['strace']).length > 0) {
    console.error('needs: apt-get install strace');
    return 2;
  }
  if (options.control) {
    const proof = prove(await trace(ONE_BY_ONE, 1, true));
    report('control', proof);
    return proof.missing.length === Object.keys(FILES).length * ONE_BY_ONE ? 0 : 1;
  }
  const alone = prove(await trace(ONE_BY_ONE, 1, false));
  report('one by one', alone);
  const load = prove(await trace(options.messages, SESSIONS, false));
  report(`${SESSIONS} sessions`, load);
  const fewer = Object.values(load.syncs).every((syncs) => syncs < load.messages);
  console.log(fewer ? 'fewer syncs than messages under load' : 'NOT fewer syncs than messages under load');
  const complete = alone.messages === ONE_BY_ONE && load.messages === options.messages;
  return complete && fewer && alone.missing.length + load.missing.length === 0 ? 0 : 1;
}

process.exitCode = await main();
