// The doors: SMTP, local sockets, HTTP.

import { createControl } from '../control/control.ts';
import type { ReloadReport } from '../control/deps.ts';
import { createReload, type InForce, type ReloadDeps, reloadGuard } from '../control/in-force.ts';
import { openSockets } from '../control/socket.ts';
import { GATEWAY } from '../domain/ids.ts';
import { createPortal } from '../portal/service.ts';
import { codeOf } from '../relay/line.ts';
import { openListeners } from '../relay/listeners.ts';
import type { Listener } from '../smtp/listener.ts';
import { type TrustedOrganization, trustedOrganization } from '../trust/prove.ts';
import { certificateOf, portalCertificateOf } from '../web/certificates.ts';
import { type PortalWeb, startPortalWeb } from '../web/portal/listener.ts';
import { startWeb } from '../web/server.ts';
import { type Base, clock, DRAIN_MS, random } from './base.ts';
import { controlDeps, readiness, spaceLeft } from './control.ts';
import type { Running } from './line.ts';
import type { State } from './state.ts';
import type { Watched } from './watch.ts';

export type Doors = {
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  reload(): Promise<ReloadReport>;
};

/** Networks are parsed once for a configuration: it is asked at each MAIL. */
function trustedOrganizations(inForce: Base['inForce']): () => readonly TrustedOrganization[] {
  let of: InForce | null = null;
  let trusted: readonly TrustedOrganization[] = [];
  return () => {
    if (of !== inForce.current) {
      of = inForce.current;
      trusted = of.config.organizations.map(trustedOrganization);
    }
    return trusted;
  };
}

export async function openDoors(base: Base, state: State, running: Watched, configPath: string): Promise<Doors> {
  const { line } = running;
  const { inForce, load, log, metrics, closers } = base;
  const { store, kept } = state;
  const { config } = inForce.current;
  const smtp: Listener[] = [];
  closers.push(() => Promise.all(smtp.map((one) => one.close(DRAIN_MS))));
  await openListeners(line, {
    config,
    organizations: trustedOrganizations(inForce),
    accounts: store.accounts,
    space: () => spaceLeft(config, state),
    lookUpKey: running.lookUpKey,
    certificate: await certificateOf(config, clock.now()),
    clock,
    opened: (listener) => smtp.push(listener),
  });
  const portal = await openPortal(base, state, running);
  const apply = async (next: InForce): Promise<void> => {
    const certificate = await certificateOf(next.config, clock.now());
    const ofPortal = await portalCertificateOf(next.config, clock.now());
    await kept.keep(next.policy, next.loadedAt);
    portal?.updateCertificate(ofPortal);
    for (const one of smtp) one.updateCertificate(certificate);
    await store.queue.pace(next.settings.paces);
    inForce.current = next;
    metrics.organizations(next.settings.organizations.map(({ name }) => name));
    line.wake('deliver');
  };
  metrics.organizations(inForce.current.settings.organizations.map(({ name }) => name));
  const current = () => inForce.current;
  const reloading: ReloadDeps = {
    path: configPath,
    load,
    queue: store.queue,
    audit: store.audit,
    clock,
    current,
    apply,
  };
  const reload = createReload(reloading);
  const listeners = smtp.map((one, i) => ({
    name: i === 0 ? 'smtp' : 'submit',
    address: `${one.address}:${one.port}`,
  }));
  if (portal !== null) listeners.push({ name: 'portal', address: `${portal.address}:${portal.port}` });
  const control = createControl(
    controlDeps(base, state, running, { reload, reloadGuard: (options) => reloadGuard(reloading, options) }, listeners),
  );
  const groups = {
    ...(config.control.admin_group !== undefined && { control: config.control.admin_group }),
    ...(config.control.read_group !== undefined && { read: config.control.read_group }),
  };
  const sockets = await openSockets({ control, folder: config.control.path ?? config.storage.path, groups, log });
  closers.push(() => sockets.close());
  if (config.listen.web !== undefined) {
    const refresh = async () => {
      metrics.sessions(smtp.reduce((sum, one) => sum + one.sessions(), 0));
      metrics.store({ ...store.stats(), wal: store.wal() });
      metrics.queue(await store.queue.counts(), clock.now());
    };
    const web = await startWeb(config.listen.web, {
      metrics,
      refresh,
      readiness: () => readiness(base, state, line),
    });
    closers.push(() => web.close());
    listeners.push({ name: 'web', address: `${web.address}:${web.port}` });
  }
  const own = [
    {
      organization: GATEWAY,
      actor: 'gateway',
      event: 'gateway.started' as const,
      detail: { policyVersion: inForce.current.policy.version },
    },
  ];
  await store.audit.append(own);
  closers.push(() => store.audit.append([{ organization: GATEWAY, actor: 'gateway', event: 'gateway.stopped' }]));
  return {
    listeners,
    reload: () => reload({ actor: 'gateway', reason: 'SIGHUP', acceptWeaker: false, confirmed: null }),
  };
}

async function openPortal(
  { inForce, log, closers }: Base,
  { store, vault }: State,
  { line, jobs }: Running,
): Promise<PortalWeb | null> {
  const { config } = inForce.current;
  const listener = config.listen.portal;
  if (listener === undefined) return null;
  const portal = createPortal({ line, parcels: store.parcels, audit: store.audit, vault, random, ...jobs });
  const web = await startPortalWeb(portal, {
    ...listener,
    maxConnections: config.limits.portal_connections,
    certificate: await portalCertificateOf(config, clock.now()),
    log: (request) => log.info(request, 'portal'),
    failed: (error) => log.error({ code: codeOf(error) }, 'a page of the portal failed'),
  });
  closers.push(() => web.close());
  return web;
}
