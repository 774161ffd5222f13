// The demo's world on loopback: a certificate authority, mail servers of six domains, their DNS, and the real gateway.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DnsServer, startDns, type Zones } from '../support/dns.ts';
import { type GatewayFiles, type Running, startGateway, writeGateway } from '../support/gateway.ts';
import { makeCa } from '../support/pki.ts';
import { freePort } from '../support/smtp-sink.ts';
import { type Destination, openDestination } from './destinations.ts';
import { makePeople, type People } from './people.ts';

/** Domain → whether its mail server offers STARTTLS. The first is the clinic's own, where its staff read their mail. */
const DOMAINS = {
  'clinic.demo': true,
  'dane.demo': true,
  'sts.demo': true,
  'pgp.demo': true,
  'smime.demo': true,
  'oldmail.demo': false,
};

/** What the clinic's policy says. Protections are chosen by domain, so that each of them is seen once. */
const POLICY = `version: 1
rules:
  - name: partners with keys for PGP
    when: { recipient_domain: pgp.demo }
    then: { deliver: [pgp] }
  - name: partners with certificates
    when: { recipient_domain: smime.demo }
    then: { deliver: [smime] }
  - name: health information
    # 'portal: may': the notice, which tells nothing, may go to a server that offers no TLS.
    when: { finding: { phi: true } }
    then: { deliver: [{ tls: verify }, { portal: may }] }
  - name: not readable
    when: { coverage: [partial, unreadable] }
    then: { deliver: [{ tls: verify }, { portal: may }] }
  - name: all other mail
    then: { deliver: [{ tls: encrypt }, { portal: may }] }
tests:
  - name: a finding demands authenticated TLS
    given: { recipient: ann@dane.demo, finding: { phi: true } }
    expect: [{ tls: verify }, { portal: may }]
`;

export type World = {
  readonly files: GatewayFiles;
  readonly gateway: Running;
  readonly port: number;
  /** How links to the portal begin; the demo runs it on this port of 127.0.0.1. */
  readonly portal: { readonly origin: string; readonly port: number };
  readonly people: People;
  readonly destinations: readonly Destination[];
  close(): Promise<void>;
};

type Servers = {
  readonly folder: string;
  readonly dns: DnsServer;
  readonly destinations: Destination[];
  readonly people: People;
};

export async function openServers(): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-demo-'));
  const ca = makeCa('Sealrelay demo CA');
  writeFileSync(join(folder, 'ca.pem'), ca.cert);
  const names = Object.keys(DOMAINS).map((domain) => `mx.${domain}`);
  const certificate = ca.issue({ names });
  const destinations = await Promise.all(
    Object.entries(DOMAINS).map(([domain, tls]) => openDestination(`mx.${domain}`, tls ? certificate : null)),
  );
  const zones: Record<string, Zones[string]> = {};
  for (const domain of Object.keys(DOMAINS)) {
    zones[domain] = { MX: [[10, `mx.${domain}`]] };
    zones[`mx.${domain}`] = { A: ['127.0.0.1'] };
  }
  return { folder, dns: await startDns(zones), destinations, people: await makePeople(ca, 'clinic.demo') };
}

export async function openGateway(servers: Servers): Promise<World> {
  const { folder, dns, destinations, people } = servers;
  const port = await freePort();
  const portalPort = await freePort();
  const files = writeGateway(folder, configOf(folder, { port, portalPort }, dns, destinations), POLICY);
  const gateway = await startGateway(files);
  return {
    files,
    gateway,
    port,
    portal: { origin: originOf(portalPort), port: portalPort },
    people,
    destinations,
    close: async () => {
      await gateway.stop();
      await Promise.all([...destinations.map((one) => one.close()), dns.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function originOf(port: number): string {
  return `https://127.0.0.1:${port}`;
}

function configOf(
  folder: string,
  { port, portalPort }: { readonly port: number; readonly portalPort: number },
  dns: DnsServer,
  destinations: readonly Destination[],
) {
  return {
    version: 1,
    mode: 'evaluation',
    hostname: 'gw.clinic.demo',
    organizations: [
      {
        name: 'Clinic',
        domains: ['clinic.demo'],
        from: { networks: ['127.0.0.1/32'] },
        help: { phone: '555-0100' },
      },
    ],
    listen: {
      smtp: { address: '127.0.0.1', port, tls: 'required' },
      portal: { address: '127.0.0.1', port: portalPort },
    },
    portal: { url: originOf(portalPort) },
    protection: { smime: { roots: [join(folder, 'ca.pem')] } },
    resolver: { servers: [dns.server] },
    overrides: {
      hosts: destinations.map((one) => ({ name: one.host, port: one.port })),
      ca: [join(folder, 'ca.pem')],
    },
  };
}
