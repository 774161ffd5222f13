// The portal's pages over HTTP, without a listener: every route, header and bound.

import { ending } from '../../../src/portal/ending.ts';
import { createPortalApp, type PortalAppOptions, type RequestLine } from '../../../src/web/portal/app.ts';
import { FORM_MAX } from '../../../src/web/portal/bounds.ts';
import { FRAME_POLICY, PAGE_POLICY } from '../../../src/web/portal/headers.ts';
import { STYLE_PATH } from '../../../src/web/portal/style.ts';
import { WorkError } from '../../../src/work/pool.ts';
import { type FakePortal, fakeParcel, fakePortal, HOST, LINK, MESSAGE, PARCEL, SENDER } from '../../support/portal.ts';

let portal: FakePortal;
let app: ReturnType<typeof createPortalApp>;
let lines: RequestLine[];
let failures: unknown[];

function start(given: FakePortal = fakePortal(), options: PortalAppOptions = {}): void {
  portal = given;
  lines = [];
  failures = [];
  app = createPortalApp(portal, {
    log: (line) => lines.push(line),
    failed: (error) => failures.push(error),
    ...options,
  });
}
beforeEach(() => start());

const OWN = { 'sec-fetch-site': 'same-origin' };
const get = (path: string, headers: Record<string, string> = {}, host = HOST) =>
  app.request(`https://${host}${path}`, { headers });
const post = (path: string, fields: Record<string, string> = {}, headers: Record<string, string> = OWN) =>
  app.request(`https://${HOST}${path}`, { method: 'POST', body: new URLSearchParams(fields), headers });
