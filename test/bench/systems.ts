// What the bench measures side by side: the gateway, a plain Postfix, and a Postfix with the content filter, all into one sink.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../support/gateway.ts';
import { makeCa } from '../support/pki.ts';
import { startPostfix } from '../support/postfix.ts';
import { writeRelay } from '../support/relay.ts';
import { freePort } from '../support/smtp-sink.ts';
import type { Root } from './account.ts';
import { startFilter } from './filter.ts';
import { type Sink, startSink } from './sink.ts';
import type { SlowSync } from './slow-sync.ts';

export const SYSTEMS = ['gateway', 'postfix', 'postfix+filter'] as const;
export type Name = (typeof SYSTEMS)[number] | 'postfix+idle filter';
export type System = {
  readonly name: Name;
  readonly port: number;
  readonly roots: readonly Root[];
  stop(): Promise<void>;
};
export type Bed = { readonly sink: Sink; readonly systems: readonly System[]; close(): Promise<void> };
export type BedOptions = {
  readonly names: readonly Name[];
  /** STARTTLS from the sender and to the sink, which must verify, for all. */
  readonly tls: boolean;
  readonly slow: SlowSync | null;
  /** Flags of the gateway's Node. */
  readonly flags?: readonly string[];
};

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const INTERRUPTED = 130;

type Around = {
  readonly sink: Sink;
  readonly env: Readonly<Record<string, string>>;
  /** Files in PEM. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string } | null;
  readonly flags: readonly string[];
};

export async function openBed(options: BedOptions): Promise<Bed> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-bench-'));
  const ca = makeCa();
  const pair = ca.issue({ names: ['localhost'] });
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), ca: join(folder, 'ca.pem') };
  writeFileSync(tls.cert, pair.chain);
  writeFileSync(tls.key, pair.key, { mode: 0o600 });
  writeFileSync(tls.ca, ca.cert);
  const sink = await startSink(options.tls ? { cert: pair.chain, key: pair.key } : undefined);
  const systems: System[] = [];
  const interrupted = () => void close().then(() => process.exit(INTERRUPTED));
  for (const signal of SIGNALS) process.once(signal, interrupted);
  const close = async (): Promise<void> => {
    for (const signal of SIGNALS) process.off(signal, interrupted);
    for (const system of systems) await system.stop();
    sink.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const name of options.names) {
      const env = options.slow?.environment(name) ?? {};
      systems.push(await open(name, { sink, env, tls: options.tls ? tls : null, flags: options.flags ?? [] }));
    }
    return { sink, systems, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function open(name: Name, around: Around): Promise<System> {
  if (name === 'gateway') return openGateway(around);
  if (name === 'postfix') return openPostfix(around);
  return openFiltered(name, around);
}

async function openGateway({ sink, env, tls, flags }: Around): Promise<System> {
  const files = await writeRelay({
    sinkPort: sink.port,
    domains: ['clinic.example'],
    ...(tls && { policy: `version: 1\nrules:\n  - name: verified\n    then: { deliver: [{ tls: verify }] }\n` }),
    extra: {
      log: { level: 'info' },
      ...(tls && { certificates: { files: { cert: tls.cert, key: tls.key } }, overrides: { ca: [tls.ca] } }),
    },
  });
  const gateway = await startGateway(files, { env, flags });
  return {
    name: 'gateway',
    port: files.port,
    roots: [{ pid: gateway.pid, kind: 'gateway' }],
    stop: async () => {
      await gateway.stop();
      rmSync(files.folder, { recursive: true, force: true });
    },
  };
}

async function openPostfix({ sink, env, tls }: Around): Promise<System> {
  const postfix = await startPostfix(sink.port, settingsOf(env, tls), { env });
  return {
    name: 'postfix',
    port: postfix.port,
    roots: [{ pid: postfix.pid, kind: 'postfix' }],
    stop: async () => postfix.stop(),
  };
}

async function openFiltered(name: Name, { sink, env, tls }: Around): Promise<System> {
  const backPort = await freePort();
  const filter = await startFilter(backPort, name === 'postfix+filter', env);
  const postfix = await startPostfix(
    sink.port,
    { ...settingsOf(env, tls), ...FILTERED, content_filter: `scan:[127.0.0.1]:${filter.port}` },
    { env, services: filterServices(backPort) },
  );
  return {
    name,
    port: postfix.port,
    roots: [
      { pid: postfix.pid, kind: 'postfix' },
      { pid: filter.pid, kind: 'filter' },
    ],
    stop: async () => {
      postfix.stop();
      filter.stop();
    },
  };
}

function settingsOf(env: Around['env'], tls: Around['tls']): Record<string, string> {
  const given = Object.keys(env);
  return {
    ...(given.length > 0 && { import_environment: `MAIL_CONFIG MAIL_LOGTAG TZ LANG=C ${given.join(' ')}` }),
    ...(tls && {
      smtpd_tls_security_level: 'may',
      smtpd_tls_cert_file: tls.cert,
      smtpd_tls_key_file: tls.key,
      smtp_tls_security_level: 'verify',
      smtp_tls_verify_cert_match: 'localhost',
      smtp_tls_CAfile: tls.ca,
      // Without it there would be a handshake for each message.
      smtp_tls_connection_reuse: 'yes',
    }),
  };
}

/** Spare Postfix what it would do twice: 0.45 × plain Postfix became 0.53 without the scan, by CPU. */
const FILTERED = { max_use: '1000', disable_mime_input_processing: 'yes' };

// A new connection for each message costs less on loopback than to keep it in scache. Postfix, FILTER_README, "Advanced content filter example".
function filterServices(backPort: number): string {
  return `scan unix - - n - 20 smtp
  -o smtp_tls_security_level=none
  -o disable_mime_output_conversion=yes
  -o smtp_connection_cache_on_demand=no
127.0.0.1:${backPort} inet n - n - - smtpd
  -o content_filter=
  -o smtpd_tls_security_level=none
  -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters,no_address_mappings
`;
}
