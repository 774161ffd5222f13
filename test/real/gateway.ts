// A gateway whose only organization owns every domain that the real-input set is sent from, and that hands everything to the sink.

import { rmSync } from 'node:fs';
import { startGateway } from '../support/gateway.ts';
import { writeRelay } from '../support/relay.ts';
import { domainsOf, type Sample } from './corpus.ts';
import { SENDER_DOMAIN } from './send.ts';

export async function startForCorpus(
  sinkPort: number,
  samples: readonly Sample[],
): Promise<{ port: number; stop(): Promise<void> }> {
  const files = await writeRelay({ sinkPort, domains: [SENDER_DOMAIN, ...domainsOf(samples)] });
  const gateway = await startGateway(files);
  return {
    port: files.port,
    stop: async () => {
      await gateway.stop();
      rmSync(files.folder, { recursive: true, force: true });
    },
  };
}
