// The portal's pages in a real browser, without scripts: narrow and wide, light and dark, by keyboard alone, and with
// messages that try to run, load or leave.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { renderMessage } from '../../src/mail/render.ts';
import { type PortalWeb, startPortalWeb } from '../../src/web/portal/listener.ts';
import { startChromium } from '../support/chromium.ts';
import { HOSTILE, OUTSIDE } from '../support/hostile.ts';
import { makeCa } from '../support/pki.ts';
import { type FakePortal, fakeParcel, fakePortal, LINK, MESSAGE, PARCEL, SENDER } from '../support/portal.ts';
import { lacking, testWith } from '../support/programs.ts';

const browserTest = testWith(['chromium']);
const hasChromium = lacking(['chromium']).length === 0;
const EXPIRED = 'd'.repeat(32);
const FILES = [{ part: 3, name: 'Laboratory report 2026-11-20.pdf', type: 'application/pdf', size: 183_212 }];

let browser: Browser;
let web: PortalWeb;
let portal: FakePortal;
let base: string;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  if (hasChromium) browser = await startChromium();
});
afterAll(() => browser?.close());

beforeEach(async () => {
  const { chain, key } = makeCa().issue({ names: ['localhost'] });
  const message = {
    ...MESSAGE,
    ...shown('<p>Dear Ms. Jones, see <a href="https://lab.example/x">the laboratory</a>.</p>'),
  };
  portal = fakePortal([
    fakeParcel({ message: { ...message, attachments: FILES }, files: new Map([[3, Buffer.from('%PDF-1.4')]]) }),
    fakeParcel({ id: EXPIRED.slice(6), link: EXPIRED, state: 'expired' }),
  ]);
  web = await startPortalWeb(portal, {
    address: '127.0.0.1',
    port: 0,
    maxConnections: 64,
    certificate: { cert: chain, key },
    rate: { burst: 1_000, perMinute: 1_000, clients: 10 },
  });
  base = `https://localhost:${web.port}`;
  for (const parcel of portal.parcels) parcel.host = `localhost:${web.port}`;
});
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
  await web.close();
});

function shown(html: string): { readonly html: string | null; readonly text: string } {
  const rendered = renderMessage([Buffer.from(`Content-Type: text/html; charset=utf-8\r\n\r\n${html}`)]);
  return { html: rendered.html, text: rendered.text };
}

async function open(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false, ...options });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  return page;
}

/** Goes through all pages, and looks at each. */
async function walk(page: Page, look: (name: string) => Promise<void>): Promise<void> {
  await page.goto(`${base}/`);
  await look('start');
  await page.goto(`${base}/m/${LINK}`);
  await look('door');
  await press(page, 'main button');
  await look('code');
  await page.fill('#code', '111 111');
  await press(page, 'button >> nth=0');
  await look('wrong code');
  await signIn(page);
  await look('message');
  portal.answer = { reply: 'too long' };
  await page.fill('#text', 'Thank you');
  await press(page, 'form[action*=reply] button');
  await look('answer again');
  portal.answer = {};
  await press(page, 'form[action*=reply] button');
  await look('answer sent');
  await press(page, 'form[action*=leave] button');
  await look('closed');
  await page.goto(`${base}/p/${PARCEL}`);
  await look('ended');
  for (const path of [`/m/${EXPIRED}`, '/m/none']) {
    await page.goto(base + path);
    await look(path);
  }
  portal.answer = { enter: 'over' };
  await page.goto(`${base}/m/${LINK}`);
  await signIn(page);
  await look('code over');
  portal.answer = { code: 'too many' };
  await press(page, 'main button');
  await look('too many codes');
  portal.answer = {};
  await page.goto(`${base}/s/${SENDER}`);
  await look('sender’s door');
  await press(page, 'main button');
  await signIn(page);
  await look('desk');
  await press(page, 'form[action*=extend] button');
  await look('extended');
  await press(page, 'a[href*=retract]');
  await look('take back');
  await press(page, 'main button');
  await look('taken back');
}

async function signIn(page: Page): Promise<void> {
  if ((await page.locator('#code').count()) === 0) await press(page, 'main button');
  await page.fill('#code', '493 018');
  await press(page, 'button >> nth=0');
}

