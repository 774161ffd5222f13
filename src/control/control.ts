// What a person, script or page may ask of a running gateway. Sockets, and later pages and the API, call only `perform`:
// it proves who asks, what that role may, and that the arguments are well formed, and runs the command. It logs command,
// actor and result code; never arguments or answers, which hold addresses. It cannot read a body or a private key:
// ControlDeps has neither.

import type { z } from 'zod';
import { QueueError } from '../store/queue/port.ts';
import { approvalCommands } from './approvals/commands.ts';
import { passGuard, runPassed } from './approvals/guard.ts';
import { backupCommands } from './backup.ts';
import { type Command, type Context, ControlError, type Page } from './command.ts';
import type { Caller, ControlDeps } from './deps.ts';
import { gatewayCommands } from './gateway.ts';
import { keyCommands } from './keys.ts';
import { logCommands } from './log.ts';
import { masterCommands } from './master.ts';
import { addUser, addUserArgs, operatorCommands } from './operators.ts';
import { portalCommands } from './portal.ts';
import { fromQueueError, queueCommands } from './queue.ts';
import { recoverCommands } from './recover.ts';
import { operatorOf } from './tokens.ts';
import { watchCommands } from './watch.ts';

/** Which socket it came through: `read` answers only commands that change nothing. */
export type Door = 'control' | 'read';
export type Request = {
  readonly token: string;
  readonly command: string;
  readonly args: unknown;
  /** Do at once what would take another operator. */
  readonly breakGlass?: boolean;
};

export type Control = {
  /** Answers a request with the command's result, handing long answers to `page`. Throws ControlError. */
  perform(door: Door, request: Request, page: Page): Promise<unknown>;
};

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [
    ...queueCommands,
    ...portalCommands,
    ...logCommands,
    ...operatorCommands,
    ...approvalCommands,
    ...keyCommands,
    ...masterCommands,
    ...recoverCommands,
    ...backupCommands,
    ...gatewayCommands,
    ...watchCommands,
  ].map((one) => [one.name, one]),
);

export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys()];

export function createControl(deps: ControlDeps): Control {
  // Making the first operator waits for the one before, so that two callers cannot both be the first.
  let adding: Promise<unknown> = Promise.resolve();

  async function authorized(door: Door, request: Request, page: Page, seen: (caller: Caller) => void) {
    const command = COMMANDS.get(request.command);
    if (command === undefined)
      throw new ControlError('usage', 'no such command', 'is this command newer than the daemon?');
    const operators = await deps.accounts.operators();
    if (operators.length === 0 && door === 'control' && command.name === 'user.add') {
      seen({ actor: 'gateway', role: 'admin' });
      return addFirst(request.args);
    }
    const operator = operatorOf(request.token, operators);
    if (operator === null) throw unknownToken(operators.length === 0);
    const caller: Caller = { actor: operator.name, role: operator.role };
    seen(caller);
    authorize(door, command, caller);
    const args = parse(command.args, request.args);
    const context: Context = { deps, caller, page, confirmed: null };
    if (command.guard === undefined) return command.run(context, args as never);
    const asked = { command: command.name, args, breakGlass: request.breakGlass ?? false };
    const passed = await passGuard(context, asked, await command.guard(deps, args as never));
    const confirmed = passed?.of ?? null;
    return runPassed(context, passed, () => command.run({ ...context, confirmed }, args as never));
  }

  function addFirst(given: unknown): Promise<unknown> {
    const args = parse(addUserArgs, given);
    if (args.role !== 'admin')
      throw new ControlError('usage', 'the first operator must be an admin', 'use --role admin');
    const added = adding.then(async () => {
      if ((await deps.accounts.operators()).length > 0) throw unknownToken(false);
      if (await hadOperators(deps)) throw takenAway();
      return addUser(deps, { actor: 'gateway' }, args);
    });
    adding = added.catch(() => undefined);
    return added;
  }

  return {
    async perform(door, request, page) {
      let caller: Caller | undefined;
      const fields = () => ({
        command: COMMANDS.has(request.command) ? request.command : '?',
        actor: caller?.actor ?? '?',
      });
      try {
        const result = await authorized(door, request, page, (one) => {
          caller = one;
        });
        deps.log.info(fields(), 'control');
        return result;
      } catch (error) {
        const known = error instanceof QueueError ? fromQueueError(error) : error;
        if (known instanceof ControlError) {
          deps.log.info({ ...fields(), refused: known.code }, 'control');
          throw known;
        }
        // The text of an unforeseen error may quote what was asked: only its name is logged and told.
        deps.log.error(
          { ...fields(), error: error instanceof Error ? error.name : 'unknown' },
          'control command failed',
        );
        throw new ControlError('failed', 'the gateway could not do it', 'its log names the failure; sealrelay status');
      }
    },
  };
}

function authorize(door: Door, command: Command, caller: Caller): void {
  if (command.access === 'read') return;
  if (caller.role !== 'admin')
    throw new ControlError('forbidden', 'an auditor reads and changes nothing', 'ask an admin');
  if (door !== 'control') throw new ControlError('forbidden', 'this socket only reads', 'use the control socket');
}

/** Entries in one page. */
const PAGE = 2_000;

/** Since a restore, which makes tokens void. The last admin cannot be removed: where one was added and none is there, somebody
 *  else wrote into the database. */
async function hadOperators({ audit, status }: Pick<ControlDeps, 'audit' | 'status'>): Promise<boolean> {
  const { epoch } = (await audit.proofState((await status()).node)).head;
  for (let after = { epoch, seq: 0 }; ; ) {
    const page = await audit.read(after, PAGE);
    if (page.some(({ event }) => event === 'operator.added')) return true;
    const last = page.at(-1);
    if (last === undefined) return false;
    after = last;
  }
}

function takenAway(): ControlError {
  return new ControlError(
    'unknown token',
    'its operators were taken out of the database by somebody else',
    'stop the gateway; sealrelay user add NAME --role admin --offline --reason "why"; then: sealrelay log verify',
  );
}

function unknownToken(noOperators: boolean): ControlError {
  return noOperators
    ? new ControlError('unknown token', 'there is no operator yet', 'sealrelay user add NAME --role admin --write')
    : new ControlError(
        'unknown token',
        'your token is not known',
        'ask an admin for a new one: sealrelay user add NAME --role auditor; put it into ~/.config/sealrelay/token, mode 600',
      );
}

/** Says which argument is wrong without quoting it. Throws ControlError `usage`. */
function parse<S extends z.ZodType>(schema: S, given: unknown): z.output<S> {
  const parsed = schema.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new ControlError('usage', `${where === '' ? '' : `${where}: `}${issue?.message ?? 'not understood'}`);
}
