// The files of a gateway that takes mail from loopback for one organization and hands everything to one sink: what crash,
// bench and real-input runs start, measure and kill.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GatewayFiles, writeGateway } from './gateway.ts';
import { freePort } from './smtp-sink.ts';

export type RelayOptions = {
  /** Where everything is delivered, on loopback. */
  readonly sinkPort: number;
  /** Domains of its one organization, which is proven by loopback. */
  readonly domains: readonly string[];
  /** Text of the policy file; default: everything may leave in clear, PHI or not. */
  readonly policy?: string;
  /** More sections of gateway.yaml; a section given here replaces ours. */
  readonly extra?: Readonly<Record<string, unknown>>;
};
export type RelayFiles = GatewayFiles & { readonly port: number; readonly webPort: number };

const POLICY = `version: 1
rules:
  - name: everything may leave
    then: { deliver: [{ tls: may }] }
`;

/** Writes them below a new temporary folder, which the caller removes. */
export async function writeRelay(options: RelayOptions): Promise<RelayFiles> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-relay-'));
  const port = await freePort();
  const webPort = await freePort();
  const config = {
    version: 1,
    mode: 'evaluation',
    hostname: 'gw.test.example',
    organizations: [{ name: 'Test Clinic', domains: options.domains, from: { networks: ['127.0.0.0/8'] } }],
    listen: {
      smtp: { address: '127.0.0.1', port, tls: 'optional' },
      web: { address: '127.0.0.1', port: webPort },
    },
    delivery: {
      smart_host: { host: 'localhost', port: options.sinkPort },
    },
    limits: { connections_per_minute: 100_000 },
    tags: {},
    ...options.extra,
  };
  return { ...writeGateway(folder, config, options.policy ?? POLICY), port, webPort };
}
