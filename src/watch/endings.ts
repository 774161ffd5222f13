// What ends at a time: certificates of the listeners, organizations' own keys. Other parts keep lists of their own.

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Config } from '../config/schema.ts';
import type { KeyKind } from '../domain/keys.ts';
import type { AddressKey, KeyBook } from '../keys/book-port.ts';
import type { Ending } from './figures.ts';

const KIND: Readonly<Record<KeyKind, string>> = { pgp: 'PGP key', smime: 'S/MIME certificate' };
const PAGE = 500;

/** Of the files as they stand on the disk: what a reload would take. One that cannot be read is left to `config check`. */
export async function certificateEndings({ certificates }: Pick<Config, 'certificates'>): Promise<Ending[]> {
  const files = [
    ['certificate of the listeners', certificates.files?.cert],
    ['certificate of the portal', certificates.portal?.cert],
  ] as const;
  const found = await Promise.all(
    files.map(async ([what, file]): Promise<Ending[]> => {
      if (file === undefined) return [];
      const until = await endOf(file).catch(() => null);
      return until === null ? [] : [{ what, kind: 'certificate', until }];
    }),
  );
  return found.flat();
}

async function endOf(file: string): Promise<number> {
  // From the words: of a date that is none, Node's `validToDate` is what lay in memory. Such a certificate has ended.
  const until = Date.parse(new X509Certificate(await readFile(file)).validTo);
  return Number.isNaN(until) ? 0 : until;
}

/** The first end of an organization's own keys of a kind. One that a later key of the same address replaces does not count. */
export async function ownKeyEndings(book: Pick<KeyBook, 'list'>): Promise<Ending[]> {
  const latest = new Map<string, { readonly key: AddressKey; readonly until: number }>();
  let after: string | undefined;
  for (;;) {
    const page = await book.list({ own: true, limit: PAGE, ...(after !== undefined && { after }) });
    for (const key of page) {
      if (key.revoked !== null || key.facts.revoked !== null) continue;
      const until = key.facts.validUntil ?? Number.POSITIVE_INFINITY;
      const name = `${key.organization} ${key.facts.kind} ${key.subject}`;
      if (until > (latest.get(name)?.until ?? 0)) latest.set(name, { key, until });
    }
    if (page.length < PAGE) break;
    after = page.at(-1)?.id;
  }
  const first = new Map<string, Ending>();
  for (const { key, until } of latest.values()) {
    const what = `${KIND[key.facts.kind]} of ${key.organization}`;
    if (until < (first.get(what)?.until ?? Number.POSITIVE_INFINITY)) first.set(what, { what, kind: 'key', until });
  }
  return [...first.values()];
}
