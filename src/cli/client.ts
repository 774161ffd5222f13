// The other end of a gateway's local socket: finds it, proves who asks by the token file, gives answers page by page.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ANSWER_BOUND, type AnswerFrame, frame, frameReader } from '../control/frames.ts';
import { CliError, EXIT } from './errors.ts';
import { socketFolder } from './place.ts';

export type DaemonOptions = {
  readonly config?: string;
  readonly socket?: string;
  /** Of commands that may take another operator. */
  readonly breakGlass?: boolean;
};
export type Access = 'read' | 'write';

/** `~/.config/sealrelay/token`, or what SEALRELAY_TOKEN_FILE names. */
export function tokenFile(): string {
  const folder = process.env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return process.env.SEALRELAY_TOKEN_FILE || join(folder, 'sealrelay', 'token');
}

/** Null when there is none. Throws when others may read it. */
function readToken(): string | null {
  const file = tokenFile();
  if (!existsSync(file)) return null;
  if ((statSync(file).mode & 0o077) !== 0) throw new CliError(`${file} can be read by others`, `chmod 600 ${file}`);
  return readFileSync(file, 'utf8').trim() || null;
}

/** Sends one command to the running gateway. `onPage` gets long answers as they come, in order. Throws CliError. */
export async function ask<Answer>(
  options: DaemonOptions,
  access: Access,
  command: string,
  args: Readonly<Record<string, unknown>>,
  onPage: (rows: readonly unknown[]) => Promise<void> = async () => undefined,
): Promise<Answer> {
  const token = readToken();
  const socket = await connect(socketFolder(options), access);
  try {
    socket.write(frame({ id: 1, token: token ?? '', command, args, breakGlass: options.breakGlass ?? false }));
    return (await answer(socket, onPage)) as Answer;
  } catch (error) {
    if (error instanceof CliError && error.message === UNKNOWN && token === null) throw withoutToken();
    throw error;
  } finally {
    socket.destroy();
  }
}

const UNKNOWN = 'your token is not known';

function withoutToken(): CliError {
  const file = tokenFile();
  return new CliError(
    `you have no token (${file})`,
    `ask an admin for: sealrelay user add NAME --role auditor; then put the token into that file, mode 600`,
  );
}

/** Reads are asked where fewer may connect first fails: an auditor's group opens only read.sock. */
async function connect(folder: string, access: Access): Promise<Socket> {
  const doors = access === 'write' ? ['control'] : ['read', 'control'];
  let last: NodeJS.ErrnoException | undefined;
  for (const door of doors) {
    try {
      return await open(join(folder, `${door}.sock`));
    } catch (error) {
      last = error as NodeJS.ErrnoException;
    }
  }
  if (last?.code === 'EACCES' || last?.code === 'EPERM') {
    throw new CliError(
      `you may not open the ${access === 'write' ? 'control' : 'read'} socket in ${folder}`,
      'join the group that the socket belongs to (ls -l shows it), or use sudo',
    );
  }
  throw notRunning(folder);
}

export function notRunning(folder: string): CliError {
  return new CliError(
    `the gateway is not running (nothing answers in ${folder})`,
    'start it: systemctl start sealrelay, or npm start in a checkout; if it runs, name what it was started with: --config FILE',
  );
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

async function answer(socket: Socket, onPage: (rows: readonly unknown[]) => Promise<void>): Promise<unknown> {
  const read = frameReader(ANSWER_BOUND);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (const value of read(chunk) as AnswerFrame[]) {
      if ('page' in value) await onPage(value.page);
      else if (value.ok) return value.data;
      else throw refusal(value.error);
    }
  }
  throw new CliError('the gateway closed the connection', 'sealrelay status; its log says why');
}

function refusal(error: { code: string; message: string; next?: string }): CliError {
  const exit = error.code === 'usage' ? EXIT.usage : error.code === 'waits' ? EXIT.waits : EXIT.failed;
  return new CliError(error.message, error.next, exit);
}

export function isNotRunning(error: unknown): boolean {
  return error instanceof CliError && error.message.startsWith('the gateway is not running');
}
