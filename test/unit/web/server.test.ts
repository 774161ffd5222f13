// Health, readiness and metrics: on loopback, these three paths, nothing else.

import { createMetrics, type Metrics } from '../../../src/web/metrics.ts';
import { startWeb, type Web, type WebDeps } from '../../../src/web/server.ts';

let metrics: Metrics;
let web: Web;
let refreshed: number;
let refreshFails: boolean;
let readiness: { ready: boolean; reasons: string[] };
const deps = (): WebDeps => ({
  metrics,
  refresh: async () => {
    refreshed += 1;
    if (refreshFails) throw new Error('/var/lib/sealrelay is gone');
  },
  readiness: async () => readiness,
});

beforeEach(async () => {
  metrics = createMetrics();
  refreshed = 0;
  refreshFails = false;
  readiness = { ready: true, reasons: [] };
  web = await startWeb({ address: '127.0.0.1', port: 0 }, deps());
});
afterEach(async () => {
  await web.close();
  metrics.close();
});

const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${web.port}${path}`, init);

test('says that it lives', async () => {
  const response = await get('/health/live');
  expect([response.status, await response.json()]).toEqual([200, { live: true }]);
});

test('says whether it may get mail, and why not', async () => {
  expect((await get('/health/ready')).status).toBe(200);
  readiness = { ready: false, reasons: ['the disk is full'] };
  const response = await get('/health/ready');
  expect([response.status, await response.json()]).toEqual([503, { ready: false, reasons: ['the disk is full'] }]);
});

test('brings the gauges up to date before each scrape', async () => {
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=/);
  expect(await response.text()).toContain('sealrelay_sessions 0');
  expect(refreshed).toBe(1);
});

test('gives what it has when the store does not answer, and no word of why', async () => {
  refreshFails = true;
  const response = await get('/metrics');
  expect(response.status).toBe(200);
  expect(await response.text()).not.toContain('/var/lib');
});

test.each([
  ['/', 'GET'],
  ['/health', 'GET'],
  ['/health/', 'GET'],
  ['/metrics/', 'GET'],
  ['/admin', 'GET'],
  ['/m/abcdefgh', 'GET'],
  ['/..%2fmetrics', 'GET'],
  ['/health/live', 'POST'],
  ['/metrics', 'DELETE'],
])('%s by %s is nothing', async (path, method) => {
  const response = await get(path, { method });
  expect(response.status).toBe(404);
  expect(Object.keys((await response.json()) as object)).toEqual(['error']);
});

test('nothing is kept by a cache or read as another type', async () => {
  for (const path of ['/health/live', '/metrics', '/nothing']) {
    const { headers } = await get(path);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('set-cookie')).toBeNull();
  }
});

test('an error inside says only that it failed', async () => {
  const broken: WebDeps = { ...deps(), readiness: async () => JSON.parse('ann@example.org') };
  const other = await startWeb({ address: '127.0.0.1', port: 0 }, broken);
  try {
    const response = await fetch(`http://127.0.0.1:${other.port}/health/ready`);
    expect([response.status, await response.text()]).toEqual([500, '{"error":"failed"}']);
  } finally {
    await other.close();
  }
});

test.each(['0.0.0.0', '::', '192.0.2.1'])('%s is not listened on', async (address) => {
  await expect(startWeb({ address, port: 0 }, deps())).rejects.toThrow('not loopback');
});

test('a port that is taken is said at the start', async () => {
  await expect(startWeb({ address: '127.0.0.1', port: web.port }, deps())).rejects.toThrow('EADDRINUSE');
});
