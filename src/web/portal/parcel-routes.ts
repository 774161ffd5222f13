// Routes behind a code: `/p/<parcel>`, for the recipient the message, for the sender its state.

import { ending, giveBack } from '../../portal/ending.ts';
import type { Desk, Pickup } from '../../portal/portal.ts';
import { daysOf, deskPage, retractPage } from './desk.ts';
import { closedPage, plainPage, unknownPage } from './door.ts';
import { contentDisposition, FRAME_POLICY } from './headers.ts';
import { endedPage, framePage, messagePage, noSenderPage, parcelPath, replyAgainPage, sentPage } from './pickup.ts';
import { type Ask, type Handler, inNameOf, moved, type Route, show } from './route.ts';
import { cookieOf, endedCookie, isParcelId } from './session.ts';

type Session = { readonly ask: Ask; readonly session: Pickup | Desk };

/** Answers itself where there is no session: alike for a parcel that is none. */
async function sessionOf(given: Ask): Promise<Session | Response> {
  const parcel = given.context.req.param('parcel') ?? '';
  const cookie = isParcelId(parcel) ? cookieOf(given.context.req.header('cookie'), parcel) : null;
  const session = cookie === null ? null : await given.portal.session(given.host, parcel, cookie);
  if (session === null) return show(given, 403, endedPage(given.view, given.form.get('text') ?? ''));
  const { door } = session;
  const ask = inNameOf(given, door);
  const isShut =
    door.state === 'retracted' || door.state === 'deleted' || (door.state === 'expired' && session.kind === 'link');
  return isShut ? show(ask, 410, closedPage(ask.view, door)) : { ask, session };
}

function forRecipient(then: (ask: Ask, pickup: Pickup) => Promise<Response>): Handler {
  return async (given) => {
    const found = await sessionOf(given);
    if (found instanceof Response) return found;
    const { ask, session } = found;
    return session.kind === 'link' ? then(ask, session) : show(ask, 404, unknownPage(ask.view));
  };
}

function forSender(then: (ask: Ask, desk: Desk) => Promise<Response>): Handler {
  return async (given) => {
    const found = await sessionOf(given);
    if (found instanceof Response) return found;
    const { ask, session } = found;
    return session.kind === 'sender' ? then(ask, session) : show(ask, 404, unknownPage(ask.view));
  };
}

async function open(given: Ask): Promise<Response> {
  const found = await sessionOf(given);
  if (found instanceof Response) return found;
  const { ask, session } = found;
  const { context, view } = ask;
  // Nobody reads the answer to HEAD: that is no view.
  if (context.req.method === 'HEAD') return context.html('');
  const done = context.req.query('done');
  if (session.kind === 'sender') {
    const extended = done === 'extended';
    const again = extended ? { done } : {};
    return show(ask, 200, deskPage({ ...view, again }, session, extended ? 'extended' : null));
  }
  if (done === 'sent') return show(ask, 200, sentPage({ ...view, again: { done } }, session.door, session.parcel));
  const message = await session.view();
  return show(ask, 200, messagePage(view, { pickup: session, message, once: onceOf(ask) }));
}

function onceOf({ random }: Ask): string {
  return random(16).toString('base64url');
}

async function frame(ask: Ask, pickup: Pickup): Promise<Response> {
  const html = await pickup.html();
  if (html === null) return show(ask, 404, unknownPage(ask.view));
  ask.context.header('Content-Security-Policy', FRAME_POLICY);
  return show(ask, 200, framePage(ask.view, html));
}

async function download(ask: Ask, pickup: Pickup): Promise<Response> {
  const { context, view } = ask;
  const part = context.req.param('part') ?? '';
  // A download is no page: the sandbox holds where a browser would show it all the same.
  const policy = "default-src 'none'; frame-ancestors 'none'; sandbox";
  const headers = { 'Content-Type': 'application/octet-stream', 'Content-Security-Policy': policy };
  // Nobody takes the file with HEAD: that is no download.
  if (context.req.method === 'HEAD')
    return context.body(null, 200, { ...headers, 'Content-Disposition': 'attachment' });
  const found = /^\d{1,4}$/.test(part) ? await pickup.attachment(Number(part)) : null;
  if (found === null) return show(ask, 404, unknownPage(view));
  const body = ending(whole(ask, found.body), () => giveBack(found.body));
  return context.body(ReadableStream.from(body), 200, {
    ...headers,
    'Content-Disposition': contentDisposition(found.view.name),
  });
}

