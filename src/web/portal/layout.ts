// The frame of every page: head, name of the office, footer with help and languages. No script, one style sheet.

import { html } from 'hono/html';
import { STYLE_PATH } from './style.ts';
import { at, type View, WORDS } from './view.ts';

export type Html = ReturnType<typeof html>;

/** A whole page. `heading` is its one h1; `title` its name in the browser where that differs (an error goes first); `calls`:
 *  whom to call stands in the body already. */
export function page(
  view: View,
  content: { readonly heading: string; readonly body: Html; readonly title?: string; readonly calls?: boolean },
): Html {
  const { words, office } = view;
  const site = office === null ? words.secureMessages : `${words.secureMessages} · ${office.name}`;
  return html`<!doctype html>
<html lang="${words.code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no">
<title>${content.title ?? content.heading} · ${site}</title>
<link rel="stylesheet" href="${STYLE_PATH}">
</head>
<body>
<header>
${office === null ? '' : html`<p class="organization">${office.name}</p>`}
<p class="site">${words.secureMessages}</p>
</header>
<main>
<div class="card">
<h1>${content.heading}</h1>
${content.body}
</div>
</main>
<footer>
${content.calls ? '' : html`<p>${help(view)}</p>`}
<div class="row">
${office?.help?.startsWith('https://') ? html`<a href="${office.help}" rel="noopener noreferrer">${words.help.page(office.name)}</a>` : ''}
<a href="${at(view, '/')}">${words.help.check}</a>
${languages(view)}
</div>
</footer>
</body>
</html>
`;
}

/** Whom to call, in one sentence. */
export function help({ words, office }: View): string {
  return office?.phone ? words.help.call(office.name, office.phone) : words.help.nobody;
}

function languages(view: View): Html | string {
  const { again } = view;
  if (again === null || view.languages.length < 2) return '';
  return html`${view.languages
    .filter((language) => language !== view.language)
    .map((language) => {
      const { name, code } = WORDS[language];
      const query = new URLSearchParams({ ...again, lang: language }).toString();
      return html`<a href="?${query}" lang="${code}" hreflang="${code}">${name}</a>`;
    })}`;
}

/** Name and value pairs. */
export function facts(pairs: readonly (readonly [string, Html | string])[]): Html {
  return html`<dl class="facts">
${pairs.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
</dl>`;
}

export function list(items: readonly string[], kind: 'ul' | 'ol' = 'ul'): Html {
  const inside = items.map((item) => html`<li>${item}</li>`);
  return kind === 'ol' ? html`<ol>${inside}</ol>` : html`<ul>${inside}</ul>`;
}

/** A form with one button. */
export function oneButton(action: string, label: string, kind: 'first' | 'second' | 'grave' = 'first'): Html {
  return html`<form method="post" action="${action}"><button class="${kind}">${label}</button></form>`;
}
