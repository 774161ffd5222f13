// The two local sockets of a gateway, `control.sock` for admins and `read.sock` for auditors, mode 0660, each for its
// group. A connection carries one request at a time; frames and connections are bounded. It logs faults of the protocol,
// never a frame. It cannot tell users of one group apart: that is what tokens are for.

import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ControlError } from './command.ts';
import type { Control, Door } from './control.ts';
import type { Log } from './deps.ts';
import { type AnswerFrame, FrameError, frame, frameReader, REQUEST_BOUND, type RequestFrame } from './frames.ts';

/** Of one socket; a person needs one. */
const CONNECTIONS = 32;
/** Requests that one connection may have waiting. */
const WAITING = 16;
/** Milliseconds without a frame after which a connection is closed. */
const IDLE = 5 * 60 * 1000;
/** Wrong tokens after which a connection is closed. */
const TRIES = 3;

export type SocketOptions = {
  readonly control: Control;
  /** Folder of the sockets; made with mode 0755 when it is missing. */
  readonly folder: string;
  /** Names of local groups; without one, only the service's own group. */
  readonly groups: { readonly control?: string; readonly read?: string };
  readonly log: Log;
};
export type Sockets = { readonly close: () => Promise<void> };

export function socketPath(folder: string, door: Door): string {
  return join(folder, `${door}.sock`);
}

/** Listens on both sockets. Whoever calls holds the lock of the data folder: a socket that is there already is stale. */
export async function openSockets(options: SocketOptions): Promise<Sockets> {
  await mkdir(options.folder, { recursive: true, mode: 0o755 });
  const doors = ['control', 'read'] as const;
  const opened: { close(): Promise<void> }[] = [];
  try {
    for (const door of doors) opened.push(await openSocket(options, door));
  } catch (error) {
    await Promise.all(opened.map((one) => one.close()));
    throw error;
  }
  return {
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}

async function openSocket(options: SocketOptions, door: Door): Promise<{ close(): Promise<void> }> {
  const path = socketPath(options.folder, door);
  await removeStale(path);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, options.control, door, options.log);
  });
  server.maxConnections = CONNECTIONS;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of open) socket.destroy();
    });
  await listen(server, path);
  try {
    await chmod(path, 0o660);
    const group = options.groups[door];
    if (group !== undefined) await chown(path, process.getuid?.() ?? 0, await groupId(group));
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Error(`${path} is in the way and is not a socket`);
  await unlink(path);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The default umask leaves others no right to connect before the mode is set.
    server.listen({ path, readableAll: false, writableAll: false }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function groupId(name: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)('getent', ['group', name], { env: { PATH: '/usr/bin:/bin' } });
    const id = Number(stdout.split(':')[2]);
    if (Number.isInteger(id)) return id;
  } catch {
    // Said below.
  }
  throw new Error(`no group ${name} on this machine: groupadd --system ${name}`);
}

function serve(socket: Socket, control: Control, door: Door, log: Log): void {
  const read = frameReader(REQUEST_BOUND[door]);
  const waiting: RequestFrame[] = [];
  let busy = false;
  let wrongTokens = 0;

  async function next(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      const answer = await answerTo(control, door, request, socket);
      if ('ok' in answer && !answer.ok && answer.error.code === 'unknown token') wrongTokens++;
      if (!socket.writable) break;
      socket.write(frame(answer));
      // What it asked meanwhile is not tried: `busy` stays, so that nothing more is.
      if (wrongTokens >= TRIES) return void socket.end();
    }
    busy = false;
  }

  socket.setTimeout(IDLE, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    try {
      for (const one of read(chunk)) waiting.push(requestFrame(one));
      if (waiting.length > WAITING) throw new FrameError('too many requests are waiting');
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      log.warn({ door, fault: error.message }, 'control connection closed');
      socket.destroy();
      return;
    }
    void next();
  });
}

async function answerTo(control: Control, door: Door, request: RequestFrame, socket: Socket): Promise<AnswerFrame> {
  const { id } = request;
  try {
    const data = await control.perform(door, request, (rows) => writePage(socket, id, rows));
    return { id, ok: true, data: data ?? null };
  } catch (error) {
    const known = error instanceof ControlError ? error : new ControlError('failed', 'the answer was not taken');
    const { code, message, next } = known;
    return { id, ok: false, error: { code, message, ...(next !== undefined && { next }) } };
  }
}

/** Resolves when the peer can take more, so that an answer of any length needs one page of memory. */
function writePage(socket: Socket, id: number, page: readonly unknown[]): Promise<void> {
  if (!socket.writable) return Promise.reject(new Error('the caller left'));
  if (socket.write(frame({ id, page }))) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = (): void => {
      socket.off('close', gone);
      resolve();
    };
    const gone = (): void => {
      socket.off('drain', done);
      reject(new Error('the caller left'));
    };
    socket.once('drain', done);
    socket.once('close', gone);
  });
}

function requestFrame(value: unknown): RequestFrame {
  const one = value as Partial<RequestFrame> | null;
  const isRequest =
    typeof one === 'object' &&
    one !== null &&
    typeof one.id === 'number' &&
    typeof one.token === 'string' &&
    typeof one.command === 'string';
  if (!isRequest) throw new FrameError('a frame is not a request');
  const { id, token, command, args } = one as RequestFrame;
  return { id, token, command, args, breakGlass: one.breakGlass === true };
}
