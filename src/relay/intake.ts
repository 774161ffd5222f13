// What the line answers in an SMTP session: who may connect and log in, what is refused before the data, and the data.

import type { EnvelopeRecipient, Reply } from '../domain/types.ts';
import type { Client, Handlers, MailFrom } from '../smtp/listener.ts';
import type { LookUpKey } from '../trust/dkim/verify.ts';
import { type LoginFacts, sieve, type TrustedOrganization } from '../trust/prove.ts';
import { whose } from '../trust/shared.ts';
import { acceptData, checkRecipient } from './accept.ts';
import { roomToExamine } from './examine.ts';
import type { Line } from './line.ts';

export type IntakeDeps = {
  readonly organizations: () => readonly TrustedOrganization[];
  readonly login: (name: string) => Promise<LoginFacts | null>;
  readonly verify: (name: string, secret: string) => Promise<boolean>;
  /** Octets of disk that bodies may still take. */
  readonly space: () => Promise<number>;
  /** Keys of DKIM signatures. */
  readonly lookUpKey: LookUpKey;
};

const BUSY: Reply = { code: 452, enhanced: '4.3.1', text: 'Too much mail is waiting, try again later' };
const FULL: Reply = { code: 452, enhanced: '4.3.1', text: 'Insufficient storage, try again later' };

/** Why no mail is taken now, in words for people; none when it is. `space`: octets of disk that bodies may still take. */
export function obstacles(line: Line, space: number): string[] {
  const reasons: string[] = [];
  if (roomToExamine(line) === 0) reasons.push('too many messages wait for their examination (limits.examine_waiting)');
  if (line.load.incoming >= line.settings().dataBytes)
    reasons.push('too much mail data is coming in at once (limits.data_bytes)');
  if (space <= 0) reasons.push('the disk has less left than is kept free (limits.reserve_disk)');
  return reasons;
}

export function intakeHandlers(line: Line, deps: IntakeDeps): Handlers {
  const refuse = (reply: Reply): Reply => {
    line.meter.refused(reply.code);
    return reply;
  };
  return {
    connect: () => null,
    authenticate: (name, secret) => deps.verify(name, secret),
    mail: async (client: Client, mail: MailFrom) => {
      const unproven = sieve(client, deps.organizations());
      if (unproven !== null) return refuse(unproven.refused);
      // What is more waits with the sender: a queue that nobody reads would only grow (P11).
      if (obstacles(line, 1).length > 0) return refuse(BUSY);
      return (mail.size ?? 0) >= (await deps.space()) ? refuse(FULL) : null;
    },
    rcpt: async (_client, _soFar, recipient: EnvelopeRecipient) => {
      const refused = checkRecipient(line, recipient.address);
      return refused === null ? null : refuse(refused);
    },
    data: async (client, envelope, body) => {
      const login = client.login === undefined ? null : await deps.login(client.login);
      const { reversePath } = envelope;
      return acceptData(line, client, envelope, body, (from, header) => {
        const sent = { connection: client, header, from, reversePath, login };
        return whose(sent, deps.organizations(), deps.lookUpKey, line.clock.now());
      });
    },
  };
}
