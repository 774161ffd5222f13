// `npm run demo`: the real gateway on loopback with throw-away state. Dr. Lee sends one message to five people; the table
// shows how each was protected and why, and each of them opens it.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { createTransport } from 'nodemailer';
import { ask } from '../../src/cli/client.ts';
import type { DeliveryView, MessageView } from '../../src/control/views.ts';
import { sealrelay } from '../support/gateway.ts';
import { flag, readOptions } from '../support/options.ts';
import { type Opened, openCertificate, openPgp, pickUp } from './open.ts';
import { importKeys } from './people.ts';
import { openGateway, openServers, type World } from './world.ts';

type Row = {
  readonly recipient: string;
  readonly protection: string | null;
  readonly level: string | null;
  readonly result: string;
  readonly because: string;
  /** With what the recipient opened and read it; null when that failed. */
  readonly opened: string | null;
};
type Report = {
  readonly deliveries: readonly Row[];
  readonly audit: { readonly entries: number; readonly intact: boolean };
  /** Deliveries of the message, in whatever form, on a connection without TLS. */
  readonly clear: number;
  readonly link: string | null;
};
const SENDER = 'lee@clinic.demo';
/** Stands in the message and nowhere else. */
const CANARY = '00482913';

/** What must come out. */
const EXPECTED: Readonly<Record<string, Pick<Row, 'protection' | 'level' | 'result'>>> = {
  'ann@dane.demo': { protection: 'tls', level: 'verify', result: 'delivered' },
  'bob@sts.demo': { protection: 'tls', level: 'verify', result: 'delivered' },
  'carol@pgp.demo': { protection: 'pgp', level: 'verify', result: 'delivered' },
  'dave@smime.demo': { protection: 'smime', level: 'verify', result: 'delivered' },
  'patient@oldmail.demo': { protection: 'portal', level: null, result: 'noticed' },
};
const WAIT_MS = 30_000;

const flags = readOptions({
  usage: 'npm run demo --',
  about:
    'Runs the real gateway on 127.0.0.1 with throw-away state: Dr. Lee sends one message to five people. Prints how each was protected and why, and with what each of them opened it. Needs no root, no DNS, no Internet.',
  options: { keep: flag('leaves it running until Ctrl-C'), json: flag('prints one JSON object') },
  example: 'npm run demo -- --keep',
  exits: { 0: 'all came out as it must', 1: 'something came out otherwise' },
});
const color = (format: Parameters<typeof styleText>[0], text: string) =>
  styleText(format, text, { stream: process.stdout });
const say = (line = ''): void => {
  if (!flags.json) console.log(line);
};

async function step<T>(words: (value: T) => string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const value = await work();
  say(
    `  ${color('green', '✓')} ${words(value)}   ${color('dim', `${((performance.now() - begun) / 1000).toFixed(1)} s`)}`,
  );
  return value;
}

/** Gives the queue id of the 250. */
async function send(world: World): Promise<string> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: world.port,
    requireTLS: true,
    tls: { rejectUnauthorized: false },
  });
  const { response } = await transport.sendMail({
    from: `Dr. Lee <${SENDER}>`,
    to: Object.keys(EXPECTED),
    subject: 'Your results',
    text: `Dear patient,\n\nMRN ${CANARY}, born 04/12/1961: your hemoglobin A1c is 7.9 %, so the diagnosis of type 2 diabetes stands.\nPlease call for an appointment.\n\nDr. Lee\n`,
  });
  transport.close();
  return /Queued as ([0-9a-z]+)/.exec(response)?.[1] ?? '';
}

/** Waits until nothing moves any more, and gives the message as `sealrelay queue show` does. */
async function outcome(world: World, queueId: string): Promise<MessageView> {
  const moving = ['undecided', 'ready', 'leased', 'noticing'];
  for (const end = Date.now() + WAIT_MS; ; await sleep(20)) {
    const shown = await ask<MessageView>({ socket: world.files.storage }, 'read', 'queue.show', { id: queueId });
    if (!shown.deliveries.some(({ state }) => moving.includes(state)) || Date.now() > end) return shown;
  }
}

