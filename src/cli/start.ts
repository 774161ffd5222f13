// `sealrelay start`: reads the flags, runs the gateway, and passes signals on: SIGHUP reloads, SIGTERM and Ctrl-C stop.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { allowsCores } from '../config/runtime.ts';
import type { Gateway } from '../main.ts';
import { CliError } from './errors.ts';
import { example } from './help.ts';
import { notify } from './notify.ts';
import { configFile } from './place.ts';

export function register(program: Command): void {
  const command = program
    .command('start')
    .description('Runs the gateway in the foreground until SIGTERM or Ctrl-C; SIGHUP reads the configuration again.')
    .option('--config <FILE>', 'the configuration (default: SEALRELAY_CONFIG, else config/gateway.yaml)')
    .action(async (options: { config?: string }) => start(configFile(options.config)));
  example(
    command,
    ['sealrelay start', 'sealrelay start --config /etc/sealrelay/gateway.yaml'],
    'Next, in another terminal: sealrelay status. As a service: systemd/README.md.',
  );
}

async function start(configPath: string): Promise<void> {
  // Read by libuv at the first use of its pool: syncs of bodies must not wait for file reads.
  process.env.UV_THREADPOOL_SIZE ??= '8';
  await withoutCores();
  // Without --disable-sigusr1, which only live mode demands, it would open the inspector.
  process.on('SIGUSR1', () => {});
  process.on('uncaughtException', endBy);
  const { run } = await import('../main.ts');
  let gateway: Gateway;
  try {
    gateway = await run({ configPath });
  } catch (error) {
    throw startFault(error, configPath);
  }
  banner(gateway, configPath);
  void notify({ ready: true, status: `${gateway.config.mode} mode` });
  process.on('SIGHUP', () => void reload(gateway));
  const stopped = await new Promise<'asked' | 'failed'>((resolve) => {
    process.once('SIGTERM', () => resolve('asked'));
    process.once('SIGINT', () => resolve('asked'));
    void gateway.failed.then(() => resolve('failed'));
  });
  void notify({ stopping: true });
  await gateway.stop();
  process.exit(stopped === 'asked' ? 0 : 1);
}

/** From now on neither this process nor a child of it leaves a core file; what the kernel hands to a program instead is without its memory. Where
 *  that cannot be had, live mode says so. */
async function withoutCores(): Promise<void> {
  try {
    // core(5): no kind of mapping is dumped. Children inherit it.
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // Not Linux, or a process that is never dumped.
  }
  if (!allowsCores()) return;
  // Node has no setrlimit(2); prlimit is part of util-linux.
  const args = ['--core=0:0', '--pid', String(process.pid)];
  await new Promise<void>((resolve) => {
    execFile('prlimit', args, { env: { PATH: '/usr/bin:/bin' }, timeout: 5_000 }, () => resolve());
  });
}

/** Node would print the error whole: its words and what hangs on it may be of a message. Where it happened says enough. */
function endBy(error: unknown): void {
  const { name = 'Error', code = '', stack = '' } = error as Partial<NodeJS.ErrnoException>;
  const places = stack.split('\n').filter((line) => /^ +at /.test(line));
  process.stderr.write(`an error nobody caught ends the gateway: ${[name, code, ...places].join(' ').trim()}\n`);
  process.exit(1);
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', 'full']);
const CLOSED = new Set(['EACCES', 'EPERM', 'SQLITE_READONLY', 'SQLITE_CANTOPEN']);
const DAMAGED = /^SQLITE_(?:CORRUPT|NOTADB)/;

const LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program does',
  EADDRNOTAVAIL: 'not an address of this machine',
  EACCES: 'a port below 1024 is not for this user (CAP_NET_BIND_SERVICE)',
};

/** What kept the gateway from starting, in words; the next step with it. */
export function startFault(error: unknown, configPath: string): CliError {
  const {
    code = '',
    syscall,
    address,
    port,
    listener = 'listen',
  } = error as Partial<NodeJS.ErrnoException> & {
    address?: string;
    port?: number;
    listener?: string;
  };
  if (syscall === 'listen') {
    const words = `${listener}: cannot listen on ${address}:${port}: ${LISTENING[code] ?? code}`;
    return new CliError(words, `mend that, or change ${listener} in the configuration`);
  }
  if (FULL.has(code)) {
    const next = 'free some, then start it again: what was accepted is kept';
    return new CliError('no space is left where storage.path is', next);
  }
  if (code === 'EROFS') {
    const next = 'see what the kernel says of that disk (dmesg), mend it, mount it for writing, then start it again';
    return new CliError('the file system of the gateway’s data takes no writes (EROFS)', next);
  }
  if (CLOSED.has(code)) {
    const next = 'let the user who runs it own storage.path, and read its configuration';
    return new CliError(`what the gateway needs cannot be read or written (${code})`, next);
  }
  if (DAMAGED.test(code)) {
    const next =
      'copy that folder before anything else is tried, then put back its last backup, all of it, or see systemd/README.md';
    return new CliError(`the database in storage.path is damaged (${code})`, next);
  }
  const { message = String(error), next } = error as Partial<Error> & { next?: string };
  if (next !== undefined) return new CliError(message, next);
  if (/ keys\.master: there is no file/.test(message)) {
    return new CliError(message, 'put it back, or restore it: sealrelay keys master check --from-paper --write FILE');
  }
  if (message.startsWith('another Sealrelay uses'))
    return new CliError(message, 'stop that one first, or give this one a storage.path of its own');
  if (message.startsWith('storage.path lies on'))
    return new CliError(message, 'move it there while the gateway is stopped, and name the new place in storage.path');
  if (message.startsWith('live mode:'))
    return new CliError(message, 'start it as npm start and systemd/sealrelay.service do');
  return new CliError(message, `sealrelay config check --config ${configPath}`);
}

async function reload(gateway: Gateway): Promise<void> {
  void notify({ reloading: true });
  const report = await gateway.reload();
  for (const problem of report.problems) process.stderr.write(`not reloaded: ${problem}\n`);
  if (report.applied) process.stderr.write(`reloaded${report.changes.map((one) => `\n  ${one}`).join('')}\n`);
  void notify({
    ready: true,
    status: report.applied ? 'reloaded' : 'not reloaded: the last good configuration is kept',
  });
}

function banner({ config, listeners, warnings }: Gateway, configPath: string): void {
  const url = config.portal.url ?? `https://${config.hostname}`;
  const lines = [
    `sealrelay ${config.mode} mode, ${config.hostname}, ${configPath}`,
    ...listeners.map(
      ({ name, address }) => `  ${name.padEnd(8)}${address}${name === 'portal' ? `, links begin with ${url}/m/` : ''}`,
    ),
    `  ${'state'.padEnd(8)}${config.storage.path}`,
    ...warnings.map((one) => `  warning ${one}`),
    ...(config.mode === 'evaluation'
      ? ['  mail leaves only to loopback and to hosts named in overrides; the rest is held']
      : []),
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}
