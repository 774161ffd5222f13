// keys.import: the keys of a file, each kept for whom it is for. What is known already is not kept twice; a copy that has
// something new renews it. Reading happens in a worker. Private octets go into the store and nowhere else.

import { z } from 'zod';
import { base32 } from '../crypto/base32.ts';
import { OF_AUTHORITY } from '../crypto/smime/facts.ts';
import type { OrganizationName } from '../domain/ids.ts';
import type { KeyRead } from '../domain/keys.ts';
import type { AddressKey, KeyChange } from '../keys/book-port.ts';
import { KEY_FILE_MAX, namedSubjects, readerWords, renewed, subjectOf } from '../keys/import.ts';
import { isUsable } from '../keys/judge.ts';
import { WorkError } from '../work/pool.ts';
import { type Context, ControlError } from './command.ts';
import type { ControlDeps } from './deps.ts';
import { type KeyView, keyView } from './key-views.ts';

export const SUBJECT = z
  .string()
  .max(320)
  .transform((text, context) => {
    const subject = subjectOf(text);
    if (subject !== null) return subject;
    context.addIssue('write user@domain, or @domain for a whole domain');
    return z.NEVER;
  });

export const importArgs = z.strictObject({
  /** Base64 of the file. */
  file: z.base64().max(Math.ceil(KEY_FILE_MAX / 3) * 4, `a key file has at most ${KEY_FILE_MAX} octets`),
  organization: z.string().max(200).optional(),
  for: SUBJECT.optional(),
  own: z.boolean().default(false),
  pin: z.boolean().default(false),
  passphrase: z.string().max(1_000).optional(),
  reason: z.string().max(1_000).default(''),
});
type Args = z.output<typeof importArgs>;

export type ImportedKey = KeyView & {
  readonly outcome: 'imported' | 'renewed' | 'known';
  /** What else there is to say, as sentences without their stop. */
  readonly notes: readonly string[];
};
export type SkippedKey = Pick<KeyView, 'kind' | 'fingerprint'> & { readonly why: string; readonly next: string };
export type ImportView = {
  readonly organization: string;
  readonly keys: readonly ImportedKey[];
  readonly skipped: readonly SkippedKey[];
};

/** Throws ControlError. */
export async function importKeys({ deps, caller }: Context, args: Args): Promise<ImportView> {
  const organization = organizationOf(deps, args.organization);
  const domains = deps.domains(organization);
  if (args.own && args.for !== undefined && !domains.includes(args.for.slice(args.for.lastIndexOf('@') + 1))) {
    throw new ControlError('usage', `an own key is for the domains of ${organization}`, `one of ${domains.join(', ')}`);
  }
  const reads = await readFile(deps, args);
  if (args.own && !reads.some((one) => one.private)) {
    throw new ControlError(
      'usage',
      'there is no private key in the file: an own key signs and opens',
      'gpg --armor --export-secret-keys ADDRESS, or a .p12 file; of a correspondent, leave --own away',
    );
  }
  const change: KeyChange = { actor: caller.actor, reason: args.reason };
  const keys: ImportedKey[] = [];
  const skipped: SkippedKey[] = [];
  for (const read of reads) {
    const { kind, fingerprint } = read.facts;
    const subjects = args.for === undefined ? namedSubjects(read.facts, args.own ? domains : null) : [args.for];
    const no = args.own && !read.private ? NO_PRIVATE : subjects.length === 0 ? noSubject(args.own, read) : null;
    if (no) skipped.push({ kind, fingerprint, ...no });
    else
      for (const subject of subjects) keys.push(await importOne(deps, { organization, subject, args, change }, read));
  }
  return { organization, keys, skipped };
}

const NO_PRIVATE = { why: 'it has no private key', next: 'of a correspondent, import it without --own' };
function noSubject(own: boolean, { facts }: KeyRead): Pick<SkippedKey, 'why' | 'next'> {
  if (facts.cannotEncrypt === OF_AUTHORITY)
    return { why: OF_AUTHORITY, next: 'name its file under protection.smime.roots' };
  return own
    ? { why: 'it names no address of the own domains', next: 'say --for ADDRESS or --for @DOMAIN' }
    : { why: 'it names no address', next: 'say --for ADDRESS or --for @DOMAIN, and --pin to vouch for a domain' };
}

