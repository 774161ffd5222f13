// The portal's one style sheet, served under the hash of its text. Light and dark, from 320 px up, for print and forced
// colours too; targets are 44 px, and a state is never told by colour alone.

import { createHash } from 'node:crypto';

export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f3f6f8; --card: #ffffff; --ink: #18222c; --soft: #4a5967; --line: #c9d3db;
  --brand: #0b5c8a; --on-brand: #ffffff; --brand-down: #084a70; --note: #e8f2f8; --bad: #a3181f; --bad-ground: #fdeeee;
  --field: #75838f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f151b; --card: #18212a; --ink: #e9eff4; --soft: #b0bdc8; --line: #35424e;
    --brand: #86c8f0; --on-brand: #06202e; --brand-down: #a8d8f5; --note: #1c3140; --bad: #ffb0b0; --bad-ground: #3b1d20;
    --field: #8695a2;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--ground); color: var(--ink);
  font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere;
}
header, main, footer { width: 100%; max-width: 44rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.25rem; padding-bottom: 1rem; }
header p { margin: 0; }
.organization { font-weight: 650; font-size: 1.125rem; }
.site { color: var(--soft); font-size: .9375rem; }
main { flex: 1; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem; margin-bottom: 1rem; }
.card > :first-child { margin-top: 0; }
.card > :last-child { margin-bottom: 0; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; letter-spacing: -.01em; }
h2 { font-size: 1.125rem; line-height: 1.35; margin: 1.5rem 0 .5rem; }
p, ul, ol, dl { margin: 0 0 1rem; }
ul, ol { padding-left: 1.4rem; }
li + li { margin-top: .35rem; }
a { color: var(--brand); text-underline-offset: .15em; }
a:hover { text-decoration-thickness: .15em; }
dl.facts { display: grid; grid-template-columns: 1fr; gap: .1rem 1.25rem; }
dl.facts dt { color: var(--soft); font-size: .9375rem; }
dl.facts dd { margin: 0 0 .6rem; }
.soft { color: var(--soft); font-size: .9375rem; }
.word { display: inline-block; font-size: 1.375rem; font-weight: 650; line-height: 1.3; padding: .15rem .75rem; border-radius: .4rem;
  background: var(--note); border: 1px solid var(--line); }
.note { background: var(--note); border-left: .3rem solid var(--brand); border-radius: .3rem; padding: .75rem 1rem; margin: 0 0 1rem; }
.problem { color: var(--bad); background: var(--bad-ground); border-left: .3rem solid var(--bad); border-radius: .3rem;
  padding: .6rem .9rem; margin: 0 0 .6rem; font-weight: 600; }
form { margin: 0 0 1rem; }
form:last-child { margin-bottom: 0; }
label { display: block; font-weight: 600; margin-bottom: .3rem; }
.hint { color: var(--soft); font-size: .9375rem; margin: 0 0 .5rem; }
input[type=text], textarea, select {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--field); border-radius: .4rem;
  padding: .55rem .75rem; min-height: 2.75rem; width: 100%; margin-bottom: .9rem;
}
textarea { min-height: 9rem; resize: vertical; display: block; }
select { max-width: 20rem; display: block; }
input.code { max-width: 13rem; display: block; font-size: 1.625rem; letter-spacing: .18em; font-variant-numeric: tabular-nums;
  padding: .4rem .75rem; margin-top: .3rem; margin-bottom: 1.1rem; }
input[aria-invalid=true], textarea[aria-invalid=true], select[aria-invalid=true] { border: 2px solid var(--bad); }
button, .button {
  display: inline-block; font: inherit; font-weight: 600; line-height: 1.3; text-align: center; text-decoration: none; cursor: pointer;
  min-height: 2.75rem; padding: .65rem 1.25rem; border-radius: .5rem; border: 1px solid var(--brand); margin: 0;
  background: var(--brand); color: var(--on-brand);
}
button:hover, .button:hover { background: var(--brand-down); border-color: var(--brand-down); }
.second { background: transparent; color: var(--brand); }
.second:hover { background: var(--note); border-color: var(--brand); }
.grave { background: var(--bad); border-color: var(--bad); color: var(--card); }
.grave:hover { background: var(--bad); border-color: var(--ink); }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
.row form { margin: 0; }
:focus-visible { outline: .1875rem solid var(--brand); outline-offset: .125rem; }
summary { cursor: pointer; min-height: 2.75rem; padding: .6rem 0; font-weight: 600; color: var(--brand); }
details > :last-child { margin-bottom: 0; }
.letter { white-space: pre-wrap; margin: 0 0 1rem; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; }
iframe { display: block; width: 100%; background: #fff; border: 1px solid var(--line); border-radius: .5rem; margin: 0 0 .25rem;
  height: 75vh; min-height: 14rem; resize: vertical; }
iframe.short { height: 14rem; }
iframe.middle { height: 22rem; }
.end { border-top: 1px solid var(--line); margin-top: 1.75rem; padding-top: 1.25rem; }
.files { list-style: none; padding: 0; }
.files li { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; justify-content: space-between;
  padding: .5rem 0; border-top: 1px solid var(--line); margin: 0; }
.files li:last-child { border-bottom: 1px solid var(--line); }
.files .name { flex: 1 1 12rem; min-width: 0; }
.files .size { color: var(--soft); font-size: .9375rem; display: block; }
.plain-link { display: inline-block; min-height: 2.75rem; padding: .6rem 0; }
footer { padding-top: .5rem; padding-bottom: 2rem; color: var(--soft); font-size: .9375rem; }
footer p { margin: 0; }
footer a { display: inline-block; padding: .6rem 0; min-height: 2.75rem; }
footer .row { gap: 0 1.5rem; }
@media (max-width: 15rem) {
  header, main, footer { padding-left: .5rem; padding-right: .5rem; }
  .card { padding: 1rem .75rem; }
  h1 { font-size: 1.25rem; }
  h1, button, .button, summary { hyphens: auto; }
  button, .button { padding-left: .5rem; padding-right: .5rem; }
}
@media (min-width: 34rem) {
  .card { padding: 1.75rem 2rem; }
  h1 { font-size: 1.75rem; }
  dl.facts { grid-template-columns: minmax(7rem, max-content) 1fr; gap: .45rem 1.5rem; }
  dl.facts dt { padding-top: .08rem; }
  dl.facts dd { margin: 0; }
}
@media print {
  body { background: none; }
  form, footer, .plain-link, .button { display: none; }
  .card { border: 0; padding: 0; }
}
`;

const digest = createHash('sha256').update(STYLE).digest('base64url').slice(0, 22);

export const STYLE_PATH = `/style-${digest}.css`;

/** The sheet of the frame that shows a message's HTML: paper, because senders reckon with it. */
export const FRAME_STYLE = `
:root { color-scheme: light; }
body { margin: 0; padding: 1rem; background: #fff; color: #111; font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", sans-serif; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }
pre { white-space: pre-wrap; }
table { max-width: 100%; }
a { color: #0b5c8a; }
:focus-visible { outline: 3px solid #0b5c8a; outline-offset: 2px; }
p.MsoNormal, li.MsoNormal, div.MsoNormal, p.MsoListParagraph { margin: 0; }
blockquote { margin: 0 0 0 .5rem; padding-left: .75rem; border-left: 3px solid #c9d3db; }
`;
