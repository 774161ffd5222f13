// What needs a person is told by mail, once a cause and hour, and held mail ends: a real gateway whose clock goes ahead from
// start to start, so that what was told has to survive each of them.

import { fileURLToPath } from 'node:url';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, SENDER, until, type World } from './world.ts';

const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const IT = `it@${CLINIC}`;
const ADMIN = `admin@${CLINIC}`;
const POLICY = `version: 1
rules:
  - name: to be looked at
    when: { recipient_domain: held.test }
    then: hold
  - name: rest
    then: { deliver: [{ tls: encrypt }] }
`;

type Mail = { readonly to: readonly string[]; readonly subject: string; readonly text: string };
let world: World;
let seen = 0;

beforeAll(async () => {
  world = await openWorld({
    policy: POLICY,
    domains: { 'held.test': 'usual', 'good.test': 'usual' },
    config: {
      organizations: [{ name: 'Clinic', domains: [CLINIC], from: { networks: ['127.0.0.1/32'] }, admin: ADMIN }],
      alerts: { to: [IT] },
    },
    port: await freePort(),
  });
});

afterAll(() => world?.close());

/** Quoted-printable as our own mails have it. */
const decoded = (data: string) =>
  data
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** What came to the clinic's staff since this was called last, when `count` mails are there. */
async function mails(count: number): Promise<Mail[]> {
  const { mails: all } = world.peer(CLINIC);
  await until(
    () => all.length >= seen + count,
    () => `${count} mails, but ${all.length - seen}`,
  );
  const fresh = all.slice(seen).map(({ commands, data }) => ({
    to: commands.flatMap((one) => /^RCPT TO:<([^>]*)>/.exec(one)?.[1] ?? []),
    subject: /^Subject: (.*)$/m.exec(data)?.[1]?.trim() ?? '',
    text: decoded(data),
  }));
  seen = all.length;
  return fresh;
}

/** The gateway goes on at that time after the start of the test. */
const at = (ms: number) => world.restart({ flags: ['--import', SHIFT], env: { SHIFT_MS: String(ms) } });

/** Its first look after a start has ended, alerts told: the second one would come a minute later. */
async function looked(): Promise<void> {
  const { figures } = JSON.parse(
    `{"figures":[${(await world.run('doctor', '--json')).out.trim().split('\n').join(',')}]}`,
  ) as {
    figures: { name: string }[];
  };
  expect(figures.map(({ name }) => name)).toContain('held mail');
}

test('held mail: alert once, reminders, the end in a DSN, and that it is over', async () => {
  const id = await world.send({ to: ['ann@held.test'], subject: 'about Ann Example' });
  await world.send({ to: ['bob@good.test'] });
  const [note] = await mails(1);
  expect(note).toMatchObject({ to: [SENDER, ADMIN], subject: 'Your message is held and was not delivered yet' });

  // Longer than alerts.held.
  await at(25 * HOUR);
  const [alert] = await mails(1);
  expect(alert).toMatchObject({ to: [IT], subject: 'Mail gateway gw.clinic.test: held mail' });
  expect(alert?.text).toContain('! held mail: 1 held, the oldest for 25 hours');
  expect(alert?.text).toContain('Next: sealrelay queue list --state held');
  expect(alert?.text).not.toMatch(/ann|Example|held\.test/i);

  // Told already, and the same still: nobody hears of it again.
  await at(26.5 * HOUR);
  await looked();

  // The second reminder stands for the first one, which was missed; the alert comes again, a day later.
  await at(7 * DAY + HOUR);
  const week = await mails(2);
  expect(week.map(({ to }) => to)).toEqual(expect.arrayContaining([[IT], [SENDER, ADMIN]]));
  const reminder = week.find(({ to }) => to.includes(SENDER));
  expect(reminder?.subject).toBe('Your message is still held and was not delivered yet');
  expect(reminder?.text).toMatch(/goes back to its sender as undelivered on /);

  await at(14 * DAY + HOUR);
  const end = await mails(2);
  const dsn = end.find(({ to }) => to.includes(SENDER));
  expect(dsn?.subject).toBe('Undelivered mail returned to sender');
  expect(dsn?.text).toContain('held for 14 days, and nobody decided about it');
  expect((await world.show(id)).deliveries.map((one) => one.state)).toEqual(['bounced']);
  const last = end.find(({ to }) => to.includes(IT));
  expect(last?.subject).toBe('Mail gateway gw.clinic.test: held mail ended');
  expect(last?.text).toMatch(/No longer so:\s+held mail/);

  // Nothing more came in between, and nothing comes now.
  await at(14 * DAY + 2.5 * HOUR);
  await looked();
  expect(world.peer(CLINIC).mails).toHaveLength(seen);
  const { entries } = JSON.parse((await world.run('trace', id, '--json')).out) as {
    entries: { event: string; detail: { kind?: string; no?: number } }[];
  };
  const kinds = entries.flatMap(({ event, detail }) =>
    event === 'delivery.told' ? [`${detail.kind} ${detail.no ?? ''}`.trim()] : [],
  );
  expect(kinds).toEqual(['held', 'reminded 2', 'bounced']);
}, 120_000);