const hidden = (page: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '';

/** A field for a code, as the page has it. */
async function askCode(path: string): Promise<Record<string, string>> {
  const page = await (await post(path)).text();
  return Object.fromEntries(['challenge', 'word', 'until'].map((name) => [name, hidden(page, name)]));
}
/** Cookie of a session. */
async function signIn(path = `/m/${LINK}`): Promise<Record<string, string>> {
  const entered = await post(`${path}/code`, { ...(await askCode(path)), code: '493 018' });
  return { cookie: (entered.headers.get('set-cookie') ?? '').split(';')[0] as string };
}

describe('before a code', () => {
  test('the start page says what this is, how to check it and whom to call', async () => {
    const page = await (await get('/')).text();
    for (const words of [
      'Secure messages from Northside Clinic',
      `https://${HOST}/`,
      '555-0100',
      'https://clinic.example/help',
    ]) {
      expect(page).toContain(words);
    }
  });

  test('the door shows who, for whom and until when, and one button', async () => {
    const page = await (await get(`/m/${LINK}`)).text();
    for (const words of ['Dr. Maria Lee &lt;lee@clinic.example&gt;', 'p•••@oldmail.demo', 'December 24, 2026', 'EST']) {
      expect(page).toContain(words);
    }
    expect(page.match(/<button/g)).toHaveLength(1);
    expect(page).toContain(`action="/m/${LINK}"`);
  });

  test.each([
    '%00',
    '%0D%0AX:%20y',
    '%C3%A9',
    '%2F%2Fevil.example',
    '%ff',
  ])('an address with %s leads nowhere', async (token) => {
    for (const path of [`/m/${token}`, `/m/${token}/code`, `/s/${token}/code`, `/p/${token}`, `/p/${token}/reply`]) {
      const answer = await get(path);
      expect([303, 403, 404]).toContain(answer.status);
      expect(answer.headers.get('location') ?? '/m/').toMatch(/^\/(?:[ms]\/[!-~]*)?$/);
    }
    expect(failures).toEqual([]);
  });

  test('a post asks for a code; its page has the challenge, the word and a field', async () => {
    const answer = await post(`/m/${LINK}`);
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(hidden(page, 'challenge')).toMatch(/^challenge-1/);
    expect(page).toContain('inputmode="numeric" autocomplete="one-time-code"');
    for (const words of ['maple harbor', '9:57 AM EST', 'Send a new code', 'Wrong address?', '5 tries']) {
      expect(page).toContain(words);
    }
    expect(portal.changes).toEqual(['sendCode']);
  });

  test.each(['493018', '493 018', ' 493-018 ', '4 9 3 0 1 8', '493\u00a0018'])('the code %j lets in', async (code) => {
    const entered = await post(`/m/${LINK}/code`, { ...(await askCode(`/m/${LINK}`)), code });
    expect(entered.status).toBe(303);
    expect(entered.headers.get('location')).toBe(`/p/${PARCEL}`);
    expect(entered.headers.get('set-cookie')).toMatch(
      new RegExp(`^__Host-p-${PARCEL}=session-\\d; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=900$`),
    );
  });

  test('a wrong code says how many tries are left, by its field', async () => {
    const field = await askCode(`/m/${LINK}`);
    const answer = await post(`/m/${LINK}/code`, { ...field, code: '111111' });
    const page = await answer.text();
    expect(answer.status).toBe(422);
    expect(page).toContain('You have 4 tries left.');
    expect(page).toContain('<title>Error: Enter the code');
    expect(page).toContain('aria-describedby="code-error code-word code-hint" aria-invalid="true"');
    expect(hidden(page, 'challenge')).toBe(field.challenge);
    expect(page).toContain('maple harbor');
  });

  test('after five wrong codes there is only a new one', async () => {
    const field = await askCode(`/m/${LINK}`);
    for (let i = 0; i < 4; i++) await post(`/m/${LINK}/code`, { ...field, code: '111111' });
    const answer = await post(`/m/${LINK}/code`, { ...field, code: '111111' });
    expect([answer.status, await answer.text()]).toEqual([410, expect.stringContaining('This code no longer works')]);
  });

  test.each(['', '12345', '1234567', 'abcdef'])('what cannot be a code (%j) costs no try', async (code) => {
    const answer = await post(`/m/${LINK}/code`, { ...(await askCode(`/m/${LINK}`)), code });
    expect(answer.status).toBe(422);
    expect(portal.changes).toEqual(['sendCode']);
  });

  test.each([
    [{ challenge: '"><script>', word: 'maple', until: '1' }],
    [{ challenge: 'abc', word: '<b>', until: '1' }],
    [{ challenge: 'abc', word: 'maple', until: '1e999' }],
    [{}],
  ])('a form that is not ours is not shown again: %j', async (fields) => {
    const page = await (await post(`/m/${LINK}/code`, { ...(fields as object), code: '493018' })).text();
    expect(page).toContain('This code no longer works');
    expect(page).not.toContain('<script>');
    expect(portal.changes).toEqual([]);
  });

  test('too many codes', async () => {
    portal.answer.code = 'too many';
    expect((await post(`/m/${LINK}`)).status).toBe(429);
  });

  test('a link that is none, one of another host and any other path say the same', async () => {
    const parcels = [fakeParcel(), fakeParcel({ host: 'other.example', link: 'd'.repeat(32) })];
    start(fakePortal(parcels));
    const answers = await Promise.all(
      [`/m/${'e'.repeat(32)}`, `/m/${'d'.repeat(32)}`, `/s/${LINK}`, '/m/x', '/nothing'].map((path) => get(path)),
    );
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(bodies).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect(bodies[0]).toContain('555-0100');
    const heads = answers.map(({ headers }) => JSON.stringify([...headers]));
    expect(new Set(heads).size).toBe(1);
    const posts = await Promise.all([`/m/${'e'.repeat(32)}`, `/m/${'d'.repeat(32)}`].map((path) => post(path)));
    expect(new Set(await Promise.all(posts.map((one) => one.text()))).size).toBe(1);
  });

  test('on a host of several organizations a door is its own organization’s', async () => {
    Object.assign(portal, {
      host: () => ({ name: HOST, languages: ['en'], phone: null, help: 'javascript:alert(1)' }),
    });
    const [unknown, door] = await Promise.all([get('/m/none'), get(`/m/${LINK}`, { 'accept-language': 'es' })]);
    const pages = [await unknown.text(), await door.text()];
    expect(pages[0]).not.toContain('Northside');
    expect(pages[0]).not.toContain('javascript:');
    expect(pages[1]).toContain('Llame a Northside Clinic: 555-0100');
    const held = await (await get(`/p/${PARCEL}`, await signIn())).text();
    expect(held).toContain('<p class="organization">Northside Clinic</p>');
  });

  test('a host that is no portal has no page', async () => {
    const [start, link] = await Promise.all([get('/', {}, 'x.example'), get(`/m/${LINK}`, {}, 'x.example')]);
    expect([start.status, link.status]).toEqual([404, 404]);
    expect(await start.text()).toBe(await link.text());
  });

  test.each([
    ['expired', 'This message has expired', 'Ask Dr. Maria Lee to make it available again'],
    ['retracted', 'This message was taken back', 'ask Dr. Maria Lee'],
    ['deleted', 'This message was taken back', '555-0100'],
  ] as const)('%s: one page that says what to do', async (state, ...words) => {
    start(fakePortal([fakeParcel({ state })]));
    for (const answer of [await get(`/m/${LINK}`), await post(`/m/${LINK}`)]) {
      expect(answer.status).toBe(410);
      const page = await answer.text();
      for (const word of [...words, '555-0100']) expect(page).toContain(word);
    }
    expect(portal.changes).toEqual([]);
    const own = await get(`/s/${SENDER}`);
    expect(own.status).toBe(state === 'expired' ? 200 : 410);
    expect(await own.text()).not.toMatch(/[Aa]sk Dr\./);
  });

  test('it closed while somebody stood before it', async () => {
    portal.answer.enter = 'closed';
    const field = await askCode(`/m/${LINK}`);
    expect((await post(`/m/${LINK}/code`, { ...field, code: '493018' })).status).toBe(410);
  });
});

describe('behind a code, the recipient', () => {
  const files = [{ part: 3, name: 'Informe "final" \u00fc.pdf', type: 'text/html', size: 183_212 }];
  beforeEach(() => {
    const message = { ...MESSAGE, html: '<p onclick="x">Hello</p>', attachments: files };
    start(fakePortal([fakeParcel({ message, files: new Map([[3, Buffer.from('<script>')]]) })]));
  });

  test('the message: who, when, until when, frame, files, answer, way out', async () => {
    const answer = await get(`/p/${PARCEL}`, await signIn());
    const page = await answer.text();
    expect(answer.status).toBe(200);
    for (const words of [
      'Your results of November 20',
      'November 24, 2026 at 8:42 AM EST',
      '183 kB',
      'Your answer to Dr. Maria Lee',
    ]) {
      expect(page).toContain(words);
    }
    expect(page).toContain(`src="/p/${PARCEL}/html" sandbox="allow-popups allow-popups-to-escape-sandbox"`);
    expect(page).not.toContain('onclick');
    expect(hidden(page, 'once')).toMatch(/^[\w-]{22}$/);
    expect(portal.changes.at(-1)).toBe('view');
  });

  test('a file is given back when its reader went away before the first octet', async () => {
    let ended = 0;
    const body = ending(ReadableStream.from([Buffer.from('x')]), () => ended++);
    const message = { ...MESSAGE, attachments: files };
    start(fakePortal([fakeParcel({ message, files: new Map([[3, body]]) })]));
    const answer = await get(`/p/${PARCEL}/a/3`, await signIn());
    await answer.body?.cancel();
    expect([answer.status, ended]).toEqual([200, 1]);
  });

  test('plain text is text', async () => {
    start(fakePortal([fakeParcel({ message: { ...MESSAGE, text: '<b>bold</b>' } })]));
    const page = await (await get(`/p/${PARCEL}`, await signIn())).text();
    expect(page).toContain('<div class="letter">&lt;b&gt;bold&lt;/b&gt;</div>');
    expect(page).not.toContain('<iframe');
  });

  test('the frame has a policy of its own', async () => {
    const session = await signIn();
    const answer = await get(`/p/${PARCEL}/html`, session);
    expect(answer.headers.get('content-security-policy')).toBe(FRAME_POLICY);
    expect(FRAME_POLICY).toContain("default-src 'none'; img-src data:; style-src 'unsafe-inline'");
    expect(FRAME_POLICY).not.toContain('allow-scripts');
    expect(FRAME_POLICY).not.toContain('allow-same-origin');
    expect(await answer.text()).toContain('<p onclick="x">Hello</p>');
    expect(portal.changes).not.toContain('view');
  });

  test('a file is saved under its name and never shown', async () => {
    const answer = await get(`/p/${PARCEL}/a/3`, await signIn());
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="Informe _final_ _.pdf"; filename*=UTF-8''Informe%20%22final%22%20%C3%BC.pdf`,
    );
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await answer.text()).toBe('<script>');
  });

  test.each(['4', '-1', '3x', '99999', '..%2F3', ''])('no file %j', async (part) => {
    expect((await get(`/p/${PARCEL}/a/${part}`, await signIn())).status).toBe(404);
  });

  test('an answer is sent once, however often its form is', async () => {
    const session = await signIn();
    const once = hidden(await (await get(`/p/${PARCEL}`, session)).text(), 'once');
    for (let i = 0; i < 2; i++) {
      const answer = await post(`/p/${PARCEL}/reply`, { text: 'Thank\r\nyou', once }, { ...OWN, ...session });
      expect([answer.status, answer.headers.get('location')]).toEqual([303, `/p/${PARCEL}?done=sent`]);
    }
    expect(portal.replies).toEqual([{ text: 'Thank\nyou', once }]);
    const sent = await (await get(`/p/${PARCEL}?done=sent`, session)).text();
    expect(sent).toContain('Your answer was sent');
    expect(portal.changes.filter((one) => one === 'view')).toHaveLength(1);
  });

  test.each([
    ['empty', 422, 'Write your answer first.'],
    ['too long', 422, 'The answer is too long.'],
    ['too many', 429, 'many answers today'],
    ['no sender', 422, 'cannot be answered here'],
  ] as const)('an answer that is %s comes back with its text', async (reply, status, words) => {
    portal.answer.reply = reply;
    const once = 'A'.repeat(22);
    const answer = await post(`/p/${PARCEL}/reply`, { text: '</textarea><b>', once }, { ...OWN, ...(await signIn()) });
    const page = await answer.text();
    expect(answer.status).toBe(status);
    expect(page).toContain(words);
    expect(page).toContain('\n&lt;/textarea&gt;&lt;b&gt;</textarea>');
    if (reply !== 'no sender') expect(hidden(page, 'once')).toBe(once);
  });

  test('an answer after the session comes back too', async () => {
    const answer = await post(`/p/${PARCEL}/reply`, { text: 'long text', once: 'x' });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('long text</textarea>');
  });

  test('who leaves is out', async () => {
    const session = await signIn();
    const answer = await post(`/p/${PARCEL}/leave`, {}, { ...OWN, ...session });
    expect(answer.headers.get('location')).toBe('/closed');
    expect(answer.headers.get('set-cookie')).toMatch(/^__Host-p-c+=; .*Max-Age=0$/);
    expect((await get('/closed')).status).toBe(200);
    expect((await get(`/p/${PARCEL}`, session)).status).toBe(403);
  });

  test('no session, another parcel and no parcel at all say the same', async () => {
    const session = await signIn();
    const pages = [
      await get(`/p/${PARCEL}`),
      await get(`/p/${PARCEL}`, { cookie: `__Host-p-${PARCEL}=session-99` }),
      await get(`/p/${'d'.repeat(26)}`, session),
      await get('/p/..%2Fx', session),
      await get(`/p/${PARCEL}/html`),
      await get(`/p/${PARCEL}/a/3`),
    ];
    expect(new Set(await Promise.all(pages.map((one) => one.text()))).size).toBe(1);
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([403]));
  });

  test('a sender’s routes are none for a recipient', async () => {
    const session = { ...OWN, ...(await signIn()) };
    expect((await post(`/p/${PARCEL}/extend`, { days: '7' }, session)).status).toBe(404);
    expect((await post(`/p/${PARCEL}/retract`, {}, session)).status).toBe(404);
    expect(portal.changes).not.toContain('retract');
  });

  test('taken back in the meantime', async () => {
    const session = await signIn();
    (portal.parcels[0] as { state: string }).state = 'retracted';
    const answer = await get(`/p/${PARCEL}`, session);
    expect([answer.status, await answer.text()]).toEqual([410, expect.stringContaining('taken back')]);
  });
});

describe('behind a code, the sender', () => {
  test('state, longer, and taking back in two steps', async () => {
    const session = { ...OWN, ...(await signIn(`/s/${SENDER}`)) };
    const page = await (await get(`/p/${PARCEL}`, session)).text();
    for (const words of ['Message to patient@oldmail.demo', 'Not opened yet', 'Keep it longer'])
      expect(page).toContain(words);
    const extended = await post(`/p/${PARCEL}/extend`, { days: '90' }, session);
    expect(extended.headers.get('location')).toBe(`/p/${PARCEL}?done=extended`);
    expect(await (await get(`/p/${PARCEL}?done=extended`, session)).text()).toContain(
      'available until February 22, 2027',
    );
    const confirm = await (await get(`/p/${PARCEL}/retract`, session)).text();
    expect(confirm).toContain('Take this message back?');
    expect(portal.changes).not.toContain('retract');
    const retracted = await post(`/p/${PARCEL}/retract`, {}, session);
    expect(retracted.headers.get('location')).toBe('/taken-back');
    expect(await (await get('/taken-back')).text()).toContain('The message was taken back');
    expect(portal.changes.filter((one) => /extend|retract/.test(one))).toEqual(['extend 90', 'retract']);
  });

  test.each(['', '0', '-1', '366', '30.5', 'many'])('%j days are not taken', async (days) => {
    const answer = await post(`/p/${PARCEL}/extend`, { days }, { ...OWN, ...(await signIn(`/s/${SENDER}`)) });
    expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('Choose a number of days')]);
  });

  test('a sender does not read, download or answer', async () => {
    const session = { ...OWN, ...(await signIn(`/s/${SENDER}`)) };
    const answers = [
      await get(`/p/${PARCEL}/html`, session),
      await get(`/p/${PARCEL}/a/3`, session),
      await post(`/p/${PARCEL}/reply`, { text: 'x' }, session),
    ];
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
  });
});

describe('nothing changes by looking', () => {
  const PATHS = ['/', `/m/${LINK}`, `/m/${LINK}/code`, `/s/${SENDER}`, `/s/${SENDER}/code`, `/p/${PARCEL}`];
  PATHS.push(...['html', 'a/3', 'reply', 'extend', 'retract', 'leave'].map((path) => `/p/${PARCEL}/${path}`));
  PATHS.push('/closed', '/taken-back', '/nothing', STYLE_PATH);

  test('GET and HEAD of every route by a scanner', async () => {
    for (const path of PATHS) {
      for (const method of ['GET', 'HEAD']) await app.request(`https://${HOST}${path}`, { method });
    }
    expect(portal.changes).toEqual([]);
  });

  test('HEAD and prefetch of a person’s browser', async () => {
    const session = await signIn();
    const before = portal.changes.length;
    for (const path of PATHS) {
      const head = await app.request(`https://${HOST}${path}`, { method: 'HEAD', headers: session });
      expect(await head.text()).toBe('');
      const early = await get(path, { ...session, 'sec-purpose': 'prefetch;prerender' });
      expect([200, 404, 503]).toContain(early.status);
    }
    expect(portal.changes.slice(before)).toEqual([]);
  });

  test.each(PATHS.slice(0, -2))('%s: other methods are told which are taken', async (path) => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
      const answer = await app.request(`https://${HOST}${path}`, { method });
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toMatch(/^(?:GET, HEAD)?(?:, )?(?:POST)?$/);
    }
    expect(portal.changes).toEqual([]);
  });
});

