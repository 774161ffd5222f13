// Operators and submission logins. Their secrets are made here, given once, and kept as hashes only.

import { z } from 'zod';
import type { Address } from '../domain/ids.ts';
import type { Operator } from '../store/accounts/port.ts';
import { type Guard, needed, UNGUARDED } from './approvals/guarded.ts';
import { type Command, type Context, ControlError, command } from './command.ts';
import type { Caller, ControlDeps } from './deps.ts';
import { hashToken, newToken } from './tokens.ts';
import { iso } from './views.ts';

const NAME = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a name is a-z, 0-9, dot, dash, underscore');
const REASON = z.string().max(1000).default('');
const ADDRESS = z
  .string()
  .max(320)
  .regex(/^[^\s@]*@[^\s@]+\.[^\s@]+$/, 'write user@domain, or @domain for a whole domain');

export const addUserArgs = z.strictObject({
  name: NAME,
  role: z.enum(['admin', 'auditor']),
  /** Of a token that its owner made: nobody else sees it. */
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/, '64 characters 0-9, a-f are wanted, from: sealrelay user token')
    .optional(),
  reason: REASON,
});
export type AddUserArgs = z.output<typeof addUserArgs>;

/** Makes an operator and gives the token, the only time it is shown; null with a fingerprint. Throws ControlError. */
export async function addUser(
  deps: Pick<ControlDeps, 'accounts' | 'clock' | 'random'>,
  { actor }: Pick<Caller, 'actor'>,
  args: AddUserArgs,
) {
  const operators = await deps.accounts.operators();
  if (operators.some((one) => one.name === args.name)) {
    throw new ControlError('usage', `${args.name} exists`, 'remove it first, or choose another name');
  }
  const token = args.fingerprint === undefined ? newToken(deps.random) : null;
  const tokenHash = token === null ? Buffer.from(args.fingerprint ?? '', 'hex') : hashToken(token);
  if (tokenHash === null) throw new Error('a new token is a token');
  if (operators.some((one) => Buffer.compare(one.tokenHash, tokenHash) === 0))
    throw new ControlError('usage', 'that token belongs to another operator', 'each makes one: sealrelay user token');
  const operator: Operator = { name: args.name, role: args.role, tokenHash, createdAt: deps.clock.now() };
  await deps.accounts.addOperator(operator, actor, args.reason);
  return { name: args.name, role: args.role, token };
}

/** Who is alone has nobody to ask. */
async function guardOperators(deps: ControlDeps): Promise<Guard> {
  const admins = (await deps.accounts.operators()).filter(({ role }) => role === 'admin');
  return admins.length > 1 ? { kinds: ['operators'], of: '' } : UNGUARDED;
}

/** Who sees the token of a second admin is both: where operators take another, the new one makes it. */
async function guardNewOperator(deps: ControlDeps, { name, fingerprint }: AddUserArgs): Promise<Guard> {
  const guard = await guardOperators(deps);
  if (needed(deps.fourEyes(), guard).length > 0 && fingerprint === undefined)
    throw new ControlError(
      'usage',
      'with four_eyes nobody but its owner may see a token',
      `${name}: sealrelay user token; then you: sealrelay user add ${name} … --fingerprint FINGERPRINT`,
    );
  return guard;
}

async function removeUser({ deps, caller }: Context, args: { name: string; reason: string }) {
  const operators = await deps.accounts.operators();
  const found = operators.find((one) => one.name === args.name);
  if (found === undefined) throw new ControlError('not found', `no operator ${args.name}`, 'sealrelay user list');
  // Without any operator the next caller on the control socket would become the first one.
  if (found.role === 'admin' && operators.filter((one) => one.role === 'admin').length === 1) {
    throw new ControlError('usage', `${args.name} is the last admin`, 'add another admin first');
  }
  await deps.accounts.removeOperator(args.name, caller.actor, args.reason);
  return { removed: args.name };
}

const addLoginArgs = z.strictObject({
  name: NAME,
  organization: z.string().max(200),
  from: z.array(ADDRESS).min(1, 'name at least one --from').max(1000),
  priority: z.enum(['normal', 'bulk']).default('normal'),
  reason: REASON,
});

/** Makes a submission login and gives its secret, the only time it is shown. */
async function addLogin({ deps, caller }: Context, args: z.output<typeof addLoginArgs>) {
  if (!deps.organizations().includes(args.organization)) {
    throw new ControlError('usage', 'no such organization', 'sealrelay config show --effective lists them');
  }
  if ((await deps.accounts.logins()).some((one) => one.name === args.name)) {
    throw new ControlError('usage', `login ${args.name} exists`, 'remove it first, or choose another name');
  }
  const secret = newToken(deps.random);
  await deps.accounts.addLogin(
    {
      name: args.name,
      organization: args.organization,
      from: args.from.map((one) => one.toLowerCase() as Address | `@${string}`),
      priority: args.priority,
      secretHash: await deps.hashSecret(secret),
      createdAt: deps.clock.now(),
    },
    caller.actor,
    args.reason,
  );
  return { name: args.name, organization: args.organization, from: args.from, secret };
}

async function removeLogin({ deps, caller }: Context, args: { name: string; reason: string }) {
  if (!(await deps.accounts.logins()).some((one) => one.name === args.name)) {
    throw new ControlError('not found', `no login ${args.name}`, 'sealrelay submission list');
  }
  await deps.accounts.removeLogin(args.name, caller.actor, args.reason);
  return { removed: args.name };
}

const removeArgs = z.strictObject({ name: NAME, reason: REASON });

export const operatorCommands: readonly Command[] = [
  command('user.add', 'write', addUserArgs, ({ deps, caller }, args) => addUser(deps, caller, args), guardNewOperator),
  command('user.remove', 'write', removeArgs, removeUser, guardOperators),
  command('user.list', 'read', z.strictObject({}), async ({ deps, page }) => {
    const operators = await deps.accounts.operators();
    await page(operators.map(({ name, role, createdAt }) => ({ name, role, created: iso(createdAt) })));
    return { rows: operators.length };
  }),
  command('submission.add', 'write', addLoginArgs, addLogin),
  command('submission.remove', 'write', removeArgs, removeLogin),
  command('submission.list', 'read', z.strictObject({}), async ({ deps, page }) => {
    const logins = await deps.accounts.logins();
    await page(
      logins.map(({ name, organization, from, priority, createdAt }) => {
        return { name, organization, from, priority, created: iso(createdAt) };
      }),
    );
    return { rows: logins.length };
  }),
];
