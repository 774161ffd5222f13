// The gateway's SMTP listeners, as the configuration asks for them.

import type { Config } from '../config/schema.ts';
import type { Clock } from '../domain/types.ts';
import { type Certificate, type Listener, listen } from '../smtp/listener.ts';
import type { Accounts } from '../store/accounts/port.ts';
import type { LookUpKey } from '../trust/dkim/verify.ts';
import { createAuthenticator } from '../trust/login.ts';
import type { TrustedOrganization } from '../trust/prove.ts';
import { intakeHandlers } from './intake.ts';
import type { Line } from './line.ts';

export type ListenersDeps = {
  readonly config: Config;
  readonly organizations: () => readonly TrustedOrganization[];
  readonly accounts: Pick<Accounts, 'logins'>;
  /** Octets of disk that bodies may still take. */
  readonly space: () => Promise<number>;
  readonly lookUpKey: LookUpKey;
  readonly certificate: Certificate;
  readonly clock: Clock;
  /** Told of each as it opens, so that it is closed also when a later one cannot open. */
  readonly opened: (listener: Listener) => void;
};

/** `smtp`, and `submit` where it is configured. */
export async function openListeners(line: Line, deps: ListenersDeps): Promise<void> {
  const { config, accounts, clock, certificate } = deps;
  const find = async (name: string) => (await accounts.logins()).find((one) => one.name === name) ?? null;
  const { organizations, space, lookUpKey } = deps;
  const { verify } = createAuthenticator({ find, clock });
  const handlers = intakeHandlers(line, { organizations, login: find, verify, space, lookUpKey });
  const { limits, hostname } = config;
  const common = {
    hostname,
    certificate,
    limits: {
      sessions: limits.sessions,
      perAddress: limits.connections_per_address,
      connectionsPerMinute: limits.connections_per_minute,
      recipients: limits.recipients,
      command: limits.command_time,
      data: limits.data_time,
    },
  };
  const around = { clock, log: line.log };
  const { address, port, tls, max_size: maxSize } = config.listen.smtp;
  deps.opened(await listen({ ...common, name: 'smtp', address, port, tls, auth: false, maxSize }, handlers, around));
  const { submit } = config.listen;
  if (submit === undefined) return;
  const own = { name: 'submit', address: submit.address, port: submit.port, tls: 'required', auth: true } as const;
  deps.opened(await listen({ ...common, ...own, maxSize: submit.max_size }, handlers, around));
}