/** What came to a recipient, in order. */
function mailsOf(world: World, recipient: string): Buffer[] {
  return world.destinations.flatMap((one) =>
    one.received.filter((mail) => mail.recipients.includes(recipient)).map(({ data }) => data),
  );
}

/** Each recipient opens what they got; null where it did not show the message. */
async function openAll(world: World): Promise<{ readonly opened: Map<string, string>; readonly link: string | null }> {
  const { people, portal } = world;
  const of = (recipient: string) => mailsOf(world, recipient)[0] ?? Buffer.alloc(0);
  const ways: Readonly<Record<string, () => Promise<Opened & { link?: string }>>> = {
    'ann@dane.demo': async () => ({ text: of('ann@dane.demo').toString(), by: 'any mail program' }),
    'bob@sts.demo': async () => ({ text: of('bob@sts.demo').toString(), by: 'any mail program' }),
    'carol@pgp.demo': () => openPgp(of('carol@pgp.demo'), people.carol),
    'dave@smime.demo': () => openCertificate(of('dave@smime.demo'), people.dave),
    'patient@oldmail.demo': () => pickUp(() => mailsOf(world, 'patient@oldmail.demo'), portal.origin, portal.port),
  };
  const opened = new Map<string, string>();
  let link: string | null = null;
  for (const [recipient, open] of Object.entries(ways)) {
    try {
      const { text, by, link: used } = await open();
      if (text.includes(CANARY)) opened.set(recipient, by);
      link ??= used ?? null;
    } catch (error) {
      console.error(color('red', ` ✗ ${recipient}: ${error instanceof Error ? error.message : error}`));
    }
  }
  return { opened, link };
}

async function report(world: World, shown: MessageView): Promise<Report> {
  const { opened, link } = await openAll(world);
  const verified = await sealrelay(world.files, ['log', 'verify', '--json']);
  const audit = JSON.parse(verified.out) as { entries: number; intact: boolean };
  const deliveries = shown.deliveries.map((one) => rowOf(one, opened.get(one.recipient) ?? null));
  const all = world.destinations.flatMap((one) => one.received);
  const message = all.filter(({ data }) => !isNotice(data));
  const clear = message.filter((one) => !one.tls).length;
  return { deliveries, audit: { entries: audit.entries, intact: audit.intact }, clear, link };
}

/** A notice or a code: mail of the gateway itself, which tells nothing of the message. */
function isNotice(data: Buffer): boolean {
  return /^From: .*@gw\.clinic\.demo>?\r?$/m.test(data.toString()) && !data.includes(CANARY);
}

function rowOf(one: DeliveryView, opened: string | null): Row {
  const went = one.state === 'delivered' || one.state === 'noticed';
  const chosen = one.decision.split(', ')[one.step]?.split(':')[0] ?? null;
  return {
    recipient: one.recipient,
    protection: went ? chosen : null,
    level: went ? one.level : null,
    result: one.state,
    // What was negotiated, without the reply.
    because: one.because.split('; 2')[0] ?? '',
    opened,
  };
}

function failures({ deliveries, audit, clear }: Report, world: World): string[] {
  const wrong: string[] = [];
  for (const [recipient, expected] of Object.entries(EXPECTED)) {
    const row = deliveries.find((one) => one.recipient === recipient);
    for (const [key, value] of Object.entries(expected)) {
      const got = row?.[key as keyof Row];
      if (got !== value) wrong.push(`${recipient}: ${key} is ${got}, expected ${value}`);
    }
    if (row?.opened == null) wrong.push(`${recipient}: could not open the message`);
    const mails = mailsOf(world, recipient);
    const plain = mails.some((mail) => mail.includes(CANARY));
    if (plain !== (expected.protection === 'tls'))
      wrong.push(`${recipient}: its server ${plain ? 'could read' : 'never saw'} the message`);
  }
  if (!audit.intact) wrong.push('the audit chain is broken');
  if (clear !== 0) wrong.push(`${clear} deliveries without TLS`);
  return wrong;
}