/** Throws ControlError. */
export function organizationOf(deps: Pick<ControlDeps, 'organizations'>, given: string | undefined): OrganizationName {
  const known = deps.organizations();
  const found = given === undefined && known.length === 1 ? known[0] : known.find((one) => one === given);
  if (found !== undefined) return found;
  const next = `one of: ${known.join(', ')}`;
  if (given === undefined) throw new ControlError('usage', 'whose key is it? name the --organization', next);
  throw new ControlError('usage', 'no such organization', next);
}

async function readFile(deps: ControlDeps, args: Args): Promise<readonly KeyRead[]> {
  const file = Buffer.from(args.file, 'base64');
  let reads: readonly KeyRead[];
  try {
    reads = await deps.readKeys(file, args.passphrase);
  } catch (error) {
    throw error instanceof WorkError ? fromWorkError(error, file) : error;
  }
  if (reads.length === 0) throw unreadable('not a key', file);
  return reads;
}

function unreadable(code: string, file: Uint8Array): ControlError {
  const { message, next } = readerWords(code, file);
  return new ControlError('usage', message, next);
}

function fromWorkError(error: WorkError, file: Uint8Array): ControlError {
  if (error.code === 'busy' || error.code === 'closed') {
    return new ControlError('failed', 'the workers that read files have no time now', 'try again in a minute');
  }
  if (error.code !== 'failed') {
    const next = 'import fewer keys at once; a key that nobody else signed is small';
    return new ControlError('usage', 'the file takes too long or too much memory to read', next);
  }
  return unreadable(error.message, file);
}

type One = {
  readonly organization: OrganizationName;
  readonly subject: string;
  readonly args: Args;
  readonly change: KeyChange;
};

async function importOne(deps: ControlDeps, one: One, read: KeyRead): Promise<ImportedKey> {
  const { book, judge } = deps;
  const { organization, subject, args, change } = one;
  const { kind, fingerprint } = read.facts;
  const standing = await standingKeys(deps, { organization, subject, kind, own: args.own });
  const known = standing.find(({ facts }) => facts.fingerprint === fingerprint);
  const notes: string[] = [];
  if (read.private && !args.own)
    notes.push('the private key in the file was not kept: without --own only the public one is');
  if (known) {
    const view = async (outcome: ImportedKey['outcome']) => {
      const key = (await book.byId(known.id)) ?? known;
      if (args.pin && !key.pinned) notes.push(`it was not pinned: sealrelay keys pin ${key.id}`);
      return { ...keyView(key, judge), outcome, notes };
    };
    const copy = known.revoked ? null : renewed(known, read);
    if (!copy) return view('known');
    await book.renew(known.id, copyOf(copy, args.own), change);
    return view('renewed');
  }
  const pinnedOthers = standing.filter((key) => key.pinned && isUsable(judge(key)));
  const pinned = args.pin && pinnedOthers.length === 0;
  const id = base32(deps.random.bytes(10));
  const added = await book.add({ id, organization, subject, own: args.own, pinned, ...copyOf(read, args.own) }, change);
  for (const other of pinnedOthers) notes.push(contradiction(other, id, args.pin));
  const key = await book.byId(added);
  if (key === null) throw new Error('a key that was added stands');
  return { ...keyView(key, judge), outcome: 'imported', notes };
}

function copyOf({ facts, public: octets, private: secret }: KeyRead, own: boolean) {
  return { facts, public: octets, ...(own && secret && { private: secret }) };
}

function contradiction(other: AddressKey, id: string, wanted: boolean): string {
  const told = `another key, ${other.id}, is pinned for the same`;
  return wanted
    ? `${told}: this one was not pinned; ask its owner which is right, then sealrelay keys pin ${id}`
    : `${told} and goes before it`;
}

type Place = Pick<AddressKey, 'organization' | 'subject' | 'own'> & Pick<KeyRead['facts'], 'kind'>;

/** All keys for the same, of the same kind. */
export async function standingKeys({ book }: Pick<ControlDeps, 'book'>, place: Place): Promise<AddressKey[]> {
  const keys: AddressKey[] = [];
  for (;;) {
    const after = keys.at(-1)?.id;
    const page = await book.list({ ...place, limit: PAGE, ...(after !== undefined && { after }) });
    keys.push(...page);
    if (page.length < PAGE) return keys;
  }
}

const PAGE = 100;
