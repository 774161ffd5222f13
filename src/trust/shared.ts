// Whose mail it is where a network is shared with others, as those of Microsoft 365 and Google are: DKIM says it, on the raw octets, by
// the domains that an organization has there. The signature of one organization under the mail of another proves nothing: in a
// network where everybody may sign it is mail that was sent again. A refusal names what failed, never an organization.

import type { Address, OrganizationName, Time } from '../domain/ids.ts';
import type { Priority } from '../domain/types.ts';
import type { HeaderSection } from '../mail/header.ts';
import { within } from '../net/deadline.ts';
import type { Resolver } from '../net/resolver.ts';
import { seesWorld } from '../route/witness.ts';
import { type LookUpKey, type Outcome, startVerification } from './dkim/verify.ts';
import {
  type Candidate,
  type Connection,
  type LoginFacts,
  type Proven,
  prove,
  refused,
  SENDERS,
  sharing,
  type TrustedOrganization,
  type Unproven,
} from './prove.ts';

/** Who it seems to be; whether it is, is known behind the last octet. */
export type Undecided = {
  readonly organization: OrganizationName;
  readonly priority: Priority;
  /** The body as it came, in pieces, before anything is changed in them. */
  readonly body: (chunk: Uint8Array) => void;
  readonly end: () => Promise<Proven | Unproven>;
};

/** What two readers might read differently when there is more than one. */
const ONCE = ['From', 'Subject', 'Date', 'To', 'Message-ID', 'MIME-Version', 'Content-Type'];
/** For the key of a signature, ms. */
const KEY_TIME = 10_000;

export type Sent = {
  readonly connection: Connection;
  readonly header: HeaderSection;
  /** Addresses of header From. */
  readonly from: readonly Address[];
  readonly reversePath: string;
  readonly login: LoginFacts | null;
};

/** Whose mail it is, as far as the header section can say. */
export function whose(
  sent: Sent,
  organizations: readonly TrustedOrganization[],
  lookUpKey: LookUpKey,
  now: Time,
): Proven | Unproven | Undecided {
  const { connection, header, from, reversePath, login } = sent;
  const sharers = sharing(connection, organizations);
  const faulty = sharers.length === 0 ? null : whyFaulty(header);
  if (faulty !== null) return faulty;
  const claim = prove(connection, from, reversePath, organizations, login);
  return 'needs' in claim ? byDkim(claim, header, sharers, lookUpKey, now) : claim;
}

function whyFaulty({ fields, fault }: HeaderSection): Unproven | null {
  const reply = (text: string) => ({ refused: { code: 550, enhanced: '5.6.0', text }, because: 'header section' });
  if (fault !== null) return reply('Header section is malformed');
  const twice = ONCE.find((name) => fields.filter((field) => field.name === name.toLowerCase()).length > 1);
  return twice === undefined ? null : reply(`Header field ${twice} is there more than once`);
}

function byDkim(
  { organization, priority }: Candidate,
  header: HeaderSection,
  sharers: readonly TrustedOrganization[],
  lookUpKey: LookUpKey,
  now: Time,
): Undecided | Unproven {
  const signers = new Map(sharers.flatMap(({ name, shared }) => (shared?.dkim ?? []).map((domain) => [domain, name])));
  const { started, body, end } = startVerification(header, new Set(signers.keys()), lookUpKey, now);
  const own = started.filter(({ domain }) => signers.get(domain) === organization);
  const [first] = own;
  if (first === undefined) {
    const isSigned = header.fields.some(({ name }) => name === 'dkim-signature');
    return unproven(isSigned ? 'no signature is by a domain that is registered for it' : 'there is none');
  }
  // Known before the body is read.
  if ('reason' in first && own.every((one) => 'reason' in one)) return useless(first.reason);
  const decide = async (): Promise<Proven | Unproven> => {
    const outcomes = await end();
    return judge(outcomes, (domain) => signers.get(domain) === organization, { organization, priority });
  };
  return { organization, priority, body, end: decide };
}

/** `isOwn`: whether the domain is that of the organization which header From names. */
export function judge(
  outcomes: readonly Outcome[],
  isOwn: (domain: string) => boolean,
  who: Pick<Proven, 'organization' | 'priority'>,
): Proven | Unproven {
  const own = outcomes.filter(({ domain }) => isOwn(domain));
  const others = outcomes.filter(({ domain }) => !isOwn(domain));
  const passed = own.find(({ outcome }) => outcome === 'pass');
  if (passed !== undefined && others.some(({ outcome }) => outcome === 'pass'))
    return refused('The sender is not unambiguous: signatures of several senders are valid', 'ambiguous');
  const open = passed === undefined ? own : others;
  if (open.some(({ outcome }) => outcome === 'temporary')) return later();
  if (passed !== undefined) return { ...who, proof: ['shared network', `DKIM d=${passed.domain}`, SENDERS] };
  const [first] = own;
  return useless(first !== undefined && 'reason' in first ? first.reason : 'there is none');
}

function useless(why: string): Unproven {
  return unproven(`the one that is there does not count, ${why}`);
}

function unproven(why: string): Unproven {
  return refused(`Mail from this network needs a DKIM signature of its sender: ${why}`, `DKIM: ${why}`);
}

function later(): Unproven {
  const text = 'The key of the DKIM signature cannot be looked up now, try again later';
  return { refused: { code: 451, enhanced: '4.7.5', text }, because: 'DKIM: DNS' };
}

/** Keys by DNS. That there is none is believed only while the resolver sees the world. */
export function createLookUpKey(resolver: Pick<Resolver, 'mx' | 'txt'>): LookUpKey {
  return (name) =>
    within(KEY_TIME, 'DKIM key', async () => {
      const found = await resolver.txt(name);
      if (found.kind === 'found') return found.records;
      return found.kind !== 'failed' && (await seesWorld(resolver)) ? [] : 'unknown';
    }).catch(() => 'unknown' as const);
}
