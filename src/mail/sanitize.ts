// HTML of a message made harmless for a browser: an allow-list of tags, attributes and style properties; nothing that runs,
// is sent, or is loaded from elsewhere. It is one of three walls: the page shows the result in a sandboxed frame with a
// Content-Security-Policy of its own. Pure; never throws for content, logs nothing.

import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Parser } from 'htmlparser2';
import type { Attributes, IOptions } from 'sanitize-html';

/** Loaded at first use: few workers render. (Imported beside htmlparser2, which it requires, Jest takes it for a cycle.) */
const require = createRequire(import.meta.url);
let sanitizer: ((dirty: string, options: IOptions) => string) | null = null;

export type SanitizeOptions = {
  /** `data:` URI of a picture for a Content-ID (without angle brackets), or null when there is none to show. Asked anew
   *  each time that it is named. */
  readonly image: (contentId: string) => string | null;
};

const TAGS = (
  'a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em ' +
  'figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small ' +
  'span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr'
).split(' ');
/** What stands in these is no text to show, or is read by a browser in another way than by a parser. */
const WITH_CONTENT = (
  'script style textarea option select noscript title xmp iframe noembed noframes plaintext template svg math object embed ' +
  'applet audio video canvas'
).split(' ');
const ATTRIBUTES: Record<string, string[]> = {
  '*': ['align', 'bgcolor', 'class', 'dir', 'height', 'lang', 'style', 'title', 'valign', 'width'],
  a: ['href', 'rel', 'target'],
  col: ['span'],
  colgroup: ['span'],
  font: ['color', 'face', 'size'],
  img: ['alt', 'src'],
  li: ['value'],
  ol: ['reversed', 'start', 'type'],
  table: ['border', 'cellpadding', 'cellspacing'],
  td: ['colspan', 'nowrap', 'rowspan'],
  th: ['colspan', 'nowrap', 'rowspan', 'scope'],
  ul: ['type'],
};
/** Elements inside each other; a browser shows no more than 512, and the parser's time grows with the square. */
const DEPTH_MAX = 400;
const DATA_IMAGE = /^data:image\/(?:png|jpe?g|gif|webp);base64,[a-z0-9+/=\s]{1,1500000}$/i;

/** Null when it is nested deeper than a browser shows; else HTML to stand in a body. */
export function sanitizeMessageHtml(html: string, options: SanitizeOptions): string | null {
  if (isTooDeep(html)) return null;
  // The sanitizer takes half a second for a megabyte of attribute, so pictures are put in afterwards.
  const pictures: string[] = [];
  const mark = `data:image/gif;base64,${randomBytes(12).toString('hex')}`;
  const source = (given: string): string | null => {
    const text = given.trim();
    const isOurs = /^cid:/i.test(text);
    const found = isOurs ? options.image(contentIdOf(text.slice(4))) : text;
    if (found === null || !(isOurs || DATA_IMAGE.test(found))) return null;
    return `${mark}${pictures.push(found) - 1}-`;
  };
  sanitizer ??= require('sanitize-html') as NonNullable<typeof sanitizer>;
  const safe = sanitizer(html, {
    allowedTags: TAGS,
    allowedAttributes: ATTRIBUTES,
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['data'] },
    allowedSchemesAppliedToAttributes: ['href', 'src'],
    allowProtocolRelative: false,
    nonTextTags: WITH_CONTENT,
    parseStyleAttributes: false,
    // Outlook's own, which the frame's style sheet knows.
    allowedClasses: { '*': [/^Mso[A-Za-z0-9]{1,40}$/] },
    transformTags: {
      a: (tagName, attribs) => ({ tagName, attribs: link(attribs) }),
      img: (tagName, attribs) => ({ tagName, attribs: picture(attribs, source) }),
      '*': (tagName, attribs) => ({ tagName, attribs: styled(attribs) }),
    },
    exclusiveFilter: (frame) => frame.tag === 'img' && !frame.attribs.src && !frame.attribs.alt?.trim(),
  });
  return safe.replace(new RegExp(`${mark}(\\d+)-`, 'g'), (_, index: string) => pictures[Number(index)] ?? '');
}

