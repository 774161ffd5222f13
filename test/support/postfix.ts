// A Postfix of its own beside the gateway: own configuration, queue and ports, in a folder that is removed. Needs root and Debian's postfix.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, untilListening } from './smtp-sink.ts';

export type Postfix = {
  readonly port: number;
  /** Process id of its master; all its daemons are children. */
  readonly pid: number;
  /** Its log so far. */
  log(): string;
  stop(): void;
};

export type PostfixOptions = {
  /** Lines of master.cf after ours. */
  readonly services?: string;
  /** For its master; what daemons are to get too must be named in `import_environment`. */
  readonly env?: Readonly<Record<string, string>>;
};

/** Relays everything from loopback to `127.0.0.1:relayPort`; `settings` are lines of main.cf that win over those here. */
export async function startPostfix(
  relayPort: number,
  settings: Readonly<Record<string, string>> = {},
  options: PostfixOptions = {},
): Promise<Postfix> {
  const folder = join(tmpdir(), `sealrelay-postfix-${process.pid}-${await freePort()}`);
  const config = join(folder, 'config');
  const data = join(folder, 'data');
  for (const one of [folder, config, data, join(folder, 'queue')]) mkdirSync(one, { recursive: true, mode: 0o755 });
  chmodSync(folder, 0o755);
  chownSync(data, Number(execFileSync('id', ['-u', 'postfix'])), 0);
  const port = await freePort();
  writeFileSync(join(config, 'main.cf'), mainCf(folder, relayPort, settings));
  writeFileSync(join(config, 'master.cf'), masterCf(port) + (options.services ?? ''));
  // Needed by `postfix start`, which checks the permissions that these name.
  for (const file of ['postfix-files', 'dynamicmaps.cf']) {
    writeFileSync(join(config, file), readFileSync(join('/etc/postfix', file)));
  }
  mkdirSync(join(config, 'postfix-files.d'));
  mkdirSync(join(config, 'dynamicmaps.cf.d'));
  const env = { ...process.env, ...options.env };
  const postfix = (command: string) =>
    execFileSync('/usr/sbin/postfix', ['-c', config, command], { stdio: 'ignore', env });
  postfix('start');
  await untilListening(port);
  return {
    port,
    pid: Number(readFileSync(join(folder, 'queue/pid/master.pid'), 'utf8')),
    log: () => readFileSync(join(folder, 'log'), 'utf8'),
    stop: () => {
      try {
        postfix('abort');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function mainCf(folder: string, relayPort: number, settings: Readonly<Record<string, string>>): string {
  const lines = {
    compatibility_level: '3.6',
    queue_directory: join(folder, 'queue'),
    data_directory: join(folder, 'data'),
    command_directory: '/usr/sbin',
    daemon_directory: '/usr/lib/postfix/sbin',
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: '/',
    myhostname: 'postfix.test',
    mydestination: '',
    alias_maps: '',
    inet_interfaces: 'loopback-only',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    smtpd_recipient_restrictions: 'permit_mynetworks, reject',
    smtpd_relay_restrictions: 'permit_mynetworks, reject',
    smtpd_peername_lookup: 'no',
    smtpd_client_connection_count_limit: '0',
    smtpd_client_connection_rate_limit: '0',
    smtpd_tls_security_level: 'none',
    smtp_tls_security_level: 'none',
    relayhost: `[127.0.0.1]:${relayPort}`,
    disable_dns_lookups: 'yes',
    message_size_limit: '0',
    in_flow_delay: '0',
    ...settings,
  };
  return Object.entries(lines)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
}

function masterCf(port: number): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
`;
}
