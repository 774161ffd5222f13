// The configuration in force → what the line goes by.

import type { Config } from '../config/schema.ts';
import type { Address } from '../domain/ids.ts';
import type { ProtectionName } from '../domain/types.ts';
import type { Settings } from './line.ts';

/** Protections that this gateway can make; a decision for others only is held. */
export function builtIn(config: Pick<Config, 'listen'>): readonly ProtectionName[] {
  return config.listen.portal === undefined ? ['tls', 'pgp', 'smime'] : ['tls', 'pgp', 'smime', 'portal'];
}

export function settingsOf(config: Config): Settings {
  const { delivery, queue, limits, protection } = config;
  return {
    hostname: config.hostname,
    node: config.node,
    organizations: config.organizations.map((one) => ({
      name: one.name,
      domains: one.domains,
      admin: (one.admin ?? null) as Address | null,
      returnHost: one.return === undefined ? null : hostPort(one.return.smart_host),
      timeZone: one.time_zone,
      languages: one.languages,
      phone: one.help.phone ?? null,
      help: one.help.url ?? null,
      portalUrl: one.portal?.url ?? config.portal.url ?? `https://${config.hostname}`,
    })),
    smartHostLevel: delivery.smart_host?.level ?? 'may',
    smartHost: delivery.smart_host === undefined ? null : hostPort(delivery.smart_host),
    lifetime: queue.lifetime,
    warnAfter: queue.warn_sender_after,
    undecidedFor: queue.undecided_for,
    maxHops: queue.max_hops,
    clocks: protection.clocks,
    built: builtIn(config),
    subject: protection.subject,
    portal: portalOf(config),
    dataBytes: limits.data_bytes,
    examineWaiting: limits.examine_waiting,
    deliveriesInFlight: limits.deliveries_in_flight,
    notificationsInFlight: limits.notifications_in_flight,
    connections: delivery.connections,
    perDestination: delivery.per_destination,
    paces: delivery.pace,
    recipientsPerTransaction: delivery.recipients,
  };
}

function portalOf(config: Config): Settings['portal'] {
  const { expires, keep } = config.portal;
  return config.listen.portal === undefined ? null : { expires, keep };
}

/** A smart host as it stands in the destination column: `host:port`. */
export function hostPort(host: { readonly host: string; readonly port: number }): string {
  return `${host.host}:${host.port}`;
}

/** The smart host that a destination names; null when it is a domain. */
export function smartHostOf(destination: string): { host: string; port: number } | null {
  const colon = destination.lastIndexOf(':');
  if (colon < 0) return null;
  return { host: destination.slice(0, colon), port: Number(destination.slice(colon + 1)) };
}
