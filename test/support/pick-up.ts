// A recipient at the portal, without a browser: follows links, sends forms, keeps cookies. And what they read in their mail.

import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { simpleParser } from 'mailparser';

export type Page = {
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
};
export type Form = { readonly action: string; readonly fields: Readonly<Record<string, string>> };

export type Visitor = {
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Page>;
  head(url: string): Promise<Page>;
  /** Sends the form of the page whose action matches, with these fields besides its own; follows where it leads. */
  send(page: Page, action: RegExp, fields?: Readonly<Record<string, string>>): Promise<Page>;
  readonly cookies: ReadonlyMap<string, string>;
};

/** `origin`: how links begin; all of it is asked of `port` on loopback, where any certificate will do. */
export function visitor(origin: string, port: number): Visitor {
  const cookies = new Map<string, string>();
  const ask = (method: string, url: string, body?: string, headers: Readonly<Record<string, string>> = {}) =>
    new Promise<Page>((resolve, reject) => {
      const to = new URL(url, origin);
      const sent = request(
        {
          ...{ host: '127.0.0.1', port, method, path: to.pathname + to.search, rejectUnauthorized: false },
          headers: {
            host: to.host,
            ...(cookies.size > 0 && { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') }),
            ...(body !== undefined && {
              'content-type': 'application/x-www-form-urlencoded',
              'content-length': String(Buffer.byteLength(body)),
              'sec-fetch-site': 'same-origin',
            }),
            ...headers,
          },
        },
        (came) => {
          const chunks: Buffer[] = [];
          came.on('data', (chunk: Buffer) => chunks.push(chunk));
          came.on('error', reject);
          came.on('end', () => {
            for (const cookie of came.headers['set-cookie'] ?? []) {
              const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
              if (value === '') cookies.delete(name);
              else cookies.set(name, value);
            }
            const bytes = Buffer.concat(chunks);
            const { statusCode: status = 0, headers: got } = came;
            resolve({ url: to.href, status, headers: got, body: bytes, text: bytes.toString() });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  const follow = async (page: Page): Promise<Page> => {
    const { location } = page.headers;
    return page.status === 303 && location !== undefined
      ? follow(await ask('GET', new URL(location, page.url).href))
      : page;
  };
  return {
    cookies,
    get: (url, headers) => ask('GET', url, undefined, headers),
    head: (url) => ask('HEAD', url),
    send: async (page, action, fields = {}) => {
      const form = formsOf(page).find((one) => action.test(one.action));
      if (form === undefined) throw new Error(`${page.status}: no such form on the page`);
      const body = new URLSearchParams({ ...form.fields, ...fields }).toString();
      return follow(await ask('POST', new URL(form.action, page.url).href, body));
    },
  };
}

/** Forms with the hidden fields that they carry. */
export function formsOf({ text }: Pick<Page, 'text'>): Form[] {
  return [...text.matchAll(/<form[^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs)].map(([, action = '', inside = '']) => ({
    action: unescaped(action),
    fields: Object.fromEntries(
      [...inside.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name = '', value = '']) => [
        name,
        unescaped(value),
      ]),
    ),
  }));
}

function unescaped(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&amp;', '&');
}

/** The link in a notice (`m`) or receipt (`s`). */
export async function linkIn(mail: Buffer | string, kind: 'm' | 's'): Promise<string> {
  const { text = '' } = await simpleParser(mail);
  const link = new RegExp(`https://\\S+/${kind}/[a-z2-7]{32}`).exec(text)?.[0];
  if (link === undefined) throw new Error('no link in the mail');
  return link;
}

/** The code in a mail, six digits; null when it is another mail. */
export async function codeIn(mail: Buffer | string): Promise<string | null> {
  const { text = '' } = await simpleParser(mail);
  const found = /^\s*(\d{3}) (\d{3})\s*$/m.exec(text);
  return found === null ? null : `${found[1]}${found[2]}`;
}