/** A body that fails breaks the connection, so that nobody takes what came for the whole; its error goes no further. */
async function* whole({ context, failed }: Ask, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    failed(error);
    const { outgoing } = (context.env ?? {}) as { outgoing?: { destroy: () => void } };
    if (outgoing === undefined) throw new Error('broken off');
    outgoing.destroy();
  }
}

async function reply(ask: Ask, pickup: Pickup): Promise<Response> {
  const { form, view } = ask;
  const { door, parcel } = pickup;
  const words = view.words.reply;
  const text = (form.get('text') ?? '').replace(/\r\n?/g, '\n');
  const given = form.get('once') ?? '';
  const once = /^[A-Za-z0-9_-]{16,64}$/.test(given) ? given : onceOf(ask);
  const again = (status: 422 | 429, error: string) =>
    show(ask, status, replyAgainPage(view, { door, parcel, text, once, error }));
  switch (await pickup.reply(text, once)) {
    case 'sent':
      return moved(ask, parcelPath(parcel), { done: 'sent' });
    case 'empty':
      return again(422, words.empty);
    case 'too long':
      return again(422, words.tooLong);
    case 'too many':
      return again(429, words.tooMany);
    case 'no sender':
      return show(ask, 422, noSenderPage(view, parcel, text));
  }
}

async function extend(ask: Ask, desk: Desk): Promise<Response> {
  const days = daysOf(ask.form.get('days') ?? '');
  if (days === null) return show(ask, 422, deskPage({ ...ask.view, again: null }, desk, 'bad days'));
  await desk.extend(days);
  return moved(ask, parcelPath(desk.parcel), { done: 'extended' });
}

async function retract(ask: Ask, desk: Desk): Promise<Response> {
  await desk.retract();
  // The session goes with the key: the page that says so stands outside.
  return moved(ask, '/taken-back');
}

/** Leaves whether or not there is a session: a person who wants out is out. */
async function leave(ask: Ask): Promise<Response> {
  const parcel = ask.context.req.param('parcel') ?? '';
  const cookie = isParcelId(parcel) ? cookieOf(ask.context.req.header('cookie'), parcel) : null;
  if (cookie !== null) {
    await ask.portal.leave(parcel, cookie);
    ask.context.header('Set-Cookie', endedCookie(parcel));
  }
  return moved(ask, '/closed');
}

/** Where only a post leads, a reloaded address leads back. */
async function back(ask: Ask): Promise<Response> {
  const parcel = ask.context.req.param('parcel') ?? '';
  return moved(ask, isParcelId(parcel) ? parcelPath(parcel) : '/');
}

export const parcelRoutes: readonly Route[] = [
  { name: 'parcel', path: '/p/:parcel', get: open },
  { name: 'parcel frame', path: '/p/:parcel/html', get: forRecipient(frame) },
  { name: 'parcel file', path: '/p/:parcel/a/:part', get: forRecipient(download) },
  { name: 'parcel reply', path: '/p/:parcel/reply', get: back, post: forRecipient(reply) },
  { name: 'parcel extend', path: '/p/:parcel/extend', get: back, post: forSender(extend) },
  {
    name: 'parcel retract',
    path: '/p/:parcel/retract',
    get: forSender((ask, desk) => show(ask, 200, retractPage(ask.view, desk))),
    post: forSender(retract),
  },
  { name: 'parcel leave', path: '/p/:parcel/leave', get: back, post: leave },
  { name: 'closed', path: '/closed', get: (ask) => show(ask, 200, plainPage(ask.view, ask.view.words.left)) },
  {
    name: 'taken back',
    path: '/taken-back',
    get: ({ view, ...ask }) => {
      const { retractedTitle, retracted } = view.words.desk;
      return show(ask, 200, plainPage(view, { title: retractedTitle, explain: retracted }));
    },
  },
];
