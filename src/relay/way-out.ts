// The way out, put together as the configuration has it: where mail goes, where it may, and the client that takes it there.

import type { Config } from '../config/schema.ts';
import type { Duration } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/types.ts';
import { createEgress, type Egress } from '../net/egress.ts';
import { createResolver, type Resolver } from '../net/resolver.ts';
import { clientTls } from '../net/tls.ts';
import { createResolve } from '../route/resolve.ts';
import { seesWorld } from '../route/witness.ts';
import { createClient, type SmtpClient } from '../smtp/client.ts';
import { connectDialog, DialogError } from '../smtp/dialog.ts';
import type { Line } from './line.ts';
import { hostPort, smartHostOf } from './settings.ts';

/** Of one destination, that are asked whether they are there. */
const HOPS = 3;
/** For the answer to QUIT. */
const QUIT: Duration = 5_000;

export type WayOutDeps = {
  readonly config: Config;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** PEM of authorities that are trusted besides the system's. */
  readonly ca: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** Bound of connections, idle ones among them. */
  readonly connections: () => number;
};

export type WayOut = {
  readonly resolver: Resolver;
  readonly egress: Egress;
  readonly resolve: Line['resolve'];
  readonly client: SmtpClient;
  /** Whether a next hop of the destination greets or says anything; nothing is sent to it. */
  readonly reaches: (destination: string) => Promise<boolean>;
  /** Whether the resolver sees the world. */
  readonly online: () => Promise<boolean>;
};

export function createWayOut({ config, minVersion, ca, clock, random, connections }: WayOutDeps): WayOut {
  const { overrides } = config;
  const resolver = createResolver({ clock, random, servers: config.resolver.servers.map(hostPort) });
  const hosts = (overrides?.hosts ?? []).map(({ name, address, port }) => ({
    ...(name !== undefined && { name }),
    ...(address !== undefined && { address: address.text }),
    ...(port !== undefined && { port }),
  }));
  const egress = createEgress({ mode: config.mode, hosts });
  const resolve = createResolve({
    resolver,
    egress,
    random,
    ownNames: [config.hostname],
    ...(overrides?.smtp_port !== undefined && { port: overrides.smtp_port }),
    smartHost: smartHostOf,
  });
  const client = createClient({
    clock,
    tls: clientTls({ ca, minVersion }),
    timeouts: { connect: config.delivery.connect_timeout },
    connections,
  });
  const reaches = (destination: string) => reachesOne(resolve, destination, config.delivery.connect_timeout);
  return { resolver, egress, resolve, client, reaches, online: () => seesWorld(resolver) };
}

async function reachesOne(resolve: Line['resolve'], destination: string, ms: Duration): Promise<boolean> {
  const route = await resolve(destination);
  if (route.kind !== 'hops') return false;
  for (const { address, port } of route.hops.slice(0, HOPS)) {
    try {
      const dialog = await connectDialog({ address, port, ms });
      try {
        await dialog.reply(ms);
        return true;
      } finally {
        dialog.quit(QUIT);
      }
    } catch (error) {
      if (!(error instanceof DialogError)) throw error;
    }
  }
  return false;
}
