// `node test/crash/steps.ts`: one message by PGP and by the portal, a code and a reply, with the gateway ended by SIGKILL between every two steps
// that it takes on disk, store and sockets. After each kill it is started again and must bring all to its end: the variant arrives, there is one
// notice, one receipt and one reply however often each was sent, the message opens with link and code, and nothing plain of it lies on the disk.

import { fileURLToPath } from 'node:url';
import { simpleParser } from 'mailparser';
import { ask } from '../../src/cli/client.ts';
import { openWorld, until, type World } from '../scenario/world.ts';
import { findCanaries } from '../support/canary.ts';
import { pgpPair } from '../support/correspondents.ts';
import type { Running } from '../support/gateway.ts';
import { readOptions, someOf, whole } from '../support/options.ts';
import { codeIn, linkIn, type Page, type Visitor, visitor } from '../support/pick-up.ts';
import { freePort } from '../support/smtp-sink.ts';

const HOOK = fileURLToPath(new URL('./kill-at.ts', import.meta.url));
const CAROL = 'carol@pgp.test';
const PATIENT = 'patient@old.test';
const SENDER = 'lee@clinic.test';
const POLICY = `version: 1
rules:
  - name: by key
    when: { recipient_domain: pgp.test }
    then: { deliver: [pgp] }
  - name: by portal
    then: { deliver: [{ portal: may }] }
`;

export type Trial = {
  readonly world: World;
  readonly origin: string;
  readonly portalPort: number;
  kills: number;
  /** What a peer took twice because we died before we knew that it took it. */
  duplicates: number;
  readonly wrong: string[];
};

export async function openTrial(): Promise<Trial> {
  const port = await freePort();
  const portalPort = await freePort();
  const origin = `https://127.0.0.1:${portalPort}`;
  const world = await openWorld({
    policy: POLICY,
    port,
    domains: { 'pgp.test': 'usual', 'old.test': () => ({}) },
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        portal: { address: '127.0.0.1', port: portalPort },
      },
      portal: { url: origin },
      limits: { connections_per_minute: 100_000 },
    },
  });
  const file = Buffer.from((await pgpPair(CAROL)).public).toString('base64');
  await ask({ socket: world.files.storage }, 'write', 'keys.import', { file, pin: true });
  return { world, origin, portalPort, kills: 0, duplicates: 0, wrong: [] };
}

/** Mails that came to a domain since `from`, by Message-ID; each is counted. */
function mailsSince(world: World, domain: string, from: number): Map<string, { data: string; count: number }> {
  const found = new Map<string, { data: string; count: number }>();
  for (const { data } of world.peer(domain).mails.slice(from)) {
    const id = /^message-id:\s*(\S+)/im.exec(data)?.[1] ?? '';
    const known = found.get(id);
    if (known === undefined) found.set(id, { data, count: 1 });
    else known.count += 1;
  }
  return found;
}

/** Exactly one message, which may have come more often; null and a complaint otherwise. */
function theOne(trial: Trial, what: string, mails: Map<string, { data: string; count: number }>): string | null {
  const all = [...mails.values()];
  if (all.length !== 1) trial.wrong.push(`${what}: ${all.length} instead of 1`);
  for (const { count } of all) trial.duplicates += count - 1;
  return all[0]?.data ?? null;
}

async function start(trial: Trial, killAt: number): Promise<Running> {
  const hook = killAt > 0 ? { flags: ['--import', HOOK], env: { KILL_AT: String(killAt) } } : {};
  await trial.world.restart(hook);
  return trial.world.gateway();
}

/** Works until it is done or the gateway died of it; looks on the disk for `canary` as the kill left it, and starts the gateway
 *  without the hook. True when it lived. */
async function survives(
  trial: Trial,
  running: Running,
  canary: string,
  work: () => Promise<unknown>,
): Promise<boolean> {
  let dead = false;
  void running.ended.then(() => {
    dead = true;
  });
  await Promise.race([running.ended, work().catch(() => running.ended)]);
  if (dead) {
    const found = findCanaries([trial.world.files.storage], [canary]);
    for (const one of found) trial.wrong.push(`${one.form} of what was sent on the disk: ${one.file}`);
  }
  await start(trial, 0);
  const lived = (await running.ended) !== 'SIGKILL';
  if (!lived) trial.kills += 1;
  return lived;
}

/** What was in hand at the kill is asked for at once, until nothing moves. */
async function settle({ world }: Trial, id: string): Promise<void> {
  const moving = ['undecided', 'ready', 'leased', 'noticing'];
  let words = '';
  await until(
    async () => {
      await ask({ socket: world.files.storage }, 'write', 'queue.retry', { all: true, reason: 'trial' });
      const { deliveries } = await world.show(id);
      words = deliveries.map((one) => `${one.recipient} ${one.state}: ${one.because}`).join('; ');
      return !deliveries.some(({ state }) => moving.includes(state));
    },
    () => `settled: ${words}`,
    60_000,
  );
}

/** Waits until a mail for which `wanted` holds came to the domain. */
async function arrived<T>({ world }: Trial, domain: string, from: number, wanted: (data: string) => Promise<T | null>) {
  let found: T | null = null;
  await until(
    async () => {
      await ask({ socket: world.files.storage }, 'write', 'queue.retry', { all: true, reason: 'trial' });
      for (const { data } of world.peer(domain).mails.slice(from)) found ??= await wanted(data);
      return found !== null;
    },
    `here: a mail to ${domain}`,
    60_000,
  );
  return found as T;
}

