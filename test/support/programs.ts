// Programs and sample files of Debian packages that some tests talk to. On a person's machine a test that lacks one is skipped and says so;
// in CI (`CI=true`) nothing is skipped: the lack fails, because .ci/run installs them all.

import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What is wanted → the Debian package that brings it. */
const PACKAGES = {
  gcc: 'gcc',
  postfix: 'postfix',
  exim4: 'exim4-daemon-light (in place of postfix; .ci/run has it beside it)',
  'smtp-sink': 'postfix',
  strace: 'strace',
  prlimit: 'util-linux',
  losetup: 'mount',
  xfs_io: 'xfsprogs',
  'mkfs.xfs': 'xfsprogs',
  'mkfs.ext4': 'e2fsprogs',
  openssl: 'openssl',
  cmsutil: 'libnss3-tools',
  certutil: 'libnss3-tools',
  pk12util: 'libnss3-tools',
  gpg: 'gnupg',
  python3: 'python3-minimal',
  tnef: 'tnef',
  chromium: 'chromium',
  '/usr/lib/python3.11/test/test_email/data': 'libpython3.11-testsuite',
  '/usr/lib/python3/dist-packages/flufl/bounce/tests/data': 'python3-flufl.bounce',
  '/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata': 'golang-github-jhillyerd-enmime-dev',
  '/usr/share/doc/spamassassin/examples': 'spamassassin',
  '/usr/lib/python3/dist-packages/dkim/tests/data': 'python3-dkim',
  dkimsign: 'python3-dkim',
  '/usr/lib/python3/dist-packages/nacl': 'python3-nacl',
} as const;

export type Wanted = keyof typeof PACKAGES;

/** Path of a program in PATH or the system folders, or of a wanted folder; null when it is not there. */
export function find(wanted: Wanted): string | null {
  if (wanted.startsWith('/')) return existsSync(wanted) ? wanted : null;
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/sbin',
    '/usr/bin',
    '/opt/exim4/usr/sbin',
  ];
  return folders.map((folder) => join(folder, wanted)).find(isProgram) ?? null;
}

/** The Debian packages that `wanted` lacks here. */
export function lacking(wanted: readonly Wanted[]): string[] {
  return [...new Set(wanted.filter((one) => find(one) === null).map((one) => PACKAGES[one]))];
}

/** A `test` that needs programs: `testWith(['postfix'])('relays …', async () => …)`. */
export function testWith(wanted: readonly Wanted[]): (name: string, run: () => Promise<void>, ms?: number) => void {
  const missing = lacking(wanted);
  if (missing.length === 0) return test;
  const lack = `apt-get install ${missing.join(' ')}`;
  if (process.env.CI) {
    return (name) =>
      test(name, () => {
        throw new Error(`needs: ${lack}`);
      });
  }
  return (name, run, ms) => test.skip(`SKIPPED ${name} (needs: ${lack})`, run, ms);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
