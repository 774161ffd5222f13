// The gateway as its operators run it, a process of its own with its own folder: what crash, bench and real-input tests start, measure and kill.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, untilListening } from './smtp-sink.ts';

export type GatewayOptions = {
  /** Where everything is delivered, on loopback. */
  readonly sinkPort: number;
  /** Domains of its one organization, which is proven by loopback. */
  readonly domains: readonly string[];
  /** Text of the policy file; default: everything may leave in clear, PHI or not. */
  readonly policy?: string;
  /** More lines of gateway.yaml, at top level. */
  readonly extra?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments that run Node for us: `strace -f …`. */
  readonly under?: readonly string[];
};
export type GatewayProcess = {
  readonly port: number;
  readonly webPort: number;
  readonly folder: string;
  readonly config: string;
  /** Of the Node process, or of the program that runs it. */
  pid(): number;
  /** Standard output and error of all its lives so far. */
  log(): string;
  /** After `kill`: the same folder and ports again. */
  start(): Promise<void>;
  /** SIGKILL, and until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL after 20 s; then the folder goes, unless `keep`. */
  stop(keep?: boolean): Promise<void>;
};

const ENTRY = new URL('../../src/cli/sealrelay.ts', import.meta.url).pathname;

const POLICY = `version: 1
rules:
  - name: everything may leave
    deliver: [{tls: may}]
`;

export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-gateway-'));
  const port = await freePort();
  const webPort = await freePort();
  const config = join(folder, 'gateway.yaml');
  mkdirSync(join(folder, 'state'));
  writeFileSync(join(folder, 'policy.yaml'), options.policy ?? POLICY);
  writeFileSync(config, configText(options, folder, port, webPort));
  const logFile = join(folder, 'log');
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const log = openSync(logFile, 'a');
    const [program, ...args] = [
      ...(options.under ?? []),
      process.execPath,
      '--disable-sigusr1',
      ENTRY,
      'start',
      '--config',
      config,
    ];
    const env = { ...process.env, ...options.env };
    delete env.NODE_OPTIONS;
    child = spawn(program!, args, { stdio: ['ignore', log, log], env });
    const died = new Promise<never>((_, reject) => {
      child!.once('exit', (code) =>
        reject(new Error(`gateway ended with ${code}:\n${readFileSync(logFile, 'utf8').slice(-2000)}`)),
      );
    });
    died.catch(() => {});
    await Promise.race([untilListening(port, 60_000), died]);
  };
  await start();
  return {
    port,
    webPort,
    folder,
    config,
    pid: () => child!.pid!,
    log: () => readFileSync(logFile, 'utf8'),
    start,
    kill: () => end(child, 'SIGKILL'),
    stop: async (keep = false) => {
      await end(child, 'SIGTERM');
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configText(options: GatewayOptions, folder: string, port: number, webPort: number): string {
  return `version: 1
mode: evaluation
hostname: gw.test.example
organizations:
  - name: Test Clinic
    domains: ${JSON.stringify(options.domains)}
    from: { networks: [127.0.0.0/8] }
listen:
  smtp: { address: 127.0.0.1, port: ${port}, tls: optional }
  web: { address: 127.0.0.1, port: ${webPort} }
protection: { policy: ${folder}/policy.yaml }
delivery:
  smart_host: { host: localhost, port: ${options.sinkPort} }
  connections: 20
  per_destination: 20
storage: { path: ${folder}/state }
limits: { connections_per_minute: 100000 }
tags: {}
${options.extra ?? ''}`;
}

function end(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return resolve();
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}
