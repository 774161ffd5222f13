// A GnuPG with a home of its own, as the correspondents of an organization have it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Gpg = {
  /** What it wrote to stdout and stderr; throws when it ends with another code than 0. */
  readonly run: (args: readonly string[], input?: Uint8Array | string) => { out: Buffer; err: string };
  /** A key without passphrase, algorithms as `--quick-gen-key` and `--quick-add-key` name them; its fingerprint. */
  readonly generate: (userId: string, algorithm: string, subkey?: string) => string;
  readonly close: () => void;
};

const ALWAYS = [
  '--batch',
  '--yes',
  '--no-tty',
  '--pinentry-mode',
  'loopback',
  '--passphrase',
  '',
  '--trust-model',
  'always',
];
const OUTPUT_MAX = 512 * 1_048_576;

export function openGpg(): Gpg {
  const home = mkdtempSync(join(tmpdir(), 'gpg-'));
  // Else it makes each use of a passphrase take a tenth of a second here, and many times that in JavaScript.
  writeFileSync(join(home, 'gpg-agent.conf'), 's2k-count 65536\n');
  const start = (program: string, args: readonly string[], input?: Uint8Array | string) =>
    spawnSync(program, args, {
      ...(input === undefined ? {} : { input }),
      maxBuffer: OUTPUT_MAX,
      env: { PATH: process.env.PATH, HOME: home, GNUPGHOME: home, LC_ALL: 'C' },
    });
  const run: Gpg['run'] = (args, input) => {
    const { status, stdout, stderr } = start('gpg', [...ALWAYS, ...args], input);
    if (status !== 0) throw new Error(`gpg ${args.join(' ')}: ${status}\n${stderr}`);
    return { out: stdout, err: stderr.toString() };
  };
  const generate: Gpg['generate'] = (userId, algorithm, subkey) => {
    run(['--quick-gen-key', userId, algorithm, subkey === undefined ? 'default' : 'cert,sign', 'never']);
    const list = run(['--with-colons', '--list-keys', `=${userId}`]).out.toString();
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(list)?.[1] ?? '';
    if (subkey !== undefined) run(['--quick-add-key', fingerprint, subkey]);
    return fingerprint.toLowerCase();
  };
  const close = () => {
    start('gpgconf', ['--kill', 'all']);
    rmSync(home, { recursive: true, force: true });
  };
  return { run, generate, close };
}
