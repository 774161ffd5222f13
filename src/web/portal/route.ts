// What a route is, and what its handler has in hand.

import type { Context } from 'hono';
import type { Door, Portal } from '../../portal/portal.ts';
import type { Html } from './layout.ts';
import { at, type View, viewOf } from './view.ts';

export type Ask = {
  readonly context: Context;
  readonly portal: Portal;
  /** Of the URL, lower case; with the port where it is not 443. */
  readonly host: string;
  readonly view: View;
  /** Empty for GET and HEAD. */
  readonly form: URLSearchParams;
  readonly random: (octets: number) => Buffer;
  /** Tells of an error that no page can tell any more. */
  readonly failed: (error: unknown) => void;
};
export type Handler = (ask: Ask) => Promise<Response>;

/** `get` answers HEAD too and changes nothing; `name` stands in the log. */
export type Route = { readonly name: string; readonly path: string; readonly get?: Handler; readonly post?: Handler };

type Status = 200 | 403 | 404 | 410 | 413 | 415 | 422 | 429 | 500 | 503;

/** A page as an answer. */
export async function show({ context }: Pick<Ask, 'context'>, status: Status, content: Html): Promise<Response> {
  return context.html(content, status);
}

/** In the name of the door's organization: several may share a host. */
export function inNameOf(ask: Ask, { organization }: Door): Ask {
  return { ...ask, view: viewOf({ office: organization, ...wishesOf(ask.context) }) };
}

/** Which language is asked for. */
export function wishesOf({ req }: Context): { readonly asked: string | undefined; readonly accept: string } {
  return { asked: req.query('lang'), accept: req.header('accept-language') ?? '' };
}

/** To another page of ours, by GET. */
export function moved(
  { context, view }: Pick<Ask, 'context' | 'view'>,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Response {
  return context.redirect(at(view, path, query), 303);
}
