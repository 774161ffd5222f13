// The one way to hand something to a web server outside: HTTPS, resolved by ourselves, only to an address that egress allows
// and to the one that was looked at, no redirect, one deadline for all of it. Logs nothing; its errors name no host.

import { request } from 'node:https';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import type { Duration } from '../domain/ids.ts';
import { within } from './deadline.ts';
import type { Egress } from './egress.ts';
import type { Resolver } from './resolver.ts';

export type PostDeps = {
  readonly resolver: Pick<Resolver, 'addresses'>;
  readonly egress: Pick<Egress, 'refusal'>;
  /** PEM of authorities besides those that Node knows. */
  readonly ca?: readonly string[];
};

/** `code` for a log: what kept it, in one word. */
export class PostError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Resolves when the server answered 2xx. Throws PostError, DeadlineError or a system error. */
export function postJson(deps: PostDeps, url: string, json: string, ms: Duration): Promise<void> {
  return within(ms, 'HTTPS answer', async (signal) => {
    const target = new URL(url);
    const name = target.hostname.replace(/^\[|\]$/g, '');
    const address = (await addressesOf(deps, name)).find((one) => deps.egress.refusal(one, name) === null);
    if (target.protocol !== 'https:') throw new PostError('not https', 'only https is sent to');
    if (address === undefined) throw new PostError('refused address', 'no address that may be connected to');
    const status = await exchange(deps, target, { name, address, json, signal });
    if (status < 200 || status > 299) throw new PostError(`status ${status}`, `the server answered ${status}`);
  });
}

async function addressesOf({ resolver }: PostDeps, name: string): Promise<string[]> {
  if (isIP(name) !== 0) return [name];
  const found = await resolver.addresses(name);
  if (found.kind !== 'found') throw new PostError('no address', 'the name has no address now');
  return found.records.map((one) => one.address);
}

type Exchange = {
  readonly name: string;
  readonly address: string;
  readonly json: string;
  readonly signal: AbortSignal;
};

/** The status of the answer, whose body is not read. */
function exchange(deps: PostDeps, target: URL, { name, address, json, signal }: Exchange): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ method: 'POST', host: address, port: target.port || 443, path: `${target.pathname}${target.search}` },
      // The certificate must name what was written, whatever address it has.
      ...(isIP(name) === 0 && { servername: name }),
      ...{ agent: false, signal, minVersion: 'TLSv1.2', ca: [...rootCertificates, ...(deps.ca ?? [])] },
      headers: {
        host: target.host,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(json),
        'user-agent': 'Sealrelay',
      },
    });
    asked.on('error', reject);
    asked.on('response', (answer) => {
      resolve(answer.statusCode ?? 0);
      answer.destroy();
    });
    asked.end(json);
  });
}
