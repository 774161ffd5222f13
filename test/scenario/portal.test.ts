// A message on its whole way through the portal, with the real gateway and a real browser: notice, button, code, message,
// file, answer in the sender's mailbox; what scanners do on the way; and the sender who takes it back. Without scripts.

import { readFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { simpleParser } from 'mailparser';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { renderMessage } from '../../src/mail/render.ts';
import { startChromium } from '../support/chromium.ts';
import { lacking, testWith } from '../support/programs.ts';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, SENDER, until, type World } from './world.ts';

const browserTest = testWith(['chromium']);
const hasChromium = lacking(['chromium']).length === 0;
const PATIENT = 'jones@oldmail.test';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const FILE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
/** Of mail gateways and messengers that look at links first. */
const SCANNERS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Edge/18 SafeLinks',
  'Barracuda Sentinel (EE)',
  'Mimecast URL scanner',
  'facebookexternalhit/1.1',
  'WhatsApp/2.23',
  'Slackbot-LinkExpanding 1.0',
  'python-requests/2.31',
  'Mozilla/5.0 (compatible; proofpoint)',
];

let world: World;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  if (!hasChromium) return;
  const [smtp, portal] = [await freePort(), await freePort()];
  world = await openWorld({
    policy: 'version: 1\nrules:\n  - name: all\n    then: { deliver: [{ tls: verify }, { portal: may }] }\n',
    port: smtp,
    domains: { 'oldmail.test': () => ({}) },
    config: {
      organizations: [
        {
          name: 'Northside Clinic',
          domains: [CLINIC],
          from: { networks: ['127.0.0.1/32'] },
          time_zone: 'America/New_York',
          help: { phone: '555-0100' },
        },
      ],
      listen: {
        smtp: { address: '127.0.0.1', port: smtp, tls: 'required' },
        portal: { address: '127.0.0.1', port: portal },
      },
      portal: { url: `https://localhost:${portal}` },
      protection: { clocks: { lacking: '1s', attempts: 1 } },
    },
  });
  browser = await startChromium();
}, 60_000);
afterAll(async () => {
  agent.destroy();
  await browser?.close();
  await world?.close();
});

beforeEach(async () => {
  if (!hasChromium) return;
  const options = { ignoreHTTPSErrors: true, javaScriptEnabled: false, viewport: { width: 320, height: 800 } };
  context = await browser.newContext({ ...options, acceptDownloads: true, locale: 'en-US' });
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
});
afterEach(() => context?.close());

/** Waits for the next mail of that domain whose text has the pattern; gives its first group. */
async function inMail(domain: string, pattern: RegExp, after: number): Promise<string> {
  let found: string | undefined;
  const look = () => {
    const texts = world
      .peer(domain)
      .mails.slice(after)
      .map(({ data }) => renderMessage([Buffer.from(data.replaceAll('\r\n..', '\r\n.'), 'latin1')]).text);
    found = texts.map((text) => pattern.exec(text)?.[1]).find((one) => one !== undefined);
    return found !== undefined;
  };
  await until(look, `a mail with ${pattern}`);
  return found as string;
}
const count = (domain: string) => world.peer(domain).mails.length;

/** A click may return before its page has come: waits for the page of that heading. */
const headed = (heading: string) => page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();

const agent = new Agent({ keepAlive: true, maxSockets: 50, rejectUnauthorized: false });

/** Status of the answer to a request that no browser makes. */
function ask(url: string, options: RequestOptions, body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent, ...options }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('error', reject).end(body);
  });
}

/** What the audit tells of a message, but who looked at it, and the sweep. */
async function eventsOf(id: string): Promise<string[]> {
  const ran = await world.run('trace', id, '--json');
  const events = [...ran.out.matchAll(/"event":"([a-z_.]+)"/g)].map((match) => match[1] as string);
  return events.filter((event) => event !== 'message.viewed' && event !== 'message.swept');
}

/** All that the portal keeps on disk, as rows; and how many entries the audit has of it. */
function portalRows(): Readonly<Record<string, readonly unknown[]>> {
  const db = new Database(join(world.files.storage, 'queue.db'), { readonly: true });
  try {
    const tables = ['parcel', 'conversation', 'access_grant', 'challenge', 'portal_session'];
    const rows = Object.fromEntries(tables.map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all()]));
    return { ...rows, audit: db.prepare("SELECT count(*) FROM audit WHERE event LIKE 'portal.%'").all() };
  } finally {
    db.close();
  }
}

