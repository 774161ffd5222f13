// How the demo's recipients open what they got: with the programs that people have where they are installed, else with our own opener;
// the patient with link and code.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readKey, readPrivateKey } from 'openpgp';
import { openPgpMime } from '../../src/crypto/pgp/open.ts';
import { openSmime } from '../../src/crypto/smime/open.ts';
import { readCertificates } from '../../src/crypto/smime/read.ts';
import { openGpg } from '../support/gpg.ts';
import { codeIn, linkIn, visitor } from '../support/pick-up.ts';
import { find } from '../support/programs.ts';
import type { Person } from './people.ts';

/** What came out, and by what. */
export type Opened = { readonly text: string; readonly by: string };

export async function openPgp(mail: Buffer, key: Person): Promise<Opened> {
  if (find('gpg') !== null) {
    const gpg = openGpg();
    try {
      gpg.run(['--import'], key.private);
      if (key.signer !== undefined) gpg.run(['--import'], key.signer);
      const { out, err } = gpg.run(['--decrypt'], mail);
      return { text: out.toString(), by: err.includes('Good signature') ? 'gpg, signed' : 'gpg' };
    } finally {
      gpg.close();
    }
  }
  const privateKeys = [(await readPrivateKey({ armoredKey: key.private })).write() as Uint8Array];
  const verifyWith =
    key.signer === undefined ? [] : [(await readKey({ armoredKey: key.signer })).write() as Uint8Array];
  const { entity, signed } = await openPgpMime(mail, { privateKeys, verifyWith, now: Date.now() });
  return { text: entity.toString(), by: signed === 'valid' ? 'our opener, signed' : 'our opener' };
}

export async function openCertificate(mail: Buffer, key: Person): Promise<Opened> {
  if (find('openssl') !== null) {
    const folder = mkdtempSync(join(tmpdir(), 'sealrelay-open-'));
    const file = (name: string, content: Buffer | string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    try {
      const cms = (...args: string[]) =>
        execFileSync('openssl', ['cms', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      const keys = ['-inkey', file('key', key.private), '-recip', file('cert', key.public)];
      const inner = cms('-decrypt', '-in', file('mail', mail), ...keys);
      if (key.signer === undefined) return { text: inner.toString(), by: 'openssl' };
      const text = cms('-verify', '-in', file('inner', inner), '-CAfile', file('ca', key.signer));
      return { text: `${inner}${text}`, by: 'openssl, signed' };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const now = Date.now();
  const [read] = readCertificates(Buffer.from(`${key.public}\n${key.private}`), { now });
  if (read?.private === undefined) throw new Error('no key to open it with');
  const keys = [{ certificate: read.public, privateKey: read.private }];
  const { entity, signed } = await openSmime(mail, { keys, roots: key.roots ?? [], now });
  return { text: entity.toString(), by: signed === 'valid' ? 'our opener, signed' : 'our opener' };
}

/** `mails` gives what came to the recipient so far. */
export async function pickUp(
  mails: () => readonly Buffer[],
  origin: string,
  port: number,
): Promise<Opened & { readonly link: string }> {
  const notice = mails()[0];
  if (notice === undefined) throw new Error('no notice came');
  const link = await linkIn(notice, 'm');
  const phone = visitor(origin, port);
  const field = await phone.send(await phone.get(link), /\/m\//);
  const code = await until(async () => {
    for (const mail of mails()) {
      const found = await codeIn(mail);
      if (found !== null) return found;
    }
    return null;
  });
  const page = await phone.send(field, /\/code/, { code });
  return { text: page.text, by: 'link and code', link };
}

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
    const found = await look();
    if (found !== null) return found;
  }
  throw new Error('it did not come in time');
}
