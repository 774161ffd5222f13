// Pages before a code: the door, the field for the code, and what is said when there is no way in.

import { html } from 'hono/html';
import type { Time } from '../../domain/ids.ts';
import type { GrantKind } from '../../domain/portal.ts';
import type { Door } from '../../portal/portal.ts';
import { facts, type Html, help, list, oneButton, page } from './layout.ts';
import { at, clock, dateTime, type View, who } from './view.ts';

/** `/m/<token>` or `/s/<token>`. */
export function doorPath(kind: GrantKind, token: string): string {
  return `/${kind === 'link' ? 'm' : 's'}/${token}`;
}

export function startPage(view: View, host: string): Html {
  const { start } = view.words;
  const name = view.office?.name ?? host;
  return page(view, {
    calls: true,
    heading: start.title(name),
    body: html`<p>${start.what(name)}</p>
<h2>${start.howTitle}</h2>${list(start.how, 'ol')}
<h2>${start.realTitle}</h2>${list(start.real(host))}
<h2>${start.troubleTitle}</h2>${list(start.trouble)}
<p>${help(view)}</p>
<p class="soft">${start.proof}</p>`,
  });
}

export function doorPage(view: View, door: Door, path: string): Html {
  const words = view.words.door;
  const isLink = door.kind === 'link';
  const until = dateTime(view, door.expiresAt, door.organization.timeZone);
  return page(view, {
    heading: isLink ? words.title : words.senderTitle,
    body: html`${facts(
      isLink
        ? [
            [words.from, door.from],
            [words.to, door.masked],
            [words.until, until],
          ]
        : [
            [words.from, door.from],
            [words.until, until],
          ],
    )}
<p>${isLink ? words.explain(door.masked) : words.senderExplain(door.masked)}</p>
${oneButton(at(view, path), words.button)}
${wrongAddress(view)}`,
  });
}

function wrongAddress(view: View): Html {
  const { wrongTitle, wrong, phone } = view.words.door;
  return html`<details><summary>${wrongTitle}</summary>
<p>${wrong} ${view.office?.phone ? phone(view.office.phone) : ''}</p></details>`;
}

/** What the field for a code belongs to; `word` and `until` come back with each wrong code. */
export type CodeField = { readonly challenge: string; readonly word: string; readonly until: Time };

export function codePage(
  view: View,
  given: { readonly door: Door; readonly path: string; readonly field: CodeField; readonly error: string | null },
): Html {
  const { door, path, field, error } = given;
  const words = view.words.codePage;
  // The field has the focus at once: who listens hears of the word with it.
  const described = error === null ? 'code-word code-hint' : 'code-error code-word code-hint';
  return page(
    { ...view, again: null },
    {
      heading: words.title,
      title: error === null ? words.title : `${view.words.error}: ${words.title}`,
      body: html`<p>${words.sent(door.masked)}</p>
<p id="code-word">${words.word}<br><strong class="word">${field.word}</strong><br><span class="soft">${words.wordWhy}</span></p>
<form method="post" action="${at(view, `${path}/code`)}">
<input type="hidden" name="challenge" value="${field.challenge}">
<input type="hidden" name="word" value="${field.word}">
<input type="hidden" name="until" value="${field.until}">
<label for="code">${words.label}</label>
<p class="hint" id="code-hint">${words.hint(clock(view, field.until, door.organization.timeZone))} ${error === null ? words.tries : ''}</p>
${error === null ? '' : html`<p class="problem" id="code-error" role="alert">${error}</p>`}
<input class="code" type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="20"
 autofocus spellcheck="false" aria-describedby="${described}" aria-invalid="${error === null ? 'false' : 'true'}">
<button>${door.kind === 'link' ? words.button : words.senderButton}</button>
</form>
<h2>${words.againTitle}</h2>
<p>${words.again}</p>
${oneButton(at(view, path), words.againButton, 'second')}
${wrongAddress(view)}`,
    },
  );
}

/** A code that is used up, and the way to the next. */
export function overPage(view: View, path: string): Html {
  const { over, codePage: code } = view.words;
  return page(
    { ...view, again: null },
    {
      heading: over.title,
      body: html`<p>${over.explain}</p>${oneButton(at(view, path), code.againButton)}${wrongAddress(view)}`,
    },
  );
}

export function tooManyPage(view: View, path: string): Html {
  const { tooMany } = view.words;
  return page(
    { ...view, again: null },
    {
      calls: true,
      heading: tooMany.title,
      body: html`<p>${tooMany.explain}</p>
<p>${help(view)}</p>
<p><a class="button second" href="${at(view, path)}">${tooMany.back}</a></p>`,
    },
  );
}

/** The same for a token that is none, one of another host, and any path that leads nowhere. */
export function unknownPage(view: View): Html {
  const { unknown } = view.words;
  return page(view, {
    calls: true,
    heading: unknown.title,
    body: html`<p>${unknown.explain}</p>${list(unknown.todo)}<p>${help(view)}</p>`,
  });
}

/** What is said of a parcel that cannot be opened any more. */
export function closedPage(view: View, door: Door): Html {
  const { expired, retracted } = view.words;
  const isExpired = door.state === 'expired';
  const until = dateTime(view, door.expiresAt, door.organization.timeZone);
  return page(view, {
    calls: true,
    heading: isExpired ? expired.title : retracted.title,
    body: html`<p>${isExpired ? expired.explain(until) : retracted.explain}</p>
${door.kind === 'sender' ? '' : html`<p>${isExpired ? expired.todo(who(door.from)) : retracted.todo(who(door.from))}</p>`}
<p>${help(view)}</p>`,
  });
}

/** A page of one or two sentences. */
export function plainPage(view: View, words: { readonly title: string; readonly explain: string }): Html {
  return page(
    { ...view, again: null },
    { calls: true, heading: words.title, body: html`<p>${words.explain}</p><p>${help(view)}</p>` },
  );
}
