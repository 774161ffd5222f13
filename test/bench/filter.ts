// A content filter for Postfix with the gateway's own engine: takes mail over SMTP, reads its parts, runs the detectors, marks what carries PHI
// with a header field, and hands it back to Postfix over connections that stay open; answers only when Postfix has answered.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { examine } from '../../src/dlp/examine.ts';
import { listen, type Taken } from './listen.ts';
import { readReplies } from './send.ts';

export type Filter = { readonly port: number; readonly pid: number; stop(): void };
type Start = { readonly backPort: number; readonly scan: boolean };

const SELF = fileURLToPath(import.meta.url);
const FINAL_DOT = 3;

/** `backPort`: where Postfix takes back what was looked at. Without `scan` it only passes everything on. `env`: besides ours. */
export async function startFilter(
  backPort: number,
  scan: boolean,
  env: Readonly<Record<string, string>>,
): Promise<Filter> {
  const child: ChildProcess = fork(SELF, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send({ backPort, scan } satisfies Start);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { port, pid: child.pid!, stop: () => void child.kill('SIGKILL') };
}

type Back = { readonly socket: Socket; readonly replies: ReturnType<typeof readReplies> };

function createBack(port: number): (message: Taken, mark: string) => Promise<void> {
  const idle: Back[] = [];
  const open = async (): Promise<Back> => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const replies = readReplies(socket);
    await replies(1);
    socket.write('EHLO filter.test\r\n');
    await replies(1);
    return { socket, replies };
  };
  return async ({ mail, recipients, data }, mark) => {
    const back = idle.pop() ?? (await open());
    const { socket, replies } = back;
    socket.write(`MAIL FROM:${mail}\r\n${recipients.map((one) => `RCPT TO:${one}\r\n`).join('')}DATA\r\n`);
    await replies(2 + recipients.length);
    socket.cork();
    if (mark !== '') socket.write(mark);
    for (const piece of data) socket.write(piece);
    socket.uncork();
    await replies(1);
    idle.push(back);
  };
}

function findsPhi(data: readonly Buffer[]): boolean {
  const whole = Buffer.concat(data);
  const text = whole.subarray(0, whole.length - FINAL_DOT);
  const plain = text.includes('\r\n..')
    ? Buffer.from(text.toString('latin1').replaceAll('\r\n..', '\r\n.'), 'latin1')
    : text;
  return examine([plain], { subjectTags: [] }).findings.phi;
}

async function serve(): Promise<void> {
  process.once('disconnect', () => process.exit());
  const [{ backPort, scan }] = (await once(process, 'message')) as [Start];
  const handBack = createBack(backPort);
  const port = await listen({
    keep: true,
    onMessage: async (message) => {
      try {
        await handBack(message, scan && findsPhi(message.data) ? 'X-Contains: PHI\r\n' : '');
        return '250 2.0.0 Ok';
      } catch {
        return '451 4.3.0 Not handed back';
      }
    },
  });
  process.send!({ port });
}

if (process.argv[1] === SELF) await serve();