function letter(): string {
  const html =
    '<p>Dear Ms. Jones,</p><p>your <b>results</b> are fine. <img src="cid:seal@clinic" alt="Seal"></p><script>x()</script>';
  const lines = [
    `From: "Dr. Maria Lee" <${SENDER}>`,
    `To: ${PATIENT}`,
    'Subject: =?utf-8?Q?Results_of_Mar=C3=ADa_Jones?=',
    'Date: Tue, 24 Nov 2026 08:42:00 -0500',
    `Message-ID: <${Date.now()}.${count(CLINIC)}@${CLINIC}>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=mixed',
    '',
    '--mixed',
    'Content-Type: multipart/related; boundary=related',
    '',
    '--related',
    'Content-Type: text/html; charset=utf-8',
    '',
    html,
    '--related',
    'Content-Type: image/png; name=seal.png',
    'Content-ID: <seal@clinic>',
    'Content-Transfer-Encoding: base64',
    '',
    PIXEL,
    '--related--',
    '--mixed',
    'Content-Type: application/pdf; name="lab report.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    ...(FILE.toString('base64').match(/.{1,76}/g) ?? []),
    '--mixed--',
    '',
  ];
  return lines.join('\r\n');
}

/** Sends it, and gives its queue id and both links. */
async function sendLetter(): Promise<{ readonly id: string; readonly link: string; readonly sender: string }> {
  const before = { patient: count('oldmail.test'), clinic: count(CLINIC) };
  const id = await world.send({ to: [PATIENT], data: letter() });
  await world.reaches(id, 'noticed');
  const link = await inMail('oldmail.test', /(https:\/\/localhost:\d+\/m\/[a-z2-7]{32})/, before.patient);
  const sender = await inMail(CLINIC, /(https:\/\/localhost:\d+\/s\/[a-z2-7]{32})/, before.clinic);
  return { id, link, sender };
}

/** From the button to the code that came by mail. */
async function askCode(link: string, domain: string): Promise<string> {
  const before = count(domain);
  await page.goto(link);
  await page.click('main button');
  const code = await inMail(domain, /\b(\d{3} ?\d{3})\b/, before);
  const word = (await page.textContent('.word')) ?? '';
  await inMail(domain, new RegExp(`\\b(${word})\\b`), before);
  return code;
}

const WIDTHS = [320, 1280] as const;

/** The mail that an answer came in: its text has the pattern. */
const mailWith = (domain: string, pattern: RegExp) =>
  world.peer(domain).mails.findLast(({ data }) => pattern.test(data));

/** The page is not wider than the window. */
async function fits(width: number): Promise<void> {
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
}

for (const width of WIDTHS)
  browserTest(
    `notice, button, code, message, file, and an answer in the sender’s mailbox, at ${width} px`,
    async () => {
      await page.setViewportSize({ width, height: 800 });
      const { id, link } = await sendLetter();
      const code = await askCode(link, 'oldmail.test');
      await page.fill('#code', '000 000' === code ? '111 111' : '000 000');
      await page.click('button >> nth=0');
      await page.waitForSelector('text=You have 4 tries left.');
      await page.fill('#code', code);
      await page.click('button >> nth=0');
      await headed('Results of María Jones');
      await fits(width);
      const frame = page.frameLocator('iframe').locator('body');
      expect((await frame.innerHTML()).trim()).toBe(
        '<p>Dear Ms. Jones,</p><p>your <b>results</b> are fine. ' +
          `<img alt="Seal" src="data:image/png;base64,${PIXEL}"></p>`,
      );
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('.files a')]);
      expect(download.suggestedFilename()).toBe('lab report.pdf');
      expect(readFileSync(await download.path()).equals(FILE)).toBe(true);
      const before = count(CLINIC);
      await page.fill('#text', 'Gracias, doctora. ¿Cuándo vuelvo?\n.\nJones');
      await page.click('form[action*=reply] button');
      await page.waitForSelector('text=Your answer was sent');
      await inMail(CLINIC, /(¿Cuándo vuelvo\?\s+\.\s+Jones)/, before);
      await fits(width);
      const answer = mailWith(CLINIC, /Reply-To: jones@oldmail\.test/i);
      expect((await simpleParser(answer?.data ?? '')).subject).toBe('[Secure reply] Re: Results of María Jones');
      expect(answer?.secure).toBe(true);
      expect(answer?.commands.join()).toContain(`RCPT TO:<${SENDER}>`);
      await page.click('form[action*=leave] button');
      await headed('Closed');
      await page.goBack();
      await headed('Please open the message again');
      const seen = ['portal.viewed', 'portal.downloaded', 'portal.replied'];
      expect(await eventsOf(id)).toEqual(expect.arrayContaining(seen));
      const told = (await world.run('log', 'search', '--id', id, '--state', 'noticed', '--protection', 'portal')).out;
      expect(told).toMatch(/portal: no TLS +noticed/);
      const trace = (await world.run('trace', id)).out;
      expect(trace).toMatch(/portal\.code_sent [\s\S]*?to: recipient\n +expires: \d{4}-\d\d-\d\d \d\d:/);
      expect(world.gateway().log()).not.toMatch(/\/m\/|\/p\/|[a-z2-7]{32}|jones|results|lab report/i);
    },
    60_000,
  );

browserTest(
  '1,000 looks of scanners change nothing',
  async () => {
    const { id, link, sender } = await sendLetter();
    const before = { events: await eventsOf(id), patient: count('oldmail.test'), clinic: count(CLINIC) };
    const rows = portalRows();
    const looks = Array.from({ length: 1_000 }, (_, i) => i);
    const look = (i: number): Promise<number> => {
      const url = [link, sender, `${link}?lang=es`, `${sender}?x=1`][Math.floor(i / 2) % 4] as string;
      const agent = SCANNERS[i % SCANNERS.length] as string;
      return ask(url, { method: i % 2 === 0 ? 'GET' : 'HEAD', headers: { 'User-Agent': agent } });
    };
    const statuses = new Set<number>();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let next = looks.pop(); next !== undefined; next = looks.pop()) statuses.add(await look(next));
      }),
    );
    expect([...statuses]).toEqual([200]);
    expect(before.events).toContain('delivery.noticed');
    expect(await eventsOf(id)).toEqual(before.events);
    expect([count('oldmail.test'), count(CLINIC)]).toEqual([before.patient, before.clinic]);
    expect(rows.parcel).toContainEqual(expect.objectContaining({ delivery: `${id}.0`, state: 'waiting' }));
    expect(portalRows()).toEqual(rows);
    // And the person still comes in.
    await page.goto(link);
    const code = await askCode(link, 'oldmail.test');
    await page.fill('#code', code);
    await page.click('button >> nth=0');
    await headed('Results of María Jones');
  },
  120_000,
);

browserTest(
  'of 50 parallel uses of a code one succeeds',
  async () => {
    const { link } = await sendLetter();
    const code = await askCode(link, 'oldmail.test');
    const field = async (name: string) => (await page.getAttribute(`input[name=${name}]`, 'value')) ?? '';
    const form = { challenge: await field('challenge'), word: await field('word'), until: await field('until'), code };
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams(form).toString();
    // Each from an address of its own: not the bound of posts is what is tried.
    const from = (i: number) => ({ method: 'POST', headers, family: 4, localAddress: `127.0.0.${10 + i}` });
    const uses = Array.from({ length: 50 }, (_, i) => ask(`${link}/code`, from(i), body));
    const statuses = await Promise.all(uses);
    expect(statuses.filter((status) => status === 303)).toHaveLength(1);
    expect(new Set(statuses)).toEqual(new Set([303, 410]));
  },
  60_000,
);

browserTest(
  'the sender sees it opened, keeps it longer, and takes it back',
  async () => {
    const { link, sender } = await sendLetter();
    await page.fill('#code', await askCode(link, 'oldmail.test'));
    await page.click('button >> nth=0');
    await page.waitForSelector('iframe');
    const patient = page.url();
    await page.fill('#code', await askCode(sender, CLINIC));
    await page.click('button >> nth=0');
    await headed(`Message to ${PATIENT}`);
    expect(await page.textContent('main strong')).toBe('Opened');
    await page.selectOption('#days', '90');
    await page.click('form[action*=extend] button');
    await page.waitForSelector('[role=status]');
    await page.click('a[href*=retract]');
    await page.click('main button');
    await headed('The message was taken back');
    await page.goto(link);
    await headed('This message was taken back');
    await page.goto(patient);
    expect(await page.locator('iframe').count()).toBe(0);
  },
  60_000,
);
