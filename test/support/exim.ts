// An Exim of its own that sends by SMTP with CHUNKING: no daemon, a run for each message, in a folder that is removed. Needs root.
// Debian's Exim cannot be installed beside its Postfix; .ci/run unpacks it into /opt/exim4, and the user that it wants is lent to it.

import { execFile } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { find } from './programs.ts';

export type Exim = {
  /** Sends it at once; resolves with what the log says of it, a line an event, when Exim is done with it. */
  send(message: Buffer, from: string, to: readonly string[]): Promise<string[]>;
  stop(): void;
};

const USER = 65_533;

/** Sends everything but its own reports to `127.0.0.1:port`; `transport` are lines of its smtp transport. */
export function openExim(port: number, transport: readonly string[] = []): Exim {
  const program = find('exim4');
  if (program === null) throw new Error('exim4 is not there (Debian package exim4-daemon-light)');
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-exim-'));
  chmodSync(folder, 0o755);
  for (const one of ['spool', 'log']) {
    mkdirSync(join(folder, one));
    chownSync(join(folder, one), USER, USER);
  }
  const config = join(folder, 'exim.conf');
  writeFileSync(config, configOf(program, folder, port, transport), { mode: 0o644 });
  for (const one of ['passwd', 'group']) copyFileSync(join('/etc', one), join(folder, one));
  appendFileSync(join(folder, 'passwd'), `Debian-exim:x:${USER}:${USER}::/:/usr/sbin/nologin\n`);
  appendFileSync(join(folder, 'group'), `Debian-exim:x:${USER}:\n`);
  // In a mount namespace of its own, so that the machine's own files stay what they are.
  const lend = ['passwd', 'group'].map((one) => `mount --bind '${join(folder, one)}' /etc/${one}`).join(' && ');
  const log = (): string[] => {
    try {
      return readFileSync(join(folder, 'log', 'main'), 'utf8')
        .split('\n')
        .filter(Boolean);
    } catch {
      return [];
    }
  };
  return {
    send: async (message, from, to) => {
      const before = log().length;
      const args = ['-C', config, '-odf', '-oi', '-f', from, ...to];
      await new Promise<void>((resolve, reject) => {
        const child = execFile(
          'unshare',
          ['-m', 'sh', '-c', `${lend} && exec "$0" "$@"`, program, ...args],
          (error, _out, err) => (error && err !== '' ? reject(new Error(err)) : resolve()),
        );
        // Where it ends before it has read all, its words say why.
        child.stdin?.on('error', () => {});
        child.stdin?.end(message);
      });
      return log().slice(before);
    },
    stop: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function configOf(program: string, folder: string, port: number, transport: readonly string[]): string {
  return `exim_path = ${program}
primary_hostname = exim.test
spool_directory = ${join(folder, 'spool')}
log_file_path = ${join(folder, 'log', '%s')}
exim_user = Debian-exim
exim_group = Debian-exim
trusted_users = root
keep_environment =
host_lookup =
message_size_limit = 0
log_selector = +smtp_confirmation
begin routers
reports:
  driver = redirect
  senders = :
  data = :blackhole:
all:
  driver = manualroute
  transport = remote
  route_list = * 127.0.0.1::${port} byname
  self = send
begin transports
remote:
  driver = smtp
  hosts_try_chunking = *
  hosts_try_dane =
${transport.map((line) => `  ${line}\n`).join('')}begin retry
* * F,1h,1h
`;
}
