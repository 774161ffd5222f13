// HTTP for whoever watches the gateway, on loopback: is it alive, may it get mail, what does it measure. No page, no
// cookie, no body is read; nothing here is PHI. Logs nothing: a probe every few seconds would drown the log.

import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { isLoopback } from '../config/names.ts';
import type { Metrics } from './metrics.ts';

export type WebDeps = {
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** Called before each scrape, to bring the gauges up to date; when it fails the rest is given. */
  readonly refresh: () => Promise<void>;
  /** May it get mail; reasons in words, without addresses. */
  readonly readiness: () => Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }>;
};
export type Web = { readonly address: string; readonly port: number; readonly close: () => Promise<void> };

/** The routes without a listener. */
export function createApp(deps: WebDeps): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header('Cache-Control', 'no-store');
    context.header('X-Content-Type-Options', 'nosniff');
    context.header('Content-Security-Policy', "default-src 'none'");
  });
  app.get('/health/live', (context) => context.json({ live: true }));
  app.get('/health/ready', async (context) => {
    const { ready, reasons } = await deps.readiness();
    return context.json({ ready, reasons }, ready ? 200 : 503);
  });
  app.get('/metrics', async (context) => {
    await deps.refresh().catch(() => undefined);
    return context.body(await deps.metrics.text(), 200, { 'Content-Type': deps.metrics.contentType });
  });
  app.notFound((context) => context.json({ error: 'there are /health/live, /health/ready and /metrics' }, 404));
  app.onError((_, context) => context.json({ error: 'failed' }, 500));
  return app;
}

/** Listens; rejects when it cannot, or when others than this machine could ask. `port` 0 takes one from the system. */
export function startWeb(options: { readonly address: string; readonly port: number }, deps: WebDeps): Promise<Web> {
  if (!isLoopback(options.address)) return Promise.reject(new Error(`${options.address} is not loopback`));
  return new Promise((resolve, reject) => {
    const app = createApp(deps);
    const server = serve({ fetch: app.fetch, hostname: options.address, port: options.port }, (info: AddressInfo) => {
      server.off('error', reject);
      resolve({ address: info.address, port: info.port, close });
    });
    server.once('error', reject);
    if ('maxHeadersCount' in server) server.maxHeadersCount = 50;
    server.maxConnections = 64;
    function close(): Promise<void> {
      return new Promise((done) => {
        server.close(() => done());
        if ('closeAllConnections' in server) server.closeAllConnections();
      });
    }
  });
}