describe('posts', () => {
  test.each<[string, Record<string, string>, boolean]>([
    ['our own page', { 'sec-fetch-site': 'same-origin', origin: 'null' }, true],
    ['an older browser, no-referrer', { origin: 'null' }, true],
    ['an older browser', { origin: `https://${HOST}` }, true],
    ['a program', {}, true],
    ['another site', { 'sec-fetch-site': 'cross-site' }, false],
    ['a sister host', { 'sec-fetch-site': 'same-site', origin: `https://${HOST}` }, false],
    ['another site, older browser', { origin: 'https://evil.example' }, false],
    ['our host without TLS', { origin: `http://${HOST}` }, false],
  ])('from %s', async (_, headers, taken) => {
    const answer = await post(`/m/${LINK}`, {}, headers);
    expect(answer.status).toBe(taken ? 200 : 403);
    expect(portal.changes).toEqual(taken ? ['sendCode'] : []);
  });

  const raw = (body: RequestInit['body'], headers: Record<string, string>) =>
    app.request(`https://${HOST}/m/${LINK}`, {
      method: 'POST',
      body,
      headers: { ...OWN, ...headers },
      duplex: 'half',
    } as RequestInit);
  const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

  test('a form of 64 kB and no more, counted as it comes', async () => {
    expect((await raw('x'.repeat(FORM_MAX), FORM)).status).toBe(200);
    expect((await raw('x'.repeat(FORM_MAX + 1), FORM)).status).toBe(413);
    let pulled = 0;
    const endless = new ReadableStream({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(Buffer.alloc(10_000, 120));
      },
    });
    expect((await raw(endless, FORM)).status).toBe(413);
    expect(pulled).toBeLessThan(15);
    expect((await raw('x', { ...FORM, 'content-length': '70000' })).status).toBe(413);
  });

  test.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x'])('no %s', async (type) => {
    expect((await raw('{}', { 'content-type': type })).status).toBe(415);
    expect(portal.changes).toEqual([]);
  });

  test('are counted for each client', async () => {
    let at = 0;
    start(fakePortal(), { rate: { burst: 3, perMinute: 6, clients: 2 }, now: () => at });
    const by = (remoteAddress: string) =>
      app.request(
        `https://${HOST}/m/${LINK}`,
        { method: 'POST', headers: OWN },
        { incoming: { socket: { remoteAddress } } },
      );
    const statuses = async (address: string, times: number) => {
      const all: number[] = [];
      for (let i = 0; i < times; i++) all.push((await by(address)).status);
      return all;
    };
    expect(await statuses('192.0.2.1', 4)).toEqual([200, 200, 200, 429]);
    expect((await by('::ffff:192.0.2.1')).headers.get('retry-after')).toBe('10');
    expect(await statuses('2001:db8:1:2::1', 3)).toEqual([200, 200, 200]);
    expect(await statuses('2001:db8:1:2:9::5', 1)).toEqual([429]);
    expect((await get('/')).status).toBe(200);
    at += 10_000;
    expect(await statuses('192.0.2.1', 2)).toEqual([200, 429]);
    // Two clients are remembered; the longest unseen is forgotten.
    await by('198.51.100.9');
    expect(await statuses('2001:db8:1:2::1', 1)).toEqual([200]);
  });
});