type Sent = { readonly died: boolean; readonly link: string | null };

/** The message, from its 250 to notice, receipt and variant. */
export async function trySend(trial: Trial, killAt: number): Promise<Sent> {
  const { world } = trial;
  const running = await start(trial, killAt);
  const canary = `canary${Math.random().toString(36).slice(2)}`;
  const from = { pgp: count(world, 'pgp.test'), old: count(world, 'old.test'), clinic: count(world, 'clinic.test') };
  const id = await world.send({ from: SENDER, to: [CAROL, PATIENT], subject: canary, text: `${canary} diagnosis` });
  const lived = await survives(trial, running, canary, () => settle(trial, id));
  await settle(trial, id);
  const view = await world.show(id);
  const states = view.deliveries.map((one) => one.state).join(' ');
  if (states !== 'delivered noticed') trial.wrong.push(`step ${killAt}: ${states}`);
  theOne(trial, `step ${killAt}, variant`, mailsSince(world, 'pgp.test', from.pgp));
  const notice = theOne(trial, `step ${killAt}, notice`, mailsSince(world, 'old.test', from.old));
  await arrived(trial, 'clinic.test', from.clinic, async (data) => (data.includes('/s/') ? data : null));
  theOne(trial, `step ${killAt}, receipt`, mailsSince(world, 'clinic.test', from.clinic));
  return { died: !lived, link: notice === null ? null : await linkIn(notice, 'm') };
}

function count(world: World, domain: string): number {
  return world.peer(domain).mails.length;
}

/** From the button to the open message, once more after a kill. */
export async function tryCode(trial: Trial, link: string, killAt: number): Promise<boolean> {
  const running = await start(trial, killAt);
  const phone = visitor(trial.origin, trial.portalPort);
  const door = await phone.get(link);
  running.child.kill('SIGUSR2');
  const lived = await survives(trial, running, 'diagnosis', () => enter(trial, phone, door));
  if (!lived) {
    await enter(trial, phone, door);
  }
  return !lived;
}

async function enter(trial: Trial, phone: Visitor, door: Page): Promise<Page> {
  const from = count(trial.world, 'old.test');
  const field = await phone.send(door, /\/m\//);
  // The code of a page that went with the gateway may come as well: each page takes its own.
  const tried = new Set<string>();
  return arrived(trial, 'old.test', from, async (data) => {
    const code = await codeIn(data);
    if (code === null || tried.has(code)) return null;
    tried.add(code);
    const page = await phone.send(field, /\/code/, { code });
    if (page.text.includes('diagnosis')) return page;
    if (page.status !== 422) throw new Error(`the message did not open: ${page.status}`);
    return null;
  });
}

/** A reply, sent again by the same form after a kill. */
export async function tryReply(trial: Trial, link: string, killAt: number): Promise<boolean> {
  const { world } = trial;
  const running = await start(trial, killAt);
  const phone = visitor(trial.origin, trial.portalPort);
  const page = await enter(trial, phone, await phone.get(link));
  const from = count(world, 'clinic.test');
  const reply = `thanks ${Math.random().toString(36).slice(2)}`;
  const send = () => phone.send(page, /\/reply/, { text: reply });
  running.child.kill('SIGUSR2');
  const isReply = async (data: string) => ((await simpleParser(data)).text?.includes(reply) ? data : null);
  const lived = await survives(trial, running, reply, async () => {
    await send();
    await arrived(trial, 'clinic.test', from, isReply);
  });
  if (!lived) {
    await send();
    await arrived(trial, 'clinic.test', from, isReply);
  }
  theOne(trial, `step ${killAt}, reply`, mailsSince(world, 'clinic.test', from));
  return !lived;
}

async function main(): Promise<number> {
  const names = ['message', 'code', 'reply'] as const;
  const { every, only } = readOptions({
    usage: 'node test/crash/steps.ts',
    about:
      'Kills the gateway with SIGKILL between every two steps that it takes on disk, store and sockets, for one message by PGP and by the portal, for a code, and for a reply. After each kill it is started again and must bring all to its end, once.',
    options: {
      every: whole(1, 'kills only before every so many steps'),
      only: someOf(names, names, 'what'),
    },
    example: 'node test/crash/steps.ts --only reply --every 10',
    exits: { 0: 'nothing was lost', 1: 'something was lost, came twice, or lies plain on the disk' },
  });
  const trial = await openTrial();
  const show = (line: string) => process.stderr.isTTY && process.stderr.write(`\r${line.padEnd(60)}`);
  try {
    const message = async (_: Trial, _link: string, at: number) => (await trySend(trial, at)).died;
    const runs = { message, code: tryCode, reply: tryReply };
    for (const name of only) {
      let at = 0;
      for (let died = true; died; ) {
        at += every;
        show(`${name}: killed before step ${at}`);
        // A grant gives three codes an hour: each trial has a message of its own.
        const link = name === 'message' ? '' : ((await trySend(trial, 0)).link ?? '');
        died = await runs[name](trial, link, at);
      }
      console.log(`${name}: killed before each of ${at} steps (every ${every})`);
    }
    const { code, out } = await trial.world.run('log', 'verify', '--json');
    if (code !== 0) trial.wrong.push(`log verify: ${out}`);
    console.log(
      `${trial.kills} kills, ${trial.duplicates} duplicates (a peer took it, we died), ${trial.wrong.length} wrong`,
    );
    for (const line of trial.wrong.slice(0, 20)) console.log(`  ${line}`);
    return trial.wrong.length === 0 ? 0 : 1;
  } finally {
    await trial.world.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
