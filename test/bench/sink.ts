// Where everything is delivered in the bench: a process of its own that takes mail, with STARTTLS where it is given a certificate, and counts.
// Asked over the IPC channel; cheaper than smtp-sink at 75 kB, because it looks for the final dot and at nothing else.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { listen } from './listen.ts';

export type Certificate = { readonly cert: string; readonly key: string };
export type Taken = {
  /** One for each recipient of each message. */
  readonly recipients: number;
  readonly octets: number;
  readonly sessions: number;
  readonly secured: number;
};
export type Sink = {
  readonly port: number;
  readonly pid: number;
  /** As soon as it has taken so many since its start; at once for 0. Rejects after two minutes. */
  taken(recipients: number): Promise<Taken>;
  stop(): void;
};
type Start = { readonly start: { readonly tls?: Certificate } };
type Ask = { readonly until: number };

const SELF = fileURLToPath(import.meta.url);
const PATIENCE_MS = 120_000;

export async function startSink(tls?: Certificate): Promise<Sink> {
  const child = fork(SELF, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send({ start: tls === undefined ? {} : { tls } } satisfies Start);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    port,
    pid: child.pid!,
    taken: (recipients) => ask(child, recipients),
    stop: () => void child.kill('SIGKILL'),
  };
}

async function ask(child: ChildProcess, until: number): Promise<Taken> {
  child.send({ until } satisfies Ask);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const [taken] = (await once(child, 'message', { signal })) as [Taken];
    return taken;
  } catch {
    throw new Error(`not all arrived: the sink was to have ${until} recipients`);
  }
}

async function serve(): Promise<void> {
  process.once('disconnect', () => process.exit());
  let taken: Taken = { recipients: 0, octets: 0, sessions: 0, secured: 0 };
  let wanted: number | null = null;
  const look = (): void => {
    if (wanted === null || taken.recipients < wanted) return;
    wanted = null;
    process.send!(taken);
  };
  process.on('message', async (message: Start | Ask) => {
    if ('until' in message) {
      wanted = message.until;
      return look();
    }
    const port = await listen({
      ...message.start,
      keep: false,
      onSession: (event) => {
        const [sessions, secured] = event === 'opened' ? [1, 0] : [0, 1];
        taken = { ...taken, sessions: taken.sessions + sessions, secured: taken.secured + secured };
      },
      onMessage: ({ recipients, octets }) => {
        taken = { ...taken, recipients: taken.recipients + recipients.length, octets: taken.octets + octets };
        look();
        return '250 2.0.0 Ok';
      },
    });
    process.send!({ port });
  });
}

if (process.argv[1] === SELF) await serve();
