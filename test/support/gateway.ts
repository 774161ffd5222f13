// The real gateway as a child process, in a folder of its own, and its command: what scenarios, demo and trials start.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const ENTRY = join(ROOT, 'src', 'cli', 'sealrelay.ts');

export type GatewayFiles = { readonly folder: string; readonly config: string; readonly storage: string };
export type Ran = { readonly code: number; readonly out: string; readonly err: string };

/** Writes configuration and policy below `folder`; `config` is the whole file but for `storage` and `protection.policy`. */
export function writeGateway(folder: string, config: Readonly<Record<string, unknown>>, policy: unknown): GatewayFiles {
  const storage = join(folder, 'state');
  mkdirSync(storage, { recursive: true, mode: 0o700 });
  const protection = { ...(config.protection as object | undefined), policy: join(folder, 'policy.yaml') };
  writeFileSync(join(folder, 'gateway.yaml'), stringify({ ...config, protection, storage: { path: storage } }));
  writeFileSync(join(folder, 'policy.yaml'), typeof policy === 'string' ? policy : stringify(policy));
  return { folder, config: join(folder, 'gateway.yaml'), storage };
}

export type Running = {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Standard output so far: the log, a JSON object a line. */
  readonly log: () => string;
  readonly errors: () => string;
  /** Resolves with the exit code, or the name of the signal. */
  readonly ended: Promise<number | string>;
  stop(): Promise<number | string>;
  kill(signal?: NodeJS.Signals): Promise<number | string>;
};

export type StartOptions = {
  /** Instead of src/cli/sealrelay.ts. */
  readonly entry?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Flags of Node. */
  readonly flags?: readonly string[];
  /** Program and arguments that run Node for us: `strace -f …`. */
  readonly under?: readonly string[];
  /** Told of the process before it is ready. */
  readonly onSpawn?: (child: ChildProcess) => void;
};

/** Starts it and waits until it says that it is ready. Rejects with what it said when it ends before that. */
export async function startGateway(files: GatewayFiles, options: StartOptions = {}): Promise<Running> {
  const [program = NODE, ...args] = [
    ...(options.under ?? []),
    NODE,
    '--disable-sigusr1',
    '--max-semi-space-size=4',
    ...(options.flags ?? []),
    options.entry ?? ENTRY,
    'start',
    '--config',
    files.config,
  ];
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  options.onSpawn?.(child);
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const kill = (signal: NodeJS.Signals = 'SIGKILL') => {
    child.kill(signal);
    return ended;
  };
  await new Promise<void>((resolve, reject) => {
    let ready = false;
    child.stdout.on('data', (chunk) => {
      out += chunk;
      // Once: looking into a log of megabytes at every line would take the time of whoever measures the gateway.
      if (ready || !out.includes('"msg":"ready"')) return;
      ready = true;
      resolve();
    });
    void ended.then((code) => reject(new Error(`the gateway ended with ${code} before it was ready:\n${err}\n${out}`)));
  });
  return {
    child,
    pid: child.pid as number,
    log: () => out,
    errors: () => err,
    ended,
    stop: () => kill('SIGTERM'),
    kill,
  };
}

/** Runs `sealrelay …` against that gateway; `token` is the file of the operator's token. */
export function sealrelay(files: GatewayFiles, args: readonly string[], input?: string): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      NODE,
      [ENTRY, ...args, '--config', files.config],
      {
        cwd: ROOT,
        env: { ...process.env, NODE_OPTIONS: '', XDG_CONFIG_HOME: files.folder, NO_COLOR: '1' },
        maxBuffer: 1 << 28,
      },
      (error, out, err) =>
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out, err }),
    );
    if (input !== undefined) child.stdin?.end(input);
  });
}
