// Plain text for the eye: lines that a mail program folded (RFC 3676), and text from sanitized HTML. Unlike `text.ts`,
// which makes what detectors read, nothing is normalised here. Pure.

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: ' ' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? '&#39;');
}

/** Plain text as a piece of HTML that keeps its lines. */
export function plainAsHtml(text: string): string {
  return `<div style="white-space:pre-wrap">${escapeHtml(text)}</div>`;
}

/** Text of HTML as `sanitizeMessageHtml` writes it: blocks become lines, list items get a dash, pictures their words. */
export function textOfHtml(html: string): string {
  return html
    .replace(/[ \t\n]+/g, ' ')
    .replace(/<li\b[^>]*>/g, '\n- ')
    .replace(/<img\b[^>]{0,2000}?\salt="([^"]*)"[^>]*>/g, '[$1]')
    .replace(/<(?:br|hr|\/?(?:p|div|h[1-6]|ul|ol|dl|dt|table|tr|pre|blockquote|section|article))\b[^>]*>/g, '\n')
    .replace(/<\/t[dh]>/g, '\t')
    .replace(/<[^>]*>/g, '')
    .replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => ENTITIES[name] as string)
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** Joins what `format=flowed` folded: a line that ends in a space goes on in the next of the same quote depth. */
export function flowed(text: string, parameters: ReadonlyMap<string, string>): string {
  if (parameters.get('format')?.toLowerCase() !== 'flowed') return text;
  const deletes = parameters.get('delsp')?.toLowerCase() === 'yes';
  const out: string[] = [];
  let open: { depth: number; text: string } | null = null;
  for (const given of text.split('\n')) {
    const depth = /^>*/.exec(given)?.[0].length ?? 0;
    const rest = given.slice(depth).replace(/^ /, '');
    const goesOn = rest.endsWith(' ') && rest !== '-- ';
    const piece = goesOn && deletes ? rest.slice(0, -1) : rest;
    if (open !== null && open.depth === depth && rest !== '-- ') open.text += piece;
    else {
      if (open !== null) out.push(quoted(open));
      open = { depth, text: piece };
    }
    if (!goesOn) {
      out.push(quoted(open));
      open = null;
    }
  }
  if (open !== null) out.push(quoted(open));
  return out.join('\n');
}

function quoted({ depth, text }: { readonly depth: number; readonly text: string }): string {
  return depth === 0 ? text : `${'>'.repeat(depth)} ${text}`;
}
