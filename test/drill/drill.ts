// `node test/drill/drill.ts`, the drill: how long it takes to back up a gateway that holds mail and takes more, to bring the backup back on an
// empty machine, and to start there.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { type GatewayFiles, type Ran, type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { readOptions, whole } from '../support/options.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession, type Session } from '../support/session.ts';
import { freePort } from '../support/smtp-sink.ts';

const { messages, octets, rate } = readOptions({
  usage: 'node test/drill/drill.ts',
  about:
    'Backs up a gateway that holds mail and takes more, brings the backup back on an empty machine, and starts there. Prints how long each takes, and what the backup did to the mail that came meanwhile.',
  options: {
    messages: whole(20_000, 'unfinished in the gateway'),
    octets: whole(20_000, 'of each'),
    rate: whole(100, 'messages a second that come meanwhile', { most: 1_000 }),
  },
  example: 'node test/drill/drill.ts --messages 2000',
  exits: { 0: 'it is back', 1: 'it is not' },
});
const SESSIONS = 20;

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const say = (what: string, value: string) => console.log(`${what.padEnd(52)} ${value}`);

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work();
  say(what, seconds(performance.now() - begun));
  return result;
}

function good(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(ran.err);
  return ran;
}

let number = 0;
const body = Buffer.alloc(octets, `${'word '.repeat(14)}\r\n`);

async function sendOne(session: Session): Promise<void> {
  await session.command('MAIL FROM:<a@clinic.example>');
  await session.command(`RCPT TO:<x${number++}@one.example>`);
  await session.command('DATA');
  const head = `From: <a@clinic.example>\r\nMessage-ID: <${number}@clinic.example>\r\n\r\n`;
  const reply = await session.data(Buffer.concat([Buffer.from(head), body]));
  if (reply.code !== 250) throw new Error(reply.text);
}

/** Nothing listens at the next hop: all of it is unfinished. */
async function fill(port: number): Promise<void> {
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      let session = await openSession({ port });
      for (let i = 0; number < messages; i++) {
        if (i % 100 === 99) {
          await session.quit();
          session = await openSession({ port });
        }
        await sendOne(session);
      }
      await session.quit();
    }),
  );
}

/** Sends at the rate until told to stop; gives how long each took, in order of time taken. */
function load(port: number): () => Promise<number[]> {
  let on = true;
  const took: number[] = [];
  const done = (async () => {
    const open = new Set<Promise<void>>();
    while (on) {
      const one = (async () => {
        const session = await openSession({ port });
        const begun = performance.now();
        await sendOne(session);
        took.push(performance.now() - begun);
        await session.quit();
      })();
      open.add(one);
      one.finally(() => open.delete(one)).catch(() => {});
      await sleep(1000 / rate);
    }
    await Promise.all(open);
  })();
  return async () => {
    on = false;
    await done;
    return took.sort((a, b) => a - b);
  };
}

async function loopDelay({ webPort }: RelayFiles): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${webPort}/metrics`)).text();
  return Number(/^sealrelay_loop_delay_max_seconds (\S+)/m.exec(text)?.[1]) * 1000;
}

function told(what: string, took: readonly number[], delay: number): void {
  const at = (part: number) => `${(took[Math.floor(took.length * part)] ?? 0).toFixed(0)} ms`;
  say(
    what,
    `${took.length} sent, p50 ${at(0.5)}, p99 ${at(0.99)}, worst ${at(0.9999)}; loop held ${delay.toFixed(0)} ms`,
  );
}

function emptyMachine(files: RelayFiles): GatewayFiles {
  const storage = join(files.folder, 'restored');
  mkdirSync(storage, { mode: 0o700 });
  cpSync(join(files.storage, 'evaluation-master.key'), join(storage, 'evaluation-master.key'));
  const config = join(files.folder, 'restored.yaml');
  writeFileSync(config, stringify({ ...parse(readFileSync(files.config, 'utf8')), storage: { path: storage } }));
  return { folder: files.folder, config, storage };
}

const files = await writeRelay({ sinkPort: await freePort(), domains: ['clinic.example'] });
process.env.SEALRELAY_TOKEN_FILE = join(files.folder, 'sealrelay', 'token');
let gateway: Running | undefined;
try {
  gateway = await startGateway(files);
  good(await sealrelay(files, ['user', 'add', 'ops', '--role', 'admin', '--write']));
  await timed(`${messages} messages of ${octets} octets accepted, all unfinished`, () => fill(files.port));
  const target = join(files.folder, 'backup');
  await loopDelay(files);
  let stop = load(files.port);
  await sleep(5_000);
  told(`${rate}/s without a backup`, await stop(), await loopDelay(files));
  stop = load(files.port);
  const made = JSON.parse(
    (await timed('sealrelay backup', async () => good(await sealrelay(files, ['backup', target, '--json'])))).out,
  );
  told(`${rate}/s beside the backup`, await stop(), await loopDelay(files));
  say('its size, and how long no body could be removed', `${(made.octets / 1e6).toFixed(0)} MB, ${made.still} ms`);
  await gateway.kill();
  const machine = emptyMachine(files);
  await timed('sealrelay restore, only checking', async () => good(await sealrelay(machine, ['restore', target])));
  const { out } = await timed('sealrelay restore --yes', async () =>
    good(await sealrelay(machine, ['restore', target, '--yes', '--json'])),
  );
  say('deliveries held', String(JSON.parse(out).restored.held));
  gateway = await timed('start, until ready', () => startGateway(machine));
  rmSync(join(files.folder, 'sealrelay'), { recursive: true });
  good(await sealrelay(machine, ['user', 'add', 'ops', '--role', 'admin', '--write']));
  await timed('sealrelay log verify', async () => good(await sealrelay(machine, ['log', 'verify'])));
  await timed('sealrelay restore --release --all, only counting', async () =>
    good(await sealrelay(machine, ['restore', '--release', '--all', '--json'])),
  );
} finally {
  await gateway?.kill();
  rmSync(files.folder, { recursive: true, force: true });
}
