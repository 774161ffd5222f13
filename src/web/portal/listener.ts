// HTTPS for the portal: TLS 1.2 and later with forward secrecy, bounded headers, times and connections. What a peer sends
// that is no HTTP is dropped without a word in the log.

import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { serve } from '@hono/node-server';
import { ECDHE_AEAD } from '../../net/tls.ts';
import type { Portal } from '../../portal/portal.ts';
import { createPortalApp, type PortalAppOptions } from './app.ts';

/** PEM. */
export type PortalCertificate = { readonly cert: string; readonly key: string };
export type PortalWebOptions = PortalAppOptions & {
  readonly address: string;
  /** 0 takes one from the system. */
  readonly port: number;
  readonly certificate: PortalCertificate;
  readonly maxConnections: number;
};
export type PortalWeb = {
  readonly address: string;
  readonly port: number;
  /** For connections from now on; throws for a pair that does not work, and keeps the old one. */
  readonly updateCertificate: (certificate: PortalCertificate) => void;
  readonly close: () => Promise<void>;
};

export const PORTAL_BOUNDS = {
  /** Octets of the request line and all header fields; more is answered 431. */
  headerOctets: 16_384,
  headerFields: 60,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  handshakeTimeout: 10_000,
  keepAliveTimeout: 5_000,
  /** Of a socket on which nothing moves, a download that nobody takes among them. */
  idleTimeout: 60_000,
} as const;

/** Listens; rejects when it cannot, or the certificate and key do not work together. */
export function startPortalWeb(portal: Portal, options: PortalWebOptions): Promise<PortalWeb> {
  return new Promise((resolve, reject) => {
    const app = createPortalApp(portal, options);
    const server = serve(
      {
        fetch: app.fetch,
        hostname: options.address,
        port: options.port,
        createServer,
        overrideGlobalObjects: false,
        serverOptions: {
          ...tlsOptions(options.certificate),
          handshakeTimeout: PORTAL_BOUNDS.handshakeTimeout,
          maxHeaderSize: PORTAL_BOUNDS.headerOctets,
          headersTimeout: PORTAL_BOUNDS.headersTimeout,
          requestTimeout: PORTAL_BOUNDS.requestTimeout,
          keepAliveTimeout: PORTAL_BOUNDS.keepAliveTimeout,
          connectionsCheckingInterval: 5_000,
        },
      },
      ({ address, port }: AddressInfo) => {
        server.off('error', reject);
        resolve({ address, port, updateCertificate, close });
      },
    ) as Server;
    server.once('error', reject);
    server.maxHeadersCount = PORTAL_BOUNDS.headerFields;
    server.maxConnections = options.maxConnections;
    server.setTimeout(PORTAL_BOUNDS.idleTimeout);

    function updateCertificate(certificate: PortalCertificate): void {
      createSecureContext(tlsOptions(certificate));
      server.setSecureContext(tlsOptions(certificate));
    }
    function close(): Promise<void> {
      return new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
    }
  });
}

function tlsOptions({ cert, key }: PortalCertificate): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ciphers: ECDHE_AEAD.join(':') };
}
