// Pages of the recipient behind a code: the message, its frame, the answer.

import { html, raw } from 'hono/html';
import type { Door, MessageView, Pickup } from '../../portal/portal.ts';
import { facts, type Html, help, page } from './layout.ts';
import { FRAME_STYLE } from './style.ts';
import { at, dateTime, size, type View, who } from './view.ts';

/** Characters that the field takes; the form's bound leaves room for each to be six octets. */
const REPLY_MAX = 10_000;
/** UTF-16 units. */
const PLAIN_FORM_MAX = 524_288;

export function parcelPath(parcel: string): string {
  return `/p/${parcel}`;
}

export function messagePage(
  view: View,
  given: { readonly pickup: Pickup; readonly message: MessageView; readonly once: string },
): Html {
  const { pickup, message, once } = given;
  const { door, parcel } = pickup;
  const words = view.words.message;
  const zone = door.organization.timeZone;
  const path = parcelPath(parcel);
  return page(view, {
    heading: message.subject === '' ? words.noSubject : message.subject,
    body: html`${facts([
      [words.from, message.from],
      [words.date, dateTime(view, message.date, zone)],
      [words.until, dateTime(view, door.expiresAt, zone)],
    ])}
<h2>${words.heading}</h2>
${message.cut ? html`<p class="note">${words.cut}</p>` : ''}
${message.html === null ? letter(view, message) : frame(view, message, path)}
${files(view, message, path)}
<h2>${view.words.reply.title}</h2>
${replyForm(view, { path, from: message.from, once, text: '', error: null })}
<div class="end">
<p class="hint">${words.leaveHint}</p>
<form method="post" action="${at(view, `${path}/leave`)}"><button class="second">${words.leave}</button></form>
</div>`,
  });
}

function letter(view: View, message: MessageView): Html {
  if (message.text.trim() === '') return html`<p>${view.words.message.empty}</p>`;
  return html`<div class="letter">${message.text}</div>`;
}

/** Without scripts a frame cannot grow with what it shows; it gets one of three heights. */
function frame(view: View, message: MessageView, path: string): Html {
  const words = view.words.message;
  const source = at(view, `${path}/html`);
  const lines = message.text.split('\n').reduce((sum, line) => sum + 1 + line.length / 70, 0);
  const height = message.html?.includes('<img') || lines > 24 ? 'long' : lines > 8 ? 'middle' : 'short';
  // A link may open a page of its own, which knows nothing of this one; all else stays forbidden.
  return html`<iframe class="${height}" title="${words.frame}" src="${source}" sandbox="allow-popups allow-popups-to-escape-sandbox"
 referrerpolicy="no-referrer"></iframe>
<p><a class="plain-link" href="${source}" target="_blank" rel="noopener">${words.alone}</a></p>
${plainForm(view, message)}`;
}

/** The text of long HTML is left out: to escape it would hold up everybody. */
function plainForm(view: View, message: MessageView): Html | string {
  if (message.text.length > PLAIN_FORM_MAX) return '';
  return html`<details><summary>${view.words.message.plain}</summary>${letter(view, message)}</details>`;
}

function files(view: View, message: MessageView, path: string): Html | string {
  const words = view.words.message;
  if (message.attachments.length === 0) return '';
  return html`<h2>${words.files}</h2>
<p class="hint">${words.filesHint}</p>
<ul class="files">${message.attachments.map(
    ({ part, name, size: octets }) => html`
<li><span class="name">${name} <span class="size">${size(view, octets)}</span></span>
<a class="button second" href="${path}/a/${part}" download aria-label="${words.download}: ${name}">${words.download}</a></li>`,
  )}
</ul>`;
}

/** The document in the frame: sanitized HTML under a policy of its own. */
export function framePage(view: View, safeHtml: string): Html {
  return html`<!doctype html>
<html lang="${view.words.code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${view.words.message.frame}</title>
<style>${raw(FRAME_STYLE)}</style>
</head>
<body>${raw(safeHtml)}</body>
</html>
`;
}

type ReplyField = {
  readonly path: string;
  readonly from: string;
  readonly once: string;
  readonly text: string;
  readonly error: string | null;
};

function replyForm(view: View, { path, from, once, text, error }: ReplyField): Html {
  const words = view.words.reply;
  const described = error === null ? 'reply-hint' : 'reply-error reply-hint';
  return html`<form method="post" action="${at(view, `${path}/reply`)}">
<input type="hidden" name="once" value="${once}">
<label for="text">${words.label(who(from))}</label>
<p class="hint" id="reply-hint">${words.hint}</p>
${error === null ? '' : html`<p class="problem" id="reply-error" role="alert">${error}</p>`}
<textarea id="text" name="text" rows="7" maxlength="${REPLY_MAX}" required aria-describedby="${described}"
 aria-invalid="${error === null ? 'false' : 'true'}">${text === '' ? '' : `\n${text}`}</textarea>
<button>${words.button}</button>
</form>`;
}

/** The form again, with what was typed and what is wrong. `error` null: there is nobody to answer. */
export function replyAgainPage(
  view: View,
  given: {
    readonly door: Door;
    readonly parcel: string;
    readonly text: string;
    readonly once: string;
    readonly error: string;
  },
): Html {
  const path = parcelPath(given.parcel);
  const words = view.words.reply;
  return page(
    { ...view, again: null },
    {
      heading: words.title,
      title: `${view.words.error}: ${words.title}`,
      body: html`${replyForm(view, { ...given, path, from: given.door.from })}
<p><a class="plain-link" href="${at(view, path)}">${words.back}</a></p>`,
    },
  );
}

export function noSenderPage(view: View, parcel: string, text: string): Html {
  const words = view.words.reply;
  return page(
    { ...view, again: null },
    {
      calls: true,
      heading: words.noSender,
      body: html`<p>${help(view)}</p>${unsent(view, text)}
<p><a class="plain-link" href="${at(view, parcelPath(parcel))}">${words.back}</a></p>`,
    },
  );
}

export function sentPage(view: View, door: Door, parcel: string): Html {
  const words = view.words.reply;
  return page(view, {
    heading: words.sentTitle,
    body: html`<p>${words.sent(who(door.from))}</p>
<div class="row"><a class="button second" href="${at(view, parcelPath(parcel))}">${words.back}</a>
<form method="post" action="${at(view, `${parcelPath(parcel)}/leave`)}"><button class="second">${view.words.message.leave}</button></form></div>`,
  });
}

/** No session; `text` is an answer that came too late. */
export function endedPage(view: View, text = ''): Html {
  const { ended } = view.words;
  return page(text === '' ? view : { ...view, again: null }, {
    calls: true,
    heading: ended.title,
    body: html`<p>${ended.explain}</p><p><strong>${ended.todo}</strong></p>${unsent(view, text)}<p>${help(view)}</p>`,
  });
}

function unsent(view: View, text: string): Html | string {
  if (text.trim() === '') return '';
  return html`<label for="unsent">${view.words.ended.text}</label>
<textarea id="unsent" readonly rows="7">${`\n${text}`}</textarea>`;
}
