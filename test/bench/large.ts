// One message of 149 MB (the limit is 150 MB) by one of the four ways: what it does to memory, workers included, and to the event loop.

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask } from '../../src/cli/client.ts';
import { openWorld, type World } from '../scenario/world.ts';
import { mailCertificate, pgpPair } from '../support/correspondents.ts';
import type { Running } from '../support/gateway.ts';
import { usageOf } from '../support/processes.ts';
import { freePort, startSmtpSink } from '../support/smtp-sink.ts';
import { makeMessages } from './messages.ts';
import { sendAll, sendLarge } from './send.ts';

const MB = 1024 * 1024;
const LARGE = { octets: 149 * MB, growth: 150 * MB, stall: 50 };
const WATCHED = fileURLToPath(new URL('./watched.ts', import.meta.url));
const RECIPIENT = 'ann@partner.example';

/** True when it stays within its bounds. */
export async function largeBy(way: string): Promise<boolean> {
  const sink = await startSmtpSink();
  const port = await freePort();
  const world = await openWorld({
    policy: `version: 1\nrules:\n  - name: this way\n    then: { deliver: [{ ${way}: may }] }\n`,
    port,
    domains: {},
    start: { entry: WATCHED },
    config: {
      organizations: [{ name: 'Clinic', domains: ['clinic.example'], from: { networks: ['127.0.0.1/32'] } }],
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'optional' },
        portal: { address: '127.0.0.1', port: await freePort() },
      },
      delivery: { smart_host: { host: 'localhost', port: sink.port }, connections: 20, per_destination: 20 },
      limits: { connections_per_minute: 100_000 },
    },
  });
  try {
    await importKey(world, way);
    return await measure(world, way);
  } finally {
    await world.close();
    await sink.stop();
  }
}

async function importKey({ ca, files }: World, way: string): Promise<void> {
  const text =
    way === 'pgp' ? (await pgpPair(RECIPIENT)).public : way === 'smime' ? mailCertificate(ca, RECIPIENT).cert : null;
  if (text === null) return;
  const file = Buffer.from(text).toString('base64');
  await ask({ socket: files.storage }, 'write', 'keys.import', { file, pin: true });
}

async function measure(world: World, way: string): Promise<boolean> {
  const gateway = world.gateway();
  const { pid } = gateway;
  // The code that a first message compiles, and the workers that it starts, belong to the idle gateway.
  await sendAll({ port: world.port, sessions: 20, count: 100, messages: makeMessages('b') });
  await untilSent(world, 100);
  await sleep(3_000);
  await stall(gateway);
  const idle = usageOf(pid).rss;
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  let peak = idle;
  const sampler = setInterval(() => {
    peak = Math.max(peak, usageOf(pid).rss);
  }, 25);
  const begun = performance.now();
  await sendLarge(world.port, LARGE.octets);
  const accepted = (performance.now() - begun) / 1000;
  await untilSent(world, 101);
  const delivered = (performance.now() - begun) / 1000;
  clearInterval(sampler);
  const longest = await stall(gateway);
  console.log(
    `${way}: one message of ${LARGE.octets / MB} MB: accepted after ${accepted.toFixed(1)} s, ${way === 'portal' ? 'noticed' : 'delivered'} after ${delivered.toFixed(1)} s`,
  );
  console.log(
    `resident memory with workers: idle ${mb(idle)}, peak ${mb(peak)}, growth ${mb(peak - idle)} (bound ${mb(LARGE.growth)})`,
  );
  console.log(`longest stall of the event loop: ${longest} ms (bound ${LARGE.stall} ms)`);
  return peak - idle <= LARGE.growth && longest <= LARGE.stall;
}

/** Messages of the clinic that came to their end. */
async function untilSent(world: World, wanted: number): Promise<void> {
  type Status = { readonly states: Readonly<Record<string, number>> };
  for (const end = Date.now() + 120_000; ; await sleep(20)) {
    const { states } = await ask<Status>({ socket: world.files.storage }, 'read', 'queue.counts', {});
    const ended = (states.delivered ?? 0) + (states.noticed ?? 0);
    const moving = ['undecided', 'ready', 'leased', 'noticing'].some((state) => (states[state] ?? 0) > 0);
    if (ended >= wanted && !moving) return;
    if (Date.now() > end) throw new Error(`not sent: ${JSON.stringify(states)}`);
  }
}

function mb(octets: number): string {
  return `${(octets / MB).toFixed(0)} MB`;
}

/** Asks watched.ts, and begins anew. */
async function stall(gateway: Running): Promise<number> {
  const asked = gateway.errors().length;
  gateway.child.kill('SIGUSR2');
  for (;;) {
    const found = /longest stall ([\d.]+)\n/.exec(gateway.errors().slice(asked));
    if (found !== null) return Number(found[1]);
    await sleep(10);
  }
}
