// The files of a gateway in live mode: what evaluation mode does without, and no overrides. It can deliver to nobody on this machine.

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMasterFile } from '../../src/keys/master.ts';
import { type GatewayFiles, writeGateway } from '../support/gateway.ts';
import { makeCa } from '../support/pki.ts';
import { freePort } from '../support/smtp-sink.ts';

export type LiveFiles = GatewayFiles & { readonly port: number };

/** Whose files can be trusted: live mode refuses those of the user who runs it, and here that is the one who runs the test. */
export const testAsRoot: typeof test = process.getuid?.() === 0 ? test : test.skip;

export async function writeLive(policy: string, extra: Readonly<Record<string, unknown>> = {}): Promise<LiveFiles> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-live-'));
  const master = join(folder, 'master.key');
  createMasterFile(master, { bytes: (n) => randomBytes(n), fraction: Math.random });
  const issued = makeCa().issue({ names: ['gw.clinic.test'] });
  writeFileSync(join(folder, 'cert.pem'), issued.chain);
  writeFileSync(join(folder, 'key.pem'), issued.key, { mode: 0o600 });
  const port = await freePort();
  const config = {
    version: 1,
    mode: 'live',
    hostname: 'gw.clinic.test',
    organizations: [{ name: 'Clinic', domains: ['clinic.test'], from: { networks: ['127.0.0.1/32'] } }],
    listen: { smtp: { address: '127.0.0.1', port, tls: 'required' } },
    certificates: { files: { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') } },
    keys: { master: { file: master } },
    // Nobody answers there: no question of a test leaves this machine.
    resolver: { servers: [`127.0.0.1:${await freePort()}`] },
    ...extra,
  };
  const files = writeGateway(folder, config, policy);
  for (const file of ['gateway.yaml', 'policy.yaml']) chmodSync(join(folder, file), 0o644);
  chmodSync(folder, 0o755);
  return { ...files, port };
}
