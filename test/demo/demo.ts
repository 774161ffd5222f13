// `npm run demo`: the real gateway on loopback with throw-away state. Dr. Lee sends one message to five people; the table
// shows how each was protected and why. Exit code 1 when anything came out otherwise than it must; `--json` prints one
// object; `--keep` leaves it running until Ctrl-C.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, styleText } from 'node:util';
import { createTransport } from 'nodemailer';
import { sealrelay } from '../support/gateway.ts';
import { openGateway, openServers, type World } from './world.ts';

type Row = {
  readonly recipient: string;
  readonly protection: string | null;
  readonly level: string | null;
  readonly result: string;
  readonly because: string;
};
type Report = {
  readonly deliveries: readonly Row[];
  readonly audit: { readonly entries: number; readonly intact: boolean };
  /** Deliveries on a connection without TLS. */
  readonly clear: number;
};
const SENDER = 'lee@clinic.demo';

/** What must come out. The ways that later versions add are held here, and say so. */
const EXPECTED: Readonly<Record<string, Partial<Row>>> = {
  'ann@dane.demo': { protection: 'tls', level: 'verify', result: 'delivered' },
  'bob@sts.demo': { protection: 'tls', level: 'verify', result: 'delivered' },
  'carol@pgp.demo': { protection: null, level: null, result: 'held' },
  'dave@smime.demo': { protection: null, level: null, result: 'held' },
  'patient@oldmail.demo': { protection: null, level: null, result: 'held' },
};
const WAIT_MS = 30_000;

const { values: flags } = parseArgs({ options: { keep: { type: 'boolean' }, json: { type: 'boolean' } } });
const color = (format: Parameters<typeof styleText>[0], text: string) =>
  styleText(format, text, { stream: process.stdout });
const say = (line = ''): void => {
  if (flags.json !== true) console.log(line);
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
    text: 'Dear patient,\n\nMRN 00482913, born 04/12/1961: your hemoglobin A1c is 7.9 %, so the diagnosis of type 2 diabetes stands.\nPlease call for an appointment.\n\nDr. Lee\n',
  });
  transport.close();
  return /Queued as ([0-9a-z]+)/.exec(response)?.[1] ?? '';
}

type Shown = {
  deliveries: { recipient: string; state: string; decision: string; level: string | null; because: string }[];
};

async function json<T>(world: World, ...args: string[]): Promise<T> {
  const ran = await sealrelay(world.files, [...args, '--json']);
  if (ran.out === '') throw new Error(`sealrelay ${args.join(' ')}: ${ran.err}`);
  return JSON.parse(ran.out) as T;
}

/** Waits until nothing moves any more, and gives the message as `sealrelay queue show` does. */
async function outcome(world: World, queueId: string): Promise<Shown> {
  for (const end = Date.now() + WAIT_MS; ; ) {
    const shown = await json<Shown>(world, 'queue', 'show', queueId);
    const open = shown.deliveries.filter(
      ({ state }) => state === 'undecided' || state === 'ready' || state === 'leased',
    );
    if (open.length === 0 || Date.now() > end) return shown;
  }
}

/** What the sender was told by mail, once it has arrived. */
async function staffNote(world: World): Promise<string> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const notes = world.destinations.flatMap((one) => one.received.filter((mail) => mail.recipients.includes(SENDER)));
    if (notes.length > 0) return notes.map((note) => note.data.toString()).join('\n');
    if (Date.now() > end) return '';
    await sleep(50);
  }
}

async function report(world: World, queueId: string): Promise<Report> {
  const shown = await outcome(world, queueId);
  const verified = await json<{ entries: number; intact: boolean }>(world, 'log', 'verify');
  const deliveries = shown.deliveries.map((one): Row => {
    const delivered = one.state === 'delivered';
    return {
      recipient: one.recipient,
      protection: delivered ? 'tls' : null,
      level: delivered ? one.level : null,
      result: one.state,
      // What was negotiated, without the reply.
      because: one.because.split('; 2')[0] ?? '',
    };
  });
  const clear = world.destinations.flatMap((one) => one.received).filter((one) => !one.tls).length;
  return { deliveries, audit: { entries: verified.entries, intact: verified.intact }, clear };
}

function failures({ deliveries, audit, clear }: Report, world: World): string[] {
  const wrong: string[] = [];
  for (const [recipient, expected] of Object.entries(EXPECTED)) {
    const row = deliveries.find((one) => one.recipient === recipient);
    for (const [key, value] of Object.entries(expected)) {
      const got = row?.[key as keyof Row];
      if (got !== value) wrong.push(`${recipient}: ${key} is ${got}, expected ${value}`);
    }
    const came = world.destinations.some((one) => one.received.some((mail) => mail.recipients.includes(recipient)));
    if (came !== (expected.result === 'delivered'))
      wrong.push(`${recipient}: its server ${came ? 'took' : 'never saw'} the message`);
  }
  if (!audit.intact) wrong.push('the audit chain is broken');
  if (clear !== 0) wrong.push(`${clear} deliveries without TLS`);
  return wrong;
}

function table(rows: readonly Row[]): void {
  say();
  say(color('bold', ` ${'RECIPIENT'.padEnd(23)}${'CHOSEN'.padEnd(14)}${'RESULT'.padEnd(11)}WHY`));
  for (const row of rows) {
    const chosen = row.protection === null ? '-' : `${row.protection}: ${row.level}`;
    const result = color(row.result === 'delivered' ? 'green' : 'yellow', row.result.padEnd(11));
    say(` ${row.recipient.padEnd(23)}${chosen.padEnd(14)}${result}${row.because}`);
  }
  say();
}

async function main(): Promise<number> {
  say(`sealrelay demo — everything on 127.0.0.1, nothing leaves this machine\n`);
  const servers = await step(() => 'demo CA, 6 mail servers, their DNS', openServers);
  const world = await step(
    ({ port }) => `gateway listening on 127.0.0.1:${port} (STARTTLS)`,
    () => openGateway(servers),
  );
  try {
    await sealrelay(world.files, ['user', 'add', 'demo', '--role', 'admin', '--write']);
    const queueId = await step(
      () => 'Dr. Lee sent one message to 5 people',
      () => send(world),
    );
    const result = await report(world, queueId);
    const note = await step(
      () => 'Dr. Lee was told by mail what is held, and why',
      () => staffNote(world),
    );
    const wrong = failures(result, world);
    for (const { recipient, result: state } of result.deliveries)
      if (state === 'held' && !note.includes(recipient)) wrong.push(`${recipient}: the sender was not told`);
    table(result.deliveries);
    say(
      ` audit: ${result.audit.entries} entries, hash chain ${result.audit.intact ? '✓' : '✗'}      clear-text deliveries: ${result.clear}`,
    );
    for (const line of wrong) console.error(color('red', ` ✗ ${line}`));
    if (flags.json === true) console.log(JSON.stringify(result));
    if (flags.keep === true) await keep(world);
    else
      say(
        `\n Next:  npm run demo -- --keep      leave it running and look around\n        config/README.md            a configuration for your domain`,
      );
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await world.close();
  }
}

function keep(world: World): Promise<void> {
  say(`\n It runs until Ctrl-C. Ask it:\n   export XDG_CONFIG_HOME=${world.files.folder}`);
  say(`   npm run -s sealrelay -- log search --config ${world.files.config}`);
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

process.exitCode = await main();
