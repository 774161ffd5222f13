// Keys of correspondents and of organizations, asked and changed by people: import, list, show, pin, revoke, check. Every
// change is audited by the store in its transaction; every look that names people is audited here.

import { z } from 'zod';
import type { Actor } from '../domain/types.ts';
import type { AddressKey } from '../keys/book-port.ts';
import { isUsable } from '../keys/judge.ts';
import { type Command, type Context, ControlError, command } from './command.ts';
import type { ControlDeps } from './deps.ts';
import { importArgs, importKeys, SUBJECT, standingKeys } from './key-import.ts';
import { checkedKeys, type KeyView, keyView } from './key-views.ts';
import { searched } from './selection.ts';

/** Keys judged at once: chains of certificates cost signatures, and the loop has other work. */
const PAGE = 50;

const KEY = z.string().regex(/^[a-z2-7]{16}$/, 'not the id of a key: sealrelay keys list shows them');
const conditions = {
  organization: z.string().max(200).optional(),
  kind: z.enum(['pgp', 'smime']).optional(),
  own: z.boolean().optional(),
};
const listArgs = z.strictObject({ ...conditions, for: SUBJECT.optional(), limit: z.int().positive().optional() });
const pinArgs = z.strictObject({
  key: KEY,
  pinned: z.boolean().default(true),
  reason: z.string().max(1_000).default(''),
});
const revokeArgs = z.strictObject({ key: KEY, reason: z.string().trim().min(1, 'a reason is required').max(1_000) });

type Conditions = {
  organization?: string | undefined;
  kind?: AddressKey['facts']['kind'] | undefined;
  own?: boolean | undefined;
};

/** Keys in pages, as they were added. */
async function* pages(
  { book }: Pick<ControlDeps, 'book'>,
  what: Conditions & { subject?: string | undefined },
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly AddressKey[]> {
  const set = Object.fromEntries(Object.entries(what).filter(([, value]) => value !== undefined));
  let after: string | undefined;
  let left = most;
  while (left > 0) {
    const limit = Math.min(PAGE, left);
    const page = await book.list({ ...set, limit, ...(after !== undefined && { after }) });
    if (page.length > 0) yield page;
    if (page.length < limit) return;
    left -= page.length;
    after = page.at(-1)!.id;
  }
}

async function recordLook(
  deps: ControlDeps,
  actor: Actor,
  what: string,
  { for: subject, ...args }: Conditions & { for?: string | undefined; key?: string },
): Promise<void> {
  const organization = searched(deps, args.organization);
  const boxed = subject === undefined ? {} : { boxed: { for: subject } };
  await deps.audit.append([
    { organization, actor, event: 'log.searched', detail: { what, ...args, organization }, ...boxed },
  ]);
}

async function list({ deps, caller, page }: Context, args: z.output<typeof listArgs>): Promise<{ rows: number }> {
  const { limit, for: subject, ...rest } = args;
  await recordLook(deps, caller.actor, 'keys list', { ...rest, for: subject });
  let rows = 0;
  for await (const keys of pages(deps, { ...rest, subject }, limit)) {
    await page(keys.map((key) => keyView(key, deps.judge)));
    rows += keys.length;
  }
  return { rows };
}

/** Throws ControlError. */
async function keyOf({ book }: ControlDeps, id: string): Promise<AddressKey> {
  const key = await book.byId(id);
  if (key === null) throw new ControlError('not found', `no key ${id}`, 'sealrelay keys list');
  return key;
}

async function show({ deps, caller }: Context, { key: id }: { key: string }): Promise<KeyView> {
  const key = await keyOf(deps, id);
  await recordLook(deps, caller.actor, 'keys show', { organization: key.organization, key: id });
  return keyView(key, deps.judge);
}

export type ChangedKey = KeyView & {
  readonly changed: boolean;
  /** Ids of other keys that are pinned for the same. */
  readonly othersPinned: readonly string[];
};

async function changed(deps: ControlDeps, before: AddressKey, changes: boolean): Promise<ChangedKey> {
  const key = await keyOf(deps, before.id);
  const { organization, subject, own, facts } = key;
  const standing = await standingKeys(deps, { organization, subject, own, kind: facts.kind });
  const others = standing.filter((one) => one.id !== key.id && one.pinned && isUsable(deps.judge(one)));
  return { ...keyView(key, deps.judge), changed: changes, othersPinned: others.map(({ id }) => id) };
}

async function pin({ deps, caller }: Context, args: z.output<typeof pinArgs>): Promise<ChangedKey> {
  const key = await keyOf(deps, args.key);
  if (key.revoked && args.pinned) {
    throw new ControlError('usage', `key ${key.id} was revoked here`, 'import the key that took its place');
  }
  await deps.book.pin(key.id, args.pinned, { actor: caller.actor, reason: args.reason });
  return changed(deps, key, key.pinned !== args.pinned);
}

async function revoke({ deps, caller }: Context, args: z.output<typeof revokeArgs>): Promise<ChangedKey> {
  const key = await keyOf(deps, args.key);
  await deps.book.revoke(key.id, { actor: caller.actor, reason: args.reason });
  return changed(deps, key, key.revoked === null);
}

export type CheckView = { readonly rows: number; readonly attention: number };

async function check({ deps, caller, page }: Context, args: Conditions): Promise<CheckView> {
  await recordLook(deps, caller.actor, 'keys check', args);
  const views: KeyView[] = [];
  for await (const keys of pages(deps, args)) views.push(...keys.map((key) => keyView(key, deps.judge)));
  const checked = checkedKeys(views);
  for (let from = 0; from < checked.length; from += PAGE) await page(checked.slice(from, from + PAGE));
  return { rows: checked.length, attention: checked.filter((one) => one.attention).length };
}

export const keyCommands: readonly Command[] = [
  command('keys.import', 'write', importArgs, importKeys),
  command('keys.list', 'read', listArgs, list),
  command('keys.show', 'read', z.strictObject({ key: KEY }), show),
  command('keys.pin', 'write', pinArgs, pin),
  command('keys.revoke', 'write', revokeArgs, revoke),
  command('keys.check', 'read', z.strictObject(conditions), check),
];