/** A click may return before its page has come: this waits for the page. */
async function press(page: Page, selector: string): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.click(selector)]);
}

/** What of a page is too wide, too small to touch, or missing. Runs in the page. */
const FAULTS = `(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push('wider than the window: ' + root.scrollWidth);
  for (const element of document.querySelectorAll('button, a, summary, select, textarea, input:not([type=hidden])')) {
    const { width, height } = element.getBoundingClientRect();
    if (width < 44 || height < 44) faults.push(element.outerHTML.slice(0, 80) + ': ' + width + ' × ' + height);
  }
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  if (!root.lang || document.title === '') faults.push('no lang or title');
  if (getComputedStyle(document.querySelector('.card')).paddingTop === '0px') faults.push('no style');
  return faults;
})()`;
/** What has the focus, and how that is seen. Runs in the page. */
const FOCUS = `(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const name = element === document.body ? '' : element.id || element.textContent;
  return { name, outline: outlineStyle + ' ' + outlineWidth };
})()`;

const LOOKS = [320, 1280].flatMap((width) =>
  (['light', 'dark'] as const).map((colorScheme) => ({ viewport: { width, height: 800 }, colorScheme })),
);
const title = ({ viewport, colorScheme }: (typeof LOOKS)[number]) => `${viewport.width} px, ${colorScheme}`;

for (const look of LOOKS) {
  browserTest(
    `every page at ${title(look)} without scripts`,
    async () => {
      const locale = look.viewport.width === 320 ? 'es-US' : 'en-US';
      const page = await open({ ...look, locale });
      const faults: string[] = [];
      const problems: string[] = [];
      page.on('console', (message) => problems.push(message.text()));
      const names: string[] = [];
      await walk(page, async (name) => {
        names.push(name);
        faults.push(...(await page.evaluate<string[]>(FAULTS)).map((fault) => `${name}: ${fault}`));
      });
      expect(faults).toEqual([]);
      expect(names).toHaveLength(18);
      // The browser tells of each page with a status of 400 and more; of nothing else.
      expect(problems.filter((text) => !text.startsWith('Failed to load resource: the server responded'))).toEqual([]);
    },
    60_000,
  );

  // Colours and widths do not depend on each other.
  if ((look.viewport.width === 320) === (look.colorScheme === 'light')) continue;
  browserTest(
    `axe finds nothing at ${title(look)}`,
    async () => {
      const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
      const page = await open({ ...look, javaScriptEnabled: true, bypassCSP: true });
      const found: string[] = [];
      await walk(page, async (name) => {
        await page.evaluate(axe);
        const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
          "axe.run(document, { iframes: false, resultTypes: ['violations'] })",
        );
        for (const { id, nodes } of violations) found.push(`${name}: ${id} ${nodes[0]?.html}`);
      });
      expect(found).toEqual([]);
    },
    120_000,
  );
}

browserTest('from the door to a sent answer by keyboard alone, the focus always seen', async () => {
  const page = await open();
  const tabTo = async (name: string): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      const now = await page.evaluate<{ name: string; outline: string }>(FOCUS);
      if (now.name.includes(name)) {
        expect(now.outline).toBe('solid 3px');
        return;
      }
      await page.keyboard.press('Tab');
    }
    throw new Error(`no way to ${name}`);
  };
  await page.goto(`${base}/m/${LINK}`);
  await tabTo('E-mail me a code');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#code');
  await tabTo('code');
  await page.keyboard.insertText('493 018');
  await page.keyboard.press('Enter');
  await page.waitForSelector('iframe');
  await tabTo('Save');
  await tabTo('text');
  await page.keyboard.type('Thank you');
  await tabTo('Send the answer');
  await page.keyboard.press('Space');
  await page.waitForSelector('text=Your answer was sent');
  expect(portal.replies).toMatchObject([{ text: 'Thank you' }]);
});