function table(rows: readonly Row[]): void {
  say();
  say(
    color('bold', ` ${'RECIPIENT'.padEnd(23)}${'CHOSEN'.padEnd(14)}${'RESULT'.padEnd(11)}${'OPENED BY'.padEnd(18)}WHY`),
  );
  for (const row of rows) {
    const chosen = row.protection === null ? '-' : `${row.protection}${row.level === null ? '' : `: ${row.level}`}`;
    const good = row.result === 'delivered' || row.result === 'noticed';
    const result = color(good ? 'green' : 'yellow', row.result.padEnd(11));
    say(` ${row.recipient.padEnd(23)}${chosen.padEnd(14)}${result}${(row.opened ?? '-').padEnd(18)}${row.because}`);
  }
  say();
}

async function main(): Promise<number> {
  say(`sealrelay demo — everything on 127.0.0.1, nothing leaves this machine\n`);
  const servers = await step(() => 'demo CA, 6 mail servers, their DNS, keys of two people', openServers);
  const world = await step(
    ({ port, portal }) => `gateway listening on 127.0.0.1:${port} (STARTTLS), portal ${portal.origin}`,
    () => openGateway(servers),
  );
  try {
    await sealrelay(world.files, ['user', 'add', 'demo', '--role', 'admin', '--write']);
    process.env.SEALRELAY_TOKEN_FILE = join(world.files.folder, 'sealrelay', 'token');
    await importKeys(world.files.storage, world.people);
    const queueId = await step(
      () => 'Dr. Lee sent one message to 5 people',
      () => send(world),
    );
    const shown = await outcome(world, queueId);
    const result = await step(
      () => 'each of them opened it',
      () => report(world, shown),
    );
    const wrong = failures(result, world);
    table(result.deliveries);
    say(
      ` audit: ${result.audit.entries} entries, hash chain ${result.audit.intact ? '✓' : '✗'}      clear-text deliveries: ${result.clear}`,
    );
    for (const line of wrong) console.error(color('red', ` ✗ ${line}`));
    if (flags.json) console.log(JSON.stringify(result));
    if (flags.keep) await keep(world, result);
    else
      say(
        `\n Next:  npm run demo -- --keep      leave it running and look around\n        config/README.md            a configuration for your domain`,
      );
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await world.close();
  }
}

/** Prints each code that is mailed to patient or sender, as their mailboxes would show it. */
async function keep(world: World, { link }: Report): Promise<void> {
  say(`\n It runs until Ctrl-C. Ask it:\n   export XDG_CONFIG_HOME=${world.files.folder}`);
  say(`   npm run -s sealrelay -- log search --config ${world.files.config}`);
  const { codeIn, linkIn } = await import('../support/pick-up.ts');
  const receipt = mailsOf(world, SENDER).find((mail) => mail.includes('/s/'));
  say(`\n Open the patient's message:  ${link ?? '-'}`);
  say(` Dr. Lee's page of it:        ${receipt === undefined ? '-' : await linkIn(receipt, 's')}\n Codes appear here.`);
  let ended = false;
  const end = () => {
    ended = true;
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  const readers = ['patient@oldmail.demo', SENDER];
  const seen = new Map(readers.map((one) => [one, mailsOf(world, one).length]));
  for (; !ended; await sleep(200)) {
    for (const reader of readers) {
      const mails = mailsOf(world, reader);
      for (const mail of mails.slice(seen.get(reader))) {
        const code = await codeIn(mail);
        say(`   ${reader}: ${code === null ? 'mail came' : `code ${code}`}`);
      }
      seen.set(reader, mails.length);
    }
  }
}

process.exitCode = await main();
