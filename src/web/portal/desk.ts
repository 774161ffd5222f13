// Pages of the sender behind a code: the state of the parcel, longer, taken back.

import { html } from 'hono/html';
import type { Desk } from '../../portal/portal.ts';
import { facts, type Html, page } from './layout.ts';
import { parcelPath } from './pickup.ts';
import { at, dateTime, type View } from './view.ts';

const DAYS = [7, 30, 90, 365];

/** Days of the form's field; null when they are none of those offered. */
export function daysOf(text: string): number | null {
  return DAYS.find((days) => String(days) === text) ?? null;
}

export function deskPage(view: View, desk: Desk, said: 'extended' | 'bad days' | null): Html {
  const { door, parcel } = desk;
  const words = view.words.desk;
  const path = parcelPath(parcel);
  const date = (time: number | null) =>
    time === null ? words.never : dateTime(view, time, door.organization.timeZone);
  const isOpen = door.state !== 'retracted' && door.state !== 'deleted';
  return page(view, {
    heading: words.title(desk.recipient),
    body: html`
${said === 'extended' ? html`<p class="note" role="status">${words.extended(date(door.expiresAt))}</p>` : ''}
${facts([
  [words.state, html`<strong>${words.states[door.state]}</strong>`],
  [words.sent, date(desk.createdAt)],
  [words.opened, date(desk.openedAt)],
  [words.replied, date(desk.repliedAt)],
  [words.until, date(door.expiresAt)],
])}
${isOpen ? change(view, path, said === 'bad days') : ''}
<div class="end"><form method="post" action="${at(view, `${path}/leave`)}"><button class="second">${words.leave}</button></form></div>`,
  });
}

function change(view: View, path: string, isBad: boolean): Html {
  const words = view.words.desk;
  const options = DAYS.map(
    (days) => html`<option value="${days}" ${days === 30 ? 'selected' : ''}>${words.days(days)}</option>`,
  );
  return html`<h2>${words.extendTitle}</h2>
<form method="post" action="${at(view, `${path}/extend`)}">
<label for="days">${words.extendLabel}</label>
${isBad ? html`<p class="problem" id="days-error" role="alert">${words.badDays}</p>` : ''}
<select id="days" name="days" ${isBad ? html`aria-invalid="true" aria-describedby="days-error"` : ''}>${options}</select>
<button>${words.extendButton}</button>
</form>
<h2>${words.retractTitle}</h2>
<p>${words.retractHint}</p>
<p><a class="button second" href="${at(view, `${path}/retract`)}">${words.retractButton}</a></p>`;
}

export function retractPage(view: View, desk: Desk): Html {
  const words = view.words.desk;
  const path = parcelPath(desk.parcel);
  return page(view, {
    heading: words.confirmTitle,
    body: html`<p>${words.confirm(desk.recipient)}</p>
${desk.openedAt === null ? '' : html`<p class="note">${words.confirmRead}</p>`}
<div class="row">
<form method="post" action="${at(view, `${path}/retract`)}"><button class="grave">${words.confirmButton}</button></form>
<a class="button second" href="${at(view, path)}">${words.keep}</a>
</div>`,
  });
}