browserTest('a file is saved under its name, and not opened', async () => {
  const page = await open({ acceptDownloads: true });
  await page.goto(`${base}/m/${LINK}`);
  await signIn(page);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('.files a')]);
  expect(download.suggestedFilename()).toBe('Laboratory report 2026-11-20.pdf');
  expect(readFileSync(await download.path(), 'utf8')).toBe('%PDF-1.4');
});

browserTest('a link of a message opens a page that knows nothing of the portal', async () => {
  const page = await open({ javaScriptEnabled: true });
  const referers: (string | null)[] = [];
  await page.context().route('https://lab.example/**', async (route) => {
    referers.push(await route.request().headerValue('referer'));
    await route.fulfill({ contentType: 'text/html', body: '<title>lab</title>' });
  });
  await page.goto(`${base}/m/${LINK}`);
  await signIn(page);
  const [other] = await Promise.all([page.waitForEvent('popup'), page.frameLocator('iframe').locator('a').click()]);
  await other.waitForLoadState();
  expect([other.url(), await other.evaluate('window.opener')]).toEqual(['https://lab.example/x', null]);
  expect(referers).toEqual([null]);
  expect(page.url()).toBe(`${base}/p/${PARCEL}`);
});

/** Shows each hostile body in the frame of a browser that would run scripts; tells of whatever got out. */
async function showAll(prepare: (body: string) => string): Promise<string[]> {
  const page = await open({ javaScriptEnabled: true });
  const outside: string[] = [];
  let name = '';
  await page.context().route(
    (url) => url.origin !== base,
    async (route) => {
      outside.push(`${name}: ${route.request().url()}`);
      await route.abort();
    },
  );
  page.on('dialog', async (dialog) => {
    outside.push(`${name}: dialog`);
    await dialog.dismiss();
  });
  await page.goto(`${base}/m/${LINK}`);
  await signIn(page);
  const parcel = portal.parcels[0]!;
  for (const [given, body] of HOSTILE) {
    name = given;
    parcel.message = { ...MESSAGE, html: prepare(body) };
    await page.goto(`${base}/p/${PARCEL}`, { waitUntil: 'load' });
    const frame = page.frames().find((one) => one.url().endsWith('/html'));
    if (frame === undefined) outside.push(`${name}: the frame went elsewhere`);
    const titles = [await page.title(), (await frame?.title()) ?? ''];
    if (!titles[0]?.startsWith(MESSAGE.subject) || titles[1] !== 'Text of the message')
      outside.push(`${name}: ${titles}`);
    if (page.url() !== `${base}/p/${PARCEL}`) outside.push(`${name}: left for ${page.url()}`);
    if (page.frames().length > 2) outside.push(`${name}: a frame in the frame`);
  }
  return outside;
}

browserTest(
  `${HOSTILE.length} hostile bodies: no script runs, no request leaves`,
  async () => {
    expect(HOSTILE.length).toBeGreaterThanOrEqual(50);
    expect(await showAll((body) => shown(body).html ?? '')).toEqual([]);
  },
  120_000,
);

browserTest(
  'frame and policies hold where the sanitizer would not',
  async () => {
    const got = await showAll((body) => body);
    // Markup of its own may open frames and rename itself there; it may not run, load or leave.
    expect(
      got.filter((line) => line.includes(OUTSIDE) || line.includes('RAN') || /left for|dialog/.test(line)),
    ).toEqual([]);
  },
  120_000,
);

browserTest('the same bodies do harm where nothing holds them', async () => {
  const page = await open({ javaScriptEnabled: true });
  const asked = new Set<string>();
  let name = '';
  await page.context().route(/.*/, async (route) => {
    if (route.request().url().startsWith(OUTSIDE)) asked.add(name);
    await route.fulfill({
      contentType: 'text/html',
      body: name === '' ? '' : (HOSTILE.find(([one]) => one === name)?.[1] ?? ''),
    });
  });
  const harmful = ['script', 'picture onerror', 'picture from elsewhere', 'style import', 'svg onload'];
  for (name of harmful) {
    await page.goto('https://victim.example/').catch(() => undefined);
    // What fails to load says so when it likes.
    for (const end = Date.now() + 10_000; !asked.has(name) && Date.now() < end; ) await page.waitForTimeout(20);
  }
  expect([...asked]).toEqual(harmful);
});
