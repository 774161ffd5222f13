// The sanitizer: of hostile HTML nothing is left that runs, loads, sends or leads into the portal; of harmless HTML, what a
// mail needs.

import { Parser } from 'htmlparser2';
import { renderMessage } from '../../../src/mail/render.ts';
import { safeStyle, sanitizeMessageHtml } from '../../../src/mail/sanitize.ts';
import { HOSTILE } from '../../support/hostile.ts';

const sanitize = (html: string) => sanitizeMessageHtml(html, { image: () => null }) as string;

/** Whatever a result must not have. */
function harmIn(html: string): string[] {
  const harm: string[] = [];
  const forbidden =
    /^(?:script|style|svg|math|iframe|frame|object|embed|form|input|button|textarea|select|link|meta|base|template|title|noscript|video|audio|source|details|portal)$/;
  const parser = new Parser({
    onopentag: (name, attributes) => {
      if (forbidden.test(name) || name.includes('-')) harm.push(name);
      for (const [attribute, value] of Object.entries(attributes)) {
        if (/^on|^(?:srcset|srcdoc|action|formaction|background|ping|poster|data|id|name|http-equiv)$/.test(attribute))
          harm.push(attribute);
        if (attribute === 'src' && !/^data:image\/(?:png|jpe?g|gif|webp);base64,/.test(value)) harm.push(value);
        if (attribute === 'href' && !/^(?:https?:\/\/|mailto:)/.test(value)) harm.push(value);
        if (attribute === 'href' && attributes.rel !== 'noopener noreferrer') harm.push('rel');
        if (attribute === 'style' && /url|expression|position|@|\\|\/\*|image|animation|import/i.test(value))
          harm.push(value);
      }
    },
  });
  parser.end(html);
  if (/<!|<\?/.test(html)) harm.push('markup declaration');
  return harm;
}

test.each(HOSTILE)('%s', (_, body) => {
  expect(harmIn(sanitize(body))).toEqual([]);
  expect(harmIn(sanitize(sanitize(body)))).toEqual([]);
  const whole = renderMessage([Buffer.from(`Content-Type: text/html; charset=utf-8\r\n\r\n<p>before</p>${body}`)]);
  expect(whole.html).toContain('<p>before</p>');
});

test('the check itself sees harm', () => {
  const seen = HOSTILE.filter(([, body]) => harmIn(body).length > 0);
  expect(seen.length).toBeGreaterThan(50);
});

test('what a mail needs stays', () => {
  const outlook =
    '<p class="MsoNormal evil" style="margin:0in;font-family:&quot;Calibri&quot;,sans-serif;mso-fareast-language:EN-US">' +
    '<b><font color="#1F4E79" size="3">Hello</font></b></p>' +
    '<table border="1" cellpadding="4" style="border-collapse:collapse"><tr><td colspan="2" bgcolor="#eeeeee">x</td></tr></table>';
  expect(sanitize(outlook)).toBe(
    '<p class="MsoNormal" style="font-family:&quot;Calibri&quot;,sans-serif"><b><font color="#1F4E79" size="3">Hello</font></b></p>'.replace(
      'style="',
      'style="margin:0in;',
    ) +
      '<table border="1" cellpadding="4" style="border-collapse:collapse"><tr><td colspan="2" bgcolor="#eeeeee">x</td></tr></table>',
  );
});

test('links open a page of their own that learns nothing of this one', () => {
  expect(
    sanitize(
      '<a href=" https://example.org/?a=1&amp;b=2" target="_top" rel="opener">x</a><a href="mailto:a@b.example">m</a>',
    ),
  ).toBe(
    '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer" target="_blank">x</a>' +
      '<a href="mailto:a@b.example" rel="noopener noreferrer" target="_blank">m</a>',
  );
});

test.each([
  ['color: red; font-size: 12pt', 'color:red;font-size:12pt'],
  ['background: #fff', 'background-color:#fff'],
  ['background: #fff url(x)', ''],
  ['color: rgb(1, 2, 3) !important', 'color:rgb(1, 2, 3)'],
  ['margin: -10px', ''],
  ['margin: 1px -.5em', ''],
  ['position: fixed; top: 0; z-index: 9', ''],
  ['display: none; display: flex', 'display:none'],
  ['width: calc(1px + 2px); color: var(--x)', ''],
  ['color: r\\65 d', ''],
  ['font-family: "a;color:blue', 'color:blue'],
  ['content: "x"; cursor: none; opacity: 0; transform: none', ''],
  [`color:red;${' '.repeat(5_000)}`, ''],
])('style %s', (given, kept) => {
  expect(safeStyle(given)).toBe(kept);
});
