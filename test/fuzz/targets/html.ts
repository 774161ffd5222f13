// HTML of a message, made harmless: what comes out is read once more, by a parser that shares no line with the one that made it.

import { renderMessage } from '../../../src/mail/render.ts';
import { safeStyle, sanitizeMessageHtml } from '../../../src/mail/sanitize.ts';
import { HOSTILE } from '../../support/hostile.ts';
import { claim, lines, octets, type Target } from '../target.ts';

const TAGS = new Set(
  (
    'a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em ' +
    'figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small ' +
    'span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr'
  ).split(' '),
);
const ATTRIBUTES = new Set(
  (
    'align bgcolor class dir height lang style title valign width href rel target span color face size alt src value reversed ' +
    'start type border cellpadding cellspacing colspan nowrap rowspan scope'
  ).split(' '),
);
const PICTURE = 'data:image/png;base64,iVBORw0KGgo=';

export async function open(): Promise<Target> {
  return {
    seeds: [
      ...HOSTILE.map(([, html]) => Buffer.from(html)),
      octets(
        '<table class="MsoNormal" style="width:100%;color:#123"><tr><td colspan=2>a<br>b &amp; c</td></tr></table>',
      ),
      octets(
        `<p style="font-family:'A B',serif">x <a href="https://example.org/?a=1&b=2">y</a><img src="cid:a@b" alt="z"></p>`,
      ),
      octets(`<img src="${PICTURE}"><ol type=a start=3 reversed><li value=4>x</li></ol>`),
    ],
    tokens: [
      ...[
        '<',
        '>',
        '</',
        '/>',
        '"',
        "'",
        '`',
        '=',
        '&',
        ';',
        '<!--',
        '-->',
        '--!>',
        '<![CDATA[',
        ']]>',
        '<?',
        '<!',
        '\0',
        '\x0b',
        '\x0c',
      ],
      ...[
        'script',
        'style',
        'svg',
        'math',
        'iframe',
        'noscript',
        'template',
        'title',
        'textarea',
        'xmp',
        'plaintext',
        'base',
        'meta',
      ],
      ...[
        ' onerror=',
        ' onload=',
        ' style=',
        ' href=',
        ' src=',
        ' srcset=',
        ' srcdoc=',
        'url(',
        'expression(',
        '@import',
        '/**/',
        '\\75 rl(',
      ],
      ...[
        'javascript:',
        'java\tscript:',
        'data:text/html,',
        'vbscript:',
        'cid:a@b',
        'https://outside.example/',
        '//outside.example/',
        'mailto:',
      ],
      ...[
        '&#106;',
        '&Tab;',
        '&NewLine;',
        '&colon;',
        '&lt;',
        '&quot;',
        '&#x22;',
        '&#0;',
        '&nbsp',
        '\u212a',
        '\u017f',
        '\ufffd',
      ].map((one) => Buffer.from(one)),
      ...[
        '<p>',
        '<div>',
        '</p>',
        '<table>',
        '<td>',
        '<img ',
        '<a ',
        '<font ',
        'position:fixed',
        'color:red',
        ';',
        ':',
        '(',
      ],
    ],
    check: (input) => {
      for (const html of [input.toString('utf8'), input.toString('latin1')]) {
        const safe = sanitizeMessageHtml(html, { image: (id) => (id === 'a@b' ? PICTURE : null) });
        if (safe === null) continue;
        harmless(safe);
        claim(safe.length < 20 * html.length + 1_000 + 200 * (html.split('cid:').length + 1), 'many times as long');
        claim(!/(?:url|expression)\s*\(|[\\@]|\/\*/i.test(safeStyle(html)), 'a style that loads');
      }
      rendered(input);
    },
  };
}

/** Only tags and attributes of the list, in the one form that every parser reads alike. */
function harmless(html: string): void {
  const tag = /<(\/?)([a-z][a-z0-9]*)((?: [a-z-]+(?:="[^"<>]*")?)*)( ?\/)?>/y;
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', tag.lastIndex)) {
    tag.lastIndex = at;
    const [found, , name = '', attributes = ''] = tag.exec(html) ?? [];
    claim(found !== undefined, `no plain tag: ${JSON.stringify(html.slice(at, at + 80))}`);
    claim(TAGS.has(name), `<${name}> comes out`);
    for (const [, key = '', value = ''] of attributes.matchAll(/ ([a-z-]+)(?:="([^"]*)")?/g))
      attribute(name, key, decoded(value));
  }
}

function attribute(tag: string, key: string, value: string): void {
  claim(ATTRIBUTES.has(key), `${key} comes out`);
  if (key === 'href') claim(/^(?:https?:\/\/|mailto:)/i.test(value), `a link to ${JSON.stringify(value)}`);
  if (key === 'src')
    claim(tag === 'img' && /^data:image\/(?:png|jpe?g|gif|webp);base64,/i.test(value), `src ${JSON.stringify(value)}`);
  if (key === 'style')
    claim(
      !/(?:url|expression)\s*\(|@import|position|behaviou?r|binding|[\\@<>{}\0]|\/\*/iu.test(value),
      `style ${JSON.stringify(value)}`,
    );
}

const NAMES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  colon: ':',
  Tab: '\t',
  NewLine: '\n',
  lpar: '(',
};

/** As a browser would, more than once, in case that another reader does. */
function decoded(value: string): string {
  const once = (text: string) =>
    text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,8}));?/gi, (all, hex?: string, number?: string, name = '') => {
      const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(number);
      if (hex === undefined && number === undefined) return NAMES[name] ?? all;
      return code > 0 && code < 0x11_0000 ? String.fromCodePoint(code) : ' ';
    });
  return once(value);
}

function rendered(input: Buffer): void {
  for (const head of [
    lines('Content-Type: text/html; charset=utf-8', ''),
    lines('Content-Type: text/plain; format=flowed', ''),
  ]) {
    const message = Buffer.concat([head, input]);
    const shown = renderMessage([message]);
    if (shown.html !== null) harmless(shown.html);
    for (const { part, name, size } of shown.attachments) {
      claim(name !== '' && !/[\p{Cc}/\\\u2028\u202e]/u.test(name), `a file called ${JSON.stringify(name)}`);
      claim(size >= 0 && part >= 0, 'no part');
    }
  }
}
