// Operators and submission logins. Their secrets are made here, given once, and kept as hashes only.

import { z } from 'zod';
import type { Address } from '../domain/ids.ts';
import type { Operator } from '../store/accounts/port.ts';
import { type Guard, UNGUARDED } from './approvals/guarded.ts';
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

export const addUserArgs = z.strictObject({ name: NAME, role: z.enum(['admin', 'auditor']), reason: REASON });

/** Makes an operator and gives the token, the only time it is shown. Throws ControlError. */
export async function addUser(deps: ControlDeps, caller: Caller, args: z.output<typeof addUserArgs>) {
  const operators = await deps.accounts.operators();
  if (operators.some((one) => one.name === args.name)) {
    throw new ControlError('usage', `${args.name} exists`, 'remove it first, or choose another name');
  }
  const token = newToken(deps.random);
  const tokenHash = hashToken(token);
  if (tokenHash === null) throw new Error('a new token is a token');
  const operator: Operator = { name: args.name, role: args.role, tokenHash, createdAt: deps.clock.now() };
  await deps.accounts.addOperator(operator, caller.actor, args.reason);
  return { name: args.name, role: args.role, token };
}

/** Who is alone has nobody to ask. */
async function guardOperators(deps: ControlDeps): Promise<Guard> {
  const admins = (await deps.accounts.operators()).filter(({ role }) => role === 'admin');
  return admins.length > 1 ? { kinds: ['operators'], of: '' } : UNGUARDED;
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
  command('user.add', 'write', addUserArgs, ({ deps, caller }, args) => addUser(deps, caller, args), guardOperators),
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
