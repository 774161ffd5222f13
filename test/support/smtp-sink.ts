// Postfix's own smtp-sink, as a witness that is not ours: counts messages, or keeps each in a file. Needs root to drop its rights.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { find } from './programs.ts';

export type SmtpSink = {
  readonly port: number;
  readonly pid: number;
  /** Messages taken since the start. */
  count(): number;
  /** Those kept in `folder`, as dumped. */
  kept(): SinkDump[];
  stop(): Promise<void>;
};
export type SinkDump = { readonly mail: string; readonly recipients: readonly string[]; readonly data: Buffer };

/** Starts one on `port` (a free one when left out); with `folder` every message is kept there. */
export async function startSmtpSink(options: { port?: number; folder?: string } = {}): Promise<SmtpSink> {
  const program = find('smtp-sink');
  if (program === null) throw new Error('smtp-sink is not installed (Debian package postfix)');
  const port = options.port ?? (await freePort());
  const rights = process.getuid?.() === 0 ? ['-u', 'postfix'] : [];
  const dump = options.folder === undefined ? [] : ['-d', join(options.folder, 'm.')];
  if (options.folder !== undefined) {
    mkdirSync(options.folder, { recursive: true });
    chmodSync(options.folder, 0o777);
  }
  const child = spawn(program, ['-c', ...rights, ...dump, `127.0.0.1:${port}`, '1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let messages = 0;
  child.stdout!.on('data', (chunk: Buffer) => {
    const last = [...chunk.toString('latin1').matchAll(/mesg=\s*(\d+)/g)].at(-1);
    if (last) messages = Math.max(messages, Number(last[1]));
  });
  await untilListening(port);
  return {
    port,
    pid: child.pid!,
    count: () => messages,
    kept: () => readDumps(options.folder!),
    stop: () => ended(child),
  };
}

/** A port of loopback that nothing listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Until something accepts connections on `port`; throws after `ms`. */
export async function untilListening(port: number, ms = 20_000): Promise<void> {
  const { connect } = await import('node:net');
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((wake) => setTimeout(wake, 30))) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => (resolve(true) as undefined) ?? socket.destroy());
      socket.once('error', () => resolve(false));
    });
    if (answered) return;
  }
  throw new Error(`nothing listens on port ${port}`);
}

// smtp-sink(1), DUMP FORMAT: X-… lines about the session, a Received header of its own, then the mail data with LF line ends.
function readDumps(folder: string): SinkDump[] {
  return readdirSync(folder).map((name) => {
    const text = readFileSync(join(folder, name)).toString('latin1');
    const received = text.search(/^Received: from /m);
    const head = text.slice(0, received);
    // It ends each message with an empty line of its own.
    const body = text
      .slice(received)
      .replace(/\n$/, '')
      .replace(/^Received: [^\n]*\n(?:[\t ][^\n]*\n)*/, '');
    const all = (key: string) => [...head.matchAll(new RegExp(`^${key}: (.*)$`, 'gm'))].map((match) => match[1]!);
    return { mail: all('X-Mail-Args')[0] ?? '', recipients: all('X-Rcpt-Args'), data: Buffer.from(body, 'latin1') };
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