describe('headers and log', () => {
  test('every answer has them', async () => {
    const session = await signIn();
    const answers = [
      await get('/'),
      await get(`/m/${LINK}`),
      await post(`/m/${LINK}`),
      await get(`/p/${PARCEL}`, session),
      await get(`/p/${PARCEL}`),
      await get('/nothing'),
      await app.request(`https://${HOST}/`, { method: 'PUT' }),
      await post(`/m/${LINK}`, {}, { origin: 'https://evil.example' }),
      await get(STYLE_PATH),
      await post(`/p/${PARCEL}/leave`, {}, { ...OWN, ...session }),
    ];
    for (const [i, { headers }] of answers.entries()) {
      expect(headers.get('strict-transport-security')).toBe('max-age=31536000');
      expect(headers.get('content-security-policy')).toBe(PAGE_POLICY);
      expect(headers.get('cache-control')).toBe(i === 8 ? 'public, max-age=31536000, immutable' : 'no-store');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.get('x-robots-tag')).toBe('noindex, nofollow');
    }
    for (const rule of [
      "default-src 'none'",
      "form-action 'self'",
      "frame-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ]) {
      expect(PAGE_POLICY).toContain(rule);
    }
  });

  test('pages load one style sheet of ours and nothing else, and hold no script', async () => {
    const session = await signIn();
    for (const path of ['/', `/m/${LINK}`, `/p/${PARCEL}`]) {
      const page = await (await get(path, session)).text();
      expect(page.match(/\b(?:src|href)="(?!\/|\?|https:\/\/clinic\.example\/help)[^"]*"/g)).toBeNull();
      expect(page).not.toMatch(/<script|<img|style="|\son\w+=/);
      expect(page.match(/<link[^>]*>/g)).toEqual([`<link rel="stylesheet" href="${STYLE_PATH}">`]);
      expect(page.match(/<h1/g)).toHaveLength(1);
    }
    expect((await get(STYLE_PATH)).headers.get('content-type')).toBe('text/css; charset=utf-8');
  });

  test('the log has no token, id, code, query or address', async () => {
    const session = await signIn();
    await get(`/p/${PARCEL}?done=sent&x=jones`, { ...session, 'user-agent': 'Jones/1.0' });
    await get('/jones@oldmail.demo');
    await app.request(`https://${HOST}/m/${LINK}`, { method: 'JONES' });
    expect(lines.map(({ method, route, status }) => `${method} ${route} ${status}`)).toEqual([
      'POST link 200',
      'POST link code 303',
      'GET parcel 200',
      'GET unknown 404',
      'other link 405',
    ]);
    const text = JSON.stringify(lines);
    for (const secret of [LINK, PARCEL, '493', 'jones', 'done', 'session-'])
      expect(text.toLowerCase()).not.toContain(secret);
    expect(Object.keys(lines[0] as object).sort()).toEqual(['method', 'milliseconds', 'route', 'status']);
  });

  test('a failure of ours says so, and quotes nothing', async () => {
    const session = await signIn();
    Object.defineProperty(portal, 'session', { value: () => Promise.reject(new Error('jones@oldmail.demo')) });
    const answer = await get(`/p/${PARCEL}`, session);
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-security-policy')).toBe(PAGE_POLICY);
    expect(await answer.text()).not.toContain('jones');
    expect(failures).toHaveLength(1);
  });

  test.each([
    ['en', 'We are busy right now'],
    ['es', 'Hay mucha actividad en este momento'],
  ])('a file for which there is no room now is to be asked for again, and no failure: %s', async (language, words) => {
    const session = await signIn();
    const attachment = () => Promise.reject(new WorkError('busy'));
    const found = portal.session.bind(portal);
    Object.defineProperty(portal, 'session', {
      value: async (...given: Parameters<typeof found>) => ({ ...(await found(...given)), attachment }),
    });
    const answer = await get(`/p/${PARCEL}/a/2`, { ...session, 'accept-language': language });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '60']);
    expect(answer.headers.get('content-security-policy')).toBe(PAGE_POLICY);
    expect(answer.headers.get('content-disposition')).toBeNull();
    expect(await answer.text()).toContain(words);
    expect(failures).toEqual([]);
  });
});