/** Tells by the parser that the sanitizer uses, in pieces, so that it stops before it becomes slow. */
function isTooDeep(html: string): boolean {
  let depth = 0;
  let deepest = 0;
  const parser = new Parser(
    {
      onopentagname: () => {
        depth += 1;
        deepest = Math.max(deepest, depth);
      },
      onclosetag: () => {
        depth -= 1;
      },
    },
    { decodeEntities: false },
  );
  for (let at = 0; at < html.length && deepest <= DEPTH_MAX; at += 4_096) parser.write(html.slice(at, at + 4_096));
  return deepest > DEPTH_MAX;
}

const LINK_MAX = 8_192;

/** Only what leads to a page elsewhere or to a mail: a path would lead into the portal. */
function link({ href, ...attribs }: Attributes): Attributes {
  const target = (href ?? '').trim();
  const isLink = target.length <= LINK_MAX && /^(?:https?:\/\/|mailto:)[^\s\p{Cc}]/iu.test(target);
  if (!isLink) return withoutLink(attribs);
  return { ...withoutLink(attribs), href: target, rel: 'noopener noreferrer', target: '_blank' };
}

function withoutLink({ rel: _rel, target: _target, ...attribs }: Attributes): Attributes {
  return attribs;
}

function picture({ src, ...attribs }: Attributes, source: (src: string) => string | null): Attributes {
  const found = src === undefined ? null : source(src);
  return found === null ? attribs : { ...attribs, src: found };
}

/** Content-ID of a `cid:` URL (RFC 2392 §2). */
function contentIdOf(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}

// ── styles ────────────────────────────────────────────────────────────────────────────────────────────────────────

const PROPERTY = new RegExp(
  `^(?:color|background-color|font(?:-family|-size|-style|-weight|-variant)?|line-height|letter-spacing|text-(?:align|` +
    `decoration|indent|transform)|white-space|word-break|overflow-wrap|direction|vertical-align|list-style-type|` +
    `(?:margin|padding)(?:-(?:top|right|bottom|left))?|(?:min-|max-)?(?:width|height)|border(?:-(?:top|right|bottom|left))?` +
    `(?:-(?:color|style|width))?|border-(?:collapse|spacing|radius)|display|float|clear)$`,
);
/** Words, numbers, colours and names of fonts; no escape, no comment, and of functions only colours. */
const VALUE = /^(?:rgba?\([\d\s.,%/]{1,40}\)|hsla?\([\d\s.,%/a-z]{1,40}\)|"[\w\s.,+-]*"|'[\w\s.,+-]*'|[\w\s#%.,+-])+$/i;
const DISPLAY =
  /^(?:block|inline|inline-block|none|list-item|table|inline-table|table-(?:row|cell|row-group|caption))$/i;
const STYLE_MAX = 4_000;

function styled({ style, ...attribs }: Attributes): Attributes {
  const kept = style === undefined ? '' : safeStyle(style);
  return kept === '' ? attribs : { ...attribs, style: kept };
}

/** The declarations of a `style` attribute that are safe to keep. */
export function safeStyle(style: string): string {
  if (style.length > STYLE_MAX) return '';
  return style.split(';').flatMap(safeDeclaration).join(';');
}

function safeDeclaration(declaration: string): string[] {
  const colon = declaration.indexOf(':');
  if (colon < 0) return [];
  const given = declaration.slice(0, colon).trim().toLowerCase();
  const value = declaration
    .slice(colon + 1)
    .replace(/!\s*important\s*$/i, '')
    .trim();
  // Mail programs write `background: #fff`; the short form may hold more than a colour.
  const property = given === 'background' && !/\s/.test(value) ? 'background-color' : given;
  if (!PROPERTY.test(property) || !VALUE.test(value) || /(?:^|[\s,])-[\d.]/.test(value)) return [];
  if (property === 'display' && !DISPLAY.test(value)) return [];
  return [`${property}:${value}`];
}