test('what was sent is counted, our own mail is not', async () => {
  const ran = await world.run('usage', '--json');
  const lines = ran.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const sum = (key: string) => lines.reduce((all, one) => all + one[key], 0);
  expect([sum('messages'), sum('recipients'), sum('tls')]).toEqual([2, 2, 1]);
  expect(lines[0]).toMatchObject({ organization: 'Clinic', messages: 2 });
});

test('each watched figure says what it means', async () => {
  const ran = await world.run('doctor', '--json');
  const watched = ran.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((one) => one.group === 'watched');
  expect(watched.map((one) => one.name)).toEqual(
    expect.arrayContaining([
      'held mail',
      'oldest message',
      'disk space',
      'sync time',
      'write-ahead log',
      'audit trail',
    ]),
  );
  for (const one of watched) {
    expect(one.means).toMatch(/\.$/);
    expect(one.next === null).toBe(one.light === 'green');
  }
});

test('an alert that cannot be handed over is not followed by one about it; a day later it is tried anew', async () => {
  const weak = await openWorld({
    policy: POLICY,
    // Not the name of the server: `verify` is not reached, and mail of ours is held.
    domains: { [CLINIC]: (ca) => ({ certificate: ca.issue({ names: ['elsewhere.test'] }) }), 'held.test': 'usual' },
    config: {
      organizations: [{ name: 'Clinic', domains: [CLINIC], from: { networks: ['127.0.0.1/32'] }, silence: '26 hours' }],
      alerts: { to: [IT] },
      protection: { clocks: { lacking: '1s', attempts: 1 } },
    },
    port: await freePort(),
  });
  const later = (ms: number) => weak.restart({ flags: ['--import', SHIFT], env: { SHIFT_MS: String(ms) } });
  /** Alerts that were tried and are still there. */
  const alerts = async (): Promise<string[]> => {
    const { out } = await weak.run('queue', 'list', '--recipient', IT, '--json');
    const rows = out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    return rows.flatMap(({ queueId, status }) => (status === '4.7.5' ? [queueId] : []));
  };
  try {
    await weak.send({ to: ['ann@held.test'] });
    await later(25 * HOUR);
    await until(async () => (await alerts()).length === 1, 'the alert waits');
    const [first] = await alerts();
    // By now the clinic is silent too, which would be told.
    await later(27 * HOUR);
    await weak.run('doctor');
    const status = JSON.parse((await weak.run('status', '--json')).out) as {
      alarms: { name: string; standing: boolean }[];
    };
    expect(status.alarms).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'no mail', standing: true }),
        expect.objectContaining({ name: 'held mail', standing: true }),
      ]),
    );
    expect(await alerts()).toEqual([first]);
    await later(50 * HOUR);
    await until(async () => (await alerts()).some((one) => one !== first), 'the next alert');
  } finally {
    await weak.close();
  }
}, 90_000);