describe('languages', () => {
  const lang = async (path: string, accept: string) => {
    const page = await (await get(path, { 'accept-language': accept })).text();
    return /<html lang="(\w+)">/.exec(page)?.[1];
  };
  test.each([
    ['', 'en'],
    ['es', 'es'],
    ['es-MX,es;q=0.9,en;q=0.8', 'es'],
    ['de-DE,de;q=0.9,es;q=0.2,en;q=0.1', 'es'],
    ['en;q=0.5, es;q=0.6', 'es'],
    ['es;q=0, en', 'en'],
    ['zh', 'en'],
    [',;=q,,es;q=x', 'es'],
  ])('a browser that asks for %j gets %s', async (accept, expected) => {
    expect(await lang(`/m/${LINK}`, accept)).toBe(expected);
  });

  test('a link changes it, and it stays', async () => {
    const door = await (await get(`/m/${LINK}`)).text();
    expect(door).toContain('<a href="?lang=es" lang="es" hreflang="es">Español</a>');
    expect(await lang(`/m/${LINK}?lang=es`, 'en')).toBe('es');
    const spanish = await (await get(`/m/${LINK}?lang=es`)).text();
    expect(spanish).toContain(`action="/m/${LINK}?lang=es"`);
    const code = await (await post(`/m/${LINK}?lang=es`)).text();
    expect(code).toContain('Escriba el código');
    const fields = { challenge: hidden(code, 'challenge'), word: hidden(code, 'word'), until: hidden(code, 'until') };
    const entered = await post(`/m/${LINK}/code?lang=es`, { ...fields, code: '493018' });
    expect(entered.headers.get('location')).toBe(`/p/${PARCEL}?lang=es`);
    expect(await lang(`/m/${LINK}?lang=xx`, 'es')).toBe('es');
  });
});
