// The real-input set: messages that this project did not write, from Debian packages whose authors collected what mail programs really send and
// break. They are read where the packages put them; nothing of them is kept in the repository.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Wanted } from '../support/programs.ts';
import { canonical } from '../support/session.ts';

export type Sample = {
  /** `m0001`: also the local part of its recipient, by which it is found again. */
  readonly id: string;
  readonly name: string;
  /** Mail data: lone LF turned into CRLF, everything else as in the file. */
  readonly data: Buffer;
  /** Domains that stand after an `@` in its From fields, as an organization's list may hold them. */
  readonly domains: readonly string[];
  /** What a strict server must or may object to, read independently of the gateway. */
  readonly faults: readonly Fault[];
};
export type Fault = 'NUL' | 'bare CR' | 'no From' | 'several From' | 'odd From' | 'no header' | 'long line';

export const SOURCES: readonly (readonly [folder: Wanted, select: RegExp])[] = [
  ['/usr/lib/python3.11/test/test_email/data', /^msg_.*\.txt$/],
  ['/usr/lib/python3/dist-packages/flufl/bounce/tests/data', /\.txt$/],
  ['/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata', /\.(raw|golden)$/],
  ['/usr/share/doc/spamassassin/examples', /^sample-.*\.txt$/],
  ['/usr/lib/python3/dist-packages/dkim/tests/data', /\.(msg|message|mbox)$/],
];

/** All samples in the order of their names; empty files are left out (an empty message has nothing to compare). */
export function readCorpus(): Sample[] {
  const files = SOURCES.flatMap(([folder, select]) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && select.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort(),
  );
  return files
    .map((file) => ({ name: file.split('/').slice(-3).join('/'), bytes: readFileSync(file) }))
    .filter(({ bytes }) => bytes.length > 0)
    .map(({ name, bytes }, i) =>
      describe(`m${String(i + 1).padStart(4, '0')}`, name, withLastLineEnd(canonical(bytes))),
    );
}

// A file that ends in the middle of a line ends its message there; on the wire the line ends.
function withLastLineEnd(data: Buffer): Buffer {
  return data.subarray(-2).toString('latin1') === '\r\n' ? data : Buffer.concat([data, Buffer.from('\r\n')]);
}

/** Every domain of the set: what an organization must own for its messages to be relayed. */
export function domainsOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.flatMap(({ domains }) => domains))].sort();
}

function describe(id: string, name: string, data: Buffer): Sample {
  const text = data.toString('latin1');
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  const header = end < 0 ? text : text.slice(0, end + 2);
  const froms = fromFields(header);
  const domains = froms
    .flatMap((value) => [...value.matchAll(/@([A-Za-z0-9.-]+)/g)].map((match) => match[1]!.toLowerCase()))
    .filter((domain) => /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/.test(domain));
  return { id, name, data, domains, faults: faultsOf(text, header, froms) };
}

function fromFields(header: string): string[] {
  return header
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
    .filter((line) => /^from[ \t]*:/i.test(line))
    .map((line) => line.slice(line.indexOf(':') + 1).trim());
}

const ADDRESS = '[A-Za-z0-9._+=-]+@(?:[A-Za-z0-9-]+\\.)+[A-Za-z]+';
const PLAIN = new RegExp(`^(?:${ADDRESS}|(?:[A-Za-z0-9 '_-]+|"[A-Za-z0-9 .,'@()_-]*")? *<${ADDRESS}>)$`);

function faultsOf(text: string, header: string, froms: readonly string[]): Fault[] {
  const faults: Fault[] = [];
  if (text.includes('\0')) faults.push('NUL');
  if (/\r(?!\n)/.test(text)) faults.push('bare CR');
  if (froms.length === 0) faults.push('no From');
  if (froms.length > 1) faults.push('several From');
  if (froms.length === 1 && !PLAIN.test(froms[0]!)) faults.push('odd From');
  const fields = header
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
    .filter((line) => line !== '');
  if (fields.some((line) => !/^[!-9;-~]+:/.test(line))) faults.push('no header');
  if (/[^\r\n]{999}/.test(text)) faults.push('long line');
  return faults;
}
