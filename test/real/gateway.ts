// A gateway whose only organization owns every domain that the real-input set is sent from, and that hands everything to the sink.

import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { domainsOf, type Sample } from './corpus.ts';
import { SENDER_DOMAIN } from './send.ts';

export function startForCorpus(sinkPort: number, samples: readonly Sample[]): Promise<GatewayProcess> {
  return startGateway({ sinkPort, domains: [SENDER_DOMAIN, ...domainsOf(samples)] });
}
