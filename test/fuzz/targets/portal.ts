// Requests to the portal's pages: whatever path, query, header, cookie and form, an answer of ours with its headers, nothing of
// what was sent in it as HTML, and never a 500.

import { createPortalApp } from '../../../src/web/portal/app.ts';
import { cookieOf, isParcelId } from '../../../src/web/portal/session.ts';
import { fakePortal, HOST, LINK, PARCEL, SENDER } from '../../support/portal.ts';
import { claim, octets, type Target } from '../target.ts';

const STATUS = new Set([200, 303, 403, 404, 405, 410, 413, 415, 422, 429, 503]);

/** Line by line: method, path, cookie, more headers as `name: value`; behind a blank line the form. */
const seed = (...all: readonly string[]): Buffer => octets(all.join('\n'));

export async function open(): Promise<Target> {
  const failures: unknown[] = [];
  const portal = fakePortal();
  const rate = { burst: 1e9, perMinute: 1e9, clients: 10 };
  const app = createPortalApp(portal, { failed: (error) => failures.push(error), rate });
  const asked = await (
    await app.request(`https://${HOST}/m/${LINK}`, { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } })
  ).text();
  const challenge = /name="challenge" value="([^"]*)"/.exec(asked)?.[1] ?? '';
  const entered = await portal.enter(HOST, 'link', LINK, challenge, portal.code);
  const cookie = entered.kind === 'in' ? `__Host-p-${PARCEL}=${entered.cookie}` : '';
  const form = 'content-type: application/x-www-form-urlencoded';
  return {
    seeds: [
      seed('GET', `/m/${LINK}?lang=es`, '', 'accept-language: es;q=0.9, en', ''),
      seed('POST', `/m/${LINK}`, '', 'sec-fetch-site: same-origin', form, '', ''),
      seed(
        'POST',
        `/m/${LINK}/code`,
        '',
        'sec-fetch-site: same-origin',
        form,
        '',
        `challenge=${challenge}&word=maple+harbor&until=1800000000000&code=493018`,
      ),
      seed('GET', `/p/${PARCEL}`, cookie, '', ''),
      seed(
        'POST',
        `/p/${PARCEL}/reply`,
        cookie,
        'origin: null',
        form,
        '',
        'text=hello%0D%0A.%0D%0A&once=abcdefgh12345678',
      ),
      seed('GET', `/p/${PARCEL}/file/1`, cookie, '', ''),
      seed('GET', `/s/${SENDER}`, '', 'purpose: prefetch', ''),
      seed('HEAD', '/', `a=b; ${cookie}; c`, '', ''),
    ],
    tokens: [
      ...[
        'GET',
        'POST',
        'HEAD',
        'PUT',
        '/m/',
        '/s/',
        '/p/',
        '/code',
        '/reply',
        '/file/',
        '/html',
        '/../',
        '//',
        '%2e%2e',
        '%00',
        '%',
        '%ff',
        '%0d%0a',
        '?',
        '#',
      ],
      ...[
        'lang=',
        'code=',
        'once=',
        'text=',
        'challenge=',
        'word=',
        'until=',
        '&',
        '=',
        ';',
        '__Host-p-',
        '<script>alert(1)</script>',
        '"><img src=x onerror=1>',
      ],
      ...[
        '%3Cscript%3E',
        '%22%3E%3Csvg',
        '{{1}}',
        LINK,
        PARCEL,
        cookie,
        '9'.repeat(40),
        'content-type: multipart/form-data',
        'origin: https://evil.example',
      ],
      ...[
        'sec-fetch-site: cross-site',
        'content-length: 99999999',
        'accept-language: ',
        'x-forwarded-for: ',
        'host: evil.example',
        '\n\n',
        '\u00e9',
      ].map((one) => Buffer.from(one)),
    ],
    check: async (input) => {
      const request = requestOf(input.toString('latin1'));
      if (request === null) return;
      failures.length = 0;
      const answer = await app.request(request);
      const body = await answer.text();
      const place = `${request.method} ${request.url}`;
      claim(failures.length === 0, `a fault of ours at ${place}: ${(failures[0] as Error)?.stack}`);
      claim(STATUS.has(answer.status), `${answer.status} at ${place}`);
      claim(!/<(?:script|svg|img)|<[a-z][^>]*\son\w+\s*=/i.test(body), `what was asked comes back as HTML at ${place}`);
      const names = [...answer.headers.keys()].join(' ');
      claim(
        /content-security-policy/.test(names) && answer.headers.get('x-content-type-options') === 'nosniff',
        `headers at ${place}: ${names}`,
      );
      claim(
        (answer.headers.get('location') ?? '/').startsWith('/') &&
          !(answer.headers.get('location') ?? '').startsWith('//'),
        `it leads away: ${answer.headers.get('location')}`,
      );
      const value = cookieOf(request.headers.get('cookie') ?? undefined, PARCEL);
      claim(value === null || !/[;\r\n]/.test(value), 'no cookie value');
      claim(!isParcelId(input.toString('latin1')) || /^[a-z0-9]+$/.test(input.toString('latin1')), 'no id');
    },
  };
}

/** Null when no client could send it: the runtime refuses it before we see it. */
function requestOf(text: string): Request | null {
  const [head = '', ...rest] = text.split('\n\n');
  const [method = '', path = '', cookie = '', ...headers] = head.split('\n');
  try {
    const given = new Headers(cookie === '' ? {} : { cookie });
    for (const line of headers.filter((one) => one !== '')) {
      const colon = line.indexOf(':');
      given.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    const body = method === 'GET' || method === 'HEAD' ? null : Buffer.from(rest.join('\n\n'), 'latin1');
    return new Request(`https://${HOST}${path.startsWith('/') ? path : `/${path}`}`, { method, headers: given, body });
  } catch {
    return null;
  }
}
