// Routes before a code: `/m/<token>` for the recipient, `/s/<token>` for the sender.

import type { GrantKind } from '../../domain/portal.ts';
import type { Door } from '../../portal/portal.ts';
import {
  type CodeField,
  closedPage,
  codePage,
  doorPage,
  doorPath,
  overPage,
  tooManyPage,
  unknownPage,
} from './door.ts';
import { parcelPath } from './pickup.ts';
import { type Ask, type Handler, inNameOf, moved, type Route, show } from './route.ts';
import { sessionCookie } from './session.ts';

type AtDoor = Ask & { readonly kind: GrantKind; readonly token: string; readonly path: string; readonly door: Door };

/** The sender may still come in when it has expired: to extend it. */
function isShut(door: Door): boolean {
  return door.state === 'retracted' || door.state === 'deleted' || (door.state === 'expired' && door.kind === 'link');
}

/** Finds the door of the URL; answers itself where there is none or it is shut. */
function atDoor(kind: GrantKind, then: (ask: AtDoor) => Promise<Response>): Handler {
  return async (ask) => {
    const token = ask.context.req.param('token') ?? '';
    const door = await ask.portal.door(ask.host, kind, token);
    if (door === null) return show(ask, 404, unknownPage(ask.view));
    const own = inNameOf(ask, door);
    if (isShut(door)) return show(own, 410, closedPage(own.view, door));
    return then({ ...own, kind, token, path: doorPath(kind, token), door });
  };
}

/** It was shut, or went, while somebody stood before it. */
async function closed(ask: AtDoor): Promise<Response> {
  const door = await ask.portal.door(ask.host, ask.kind, ask.token);
  if (door === null) return show(ask, 404, unknownPage(ask.view));
  return show(ask, 410, closedPage(ask.view, door));
}

async function sendCode(ask: AtDoor): Promise<Response> {
  const { host, kind, token, view, door, path } = ask;
  const sent = await ask.portal.sendCode(host, kind, token, view.language);
  if (sent.kind === 'closed') return closed(ask);
  if (sent.kind === 'too many') return show(ask, 429, tooManyPage(view, path));
  return show(ask, 200, codePage(view, { door, path, field: sent, error: null }));
}

async function enter(ask: AtDoor): Promise<Response> {
  const { context, host, kind, token, form, view, door, path } = ask;
  const field = fieldOf(form);
  const code = (form.get('code') ?? '').replace(/[^0-9]/g, '');
  if (field === null) return show(ask, 422, overPage(view, path));
  const words = view.words.codePage;
  // What cannot be a code costs no try.
  if (code.length !== 6) return show(ask, 422, codePage(view, { door, path, field, error: words.empty }));
  const entered = await ask.portal.enter(host, kind, token, field.challenge, code);
  switch (entered.kind) {
    case 'in':
      context.header('Set-Cookie', sessionCookie(entered.parcel, entered.cookie, entered.maxAge));
      return moved(ask, parcelPath(entered.parcel));
    case 'wrong':
      if (entered.left === 0) return show(ask, 410, overPage(view, path));
      return show(ask, 422, codePage(view, { door, path, field, error: words.wrong(entered.left) }));
    case 'over':
      return show(ask, 410, overPage(view, path));
    case 'closed':
      return closed(ask);
  }
}

/** Null when it is not a form of ours. */
function fieldOf(form: URLSearchParams): CodeField | null {
  const challenge = form.get('challenge') ?? '';
  const word = form.get('word') ?? '';
  const until = Number(form.get('until'));
  const isOurs = /^[A-Za-z0-9_-]{1,64}$/.test(challenge) && /^[\p{L}\p{N} -]{1,40}$/u.test(word) && isTime(until);
  return isOurs ? { challenge, word, until } : null;
}

function isTime(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && value < 8.64e15;
}

/** Of a reloaded address; the code page itself is the answer to a post. */
function backToDoor(kind: GrantKind): Handler {
  return async (ask) => moved(ask, doorPath(kind, encodeURIComponent(ask.context.req.param('token') ?? '')));
}

function routesOf(kind: GrantKind, name: string): Route[] {
  const path = doorPath(kind, ':token');
  return [
    {
      name,
      path,
      get: atDoor(kind, (ask) => show(ask, 200, doorPage(ask.view, ask.door, ask.path))),
      post: atDoor(kind, sendCode),
    },
    { name: `${name} code`, path: `${path}/code`, get: backToDoor(kind), post: atDoor(kind, enter) },
  ];
}

export const doorRoutes: readonly Route[] = [...routesOf('link', 'link'), ...routesOf('sender', 'sender')];
