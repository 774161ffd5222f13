// The portal's routes: what a person may ask of it over HTTPS. GET and HEAD change nothing; a post is believed only from our
// own pages. Its log has the name of a route, never a path, query, token, address or browser. It knows no parcel, no key
// and no store: `Portal` does.

import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import type { Time } from '../../domain/ids.ts';
import type { Portal } from '../../portal/portal.ts';
import { WorkError } from '../../work/pool.ts';
import { createLimiter, isOwnPost, isPrefetch, RATE, type Rate, readForm } from './bounds.ts';
import { plainPage, startPage, unknownPage } from './door.ts';
import { doorRoutes } from './door-routes.ts';
import { secure } from './headers.ts';
import { parcelRoutes } from './parcel-routes.ts';
import { type Route, show, wishesOf } from './route.ts';
import { STYLE, STYLE_PATH } from './style.ts';
import { type View, viewOf } from './view.ts';

export type RequestLine = {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly milliseconds: number;
};
export type PortalAppOptions = {
  /** One call a request. */
  readonly log?: (line: RequestLine) => void;
  /** A request failed by our fault; the error may quote what it worked on. */
  readonly failed?: (error: unknown) => void;
  readonly rate?: Rate;
  readonly now?: () => Time;
  /** Octets of randomness; for tests. */
  readonly random?: (octets: number) => Buffer;
};

/** The routes without a listener. */
export function createPortalApp(portal: Portal, options: PortalAppOptions = {}): Hono {
  const now = options.now ?? Date.now;
  const random = options.random ?? randomBytes;
  const failed = (error: unknown): void => options.failed?.(error);
  const limiter = createLimiter(options.rate ?? RATE, now);
  const app = new Hono<{ Variables: { route: string } }>();

  app.use(async (context, next) => {
    const begun = performance.now();
    context.set('route', 'unknown');
    await next();
    secure(context.res.headers);
    const { method } = context.req;
    const line = {
      method: METHODS.has(method) ? method : 'other',
      route: context.get('route'),
      status: context.res.status,
    };
    options.log?.({ ...line, milliseconds: Math.round(performance.now() - begun) });
  });

  const answer = async (context: Context, { get, post }: Route): Promise<Response> => {
    const { method } = context.req;
    const handler = method === 'POST' ? post : method === 'GET' || method === 'HEAD' ? get : undefined;
    const place = placeOf(context, portal);
    const ask = { context, portal, random, failed, ...place, form: new URLSearchParams() };
    if (handler === undefined) {
      const allow = [get && 'GET, HEAD', post && 'POST'].filter(Boolean).join(', ');
      return context.text('', 405, { Allow: allow });
    }
    if (method !== 'POST') return isPrefetch(context.req.raw.headers) ? context.text('', 503) : handler(ask);
    const wait = limiter.take(clientOf(context));
    if (wait > 0) {
      context.header('Retry-After', String(wait));
      return show(ask, 429, plainPage(ask.view, ask.view.words.slow));
    }
    if (!isOwnPost(context.req.raw.headers, new URL(context.req.url).origin)) {
      return show(ask, 403, plainPage(ask.view, ask.view.words.refused));
    }
    const form = await readForm(context.req.raw);
    if (form === 'too large') return show(ask, 413, plainPage(ask.view, ask.view.words.tooLarge));
    if (form === 'not a form') return show(ask, 415, plainPage(ask.view, ask.view.words.refused));
    return handler({ ...ask, form });
  };
  for (const route of [...OWN, ...doorRoutes, ...parcelRoutes]) {
    app.all(route.path, (context) => {
      context.set('route', route.name);
      return answer(context, route);
    });
  }
  app.notFound((context) => {
    const ask = { context, ...placeOf(context, portal) };
    return show(ask, 404, unknownPage(ask.view));
  });
  app.onError((error, context) => {
    const ask = { context, ...placeOf(context, portal) };
    if (error instanceof WorkError && error.code === 'busy') {
      context.header('Retry-After', String(BUSY_SECONDS));
      return show(ask, 503, plainPage(ask.view, ask.view.words.busy));
    }
    failed(error);
    return show(ask, 500, plainPage(ask.view, ask.view.words.failed));
  });
  return app as unknown as Hono;
}

/** What takes all workers, or all room for downloads, seldom lasts longer. */
const BUSY_SECONDS = 60;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

function placeOf(context: Context, portal: Portal): { readonly host: string; readonly view: View } {
  const { host } = new URL(context.req.url);
  const office = portal.host(host);
  return { host, view: viewOf({ office, ...wishesOf(context) }) };
}

function clientOf(context: Context): string {
  const incoming = (context.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined)?.incoming;
  return incoming?.socket?.remoteAddress ?? 'unknown';
}

const OWN: readonly Route[] = [
  {
    name: 'start',
    path: '/',
    get: async (ask) => {
      if (ask.view.office === null) return show(ask, 404, unknownPage(ask.view));
      return show(ask, 200, startPage(ask.view, ask.host));
    },
  },
  {
    name: 'style',
    path: STYLE_PATH,
    get: async ({ context }) =>
      context.body(STYLE, 200, {
        'Content-Type': 'text/css; charset=utf-8',
        'Cache-Control': 'public, max-age=31536000, immutable',
      }),
  },
];
