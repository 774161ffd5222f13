// Four eyes: what the configuration names is done only when another operator has confirmed it, or at once as break-glass, which
// raises an alarm and stays listed until another has reviewed it. The command itself runs when its asker repeats it: what it
// answers, tokens above all, is for who asked.

import type { Asked } from '../../store/approvals/port.ts';
import { type Context, ControlError } from '../command.ts';
import { iso } from '../views.ts';
import { type Guard, needed } from './guarded.ts';

const TIME = 24 * 60 * 60 * 1000;

/** `of`: what may be done now; `glass`: the id of break-glass. */
export type Passed = { readonly of: string; readonly glass: string | null };

/** Null where nothing had to be confirmed. Throws ControlError `waits` until it is. */
export async function passGuard(
  { deps, caller }: Context,
  request: { readonly command: string; readonly args: unknown; readonly breakGlass: boolean },
  guard: Guard,
): Promise<Passed | null> {
  const kinds = needed(deps.fourEyes(), guard);
  if (kinds.length === 0) return null;
  const asked: Asked = { command: request.command, args: plain(request.args), of: guard.of, reason: reasonOf(request) };
  const now = deps.clock.now();
  if (request.breakGlass) {
    if (asked.reason.trim() === '')
      throw new ControlError('usage', 'break-glass needs a reason', 'add --reason "why now"');
    const { id } = await deps.approvals.ask(asked, caller.actor, now, 'unreviewed');
    deps.alarm('break-glass used');
    return { of: guard.of, glass: id };
  }
  const mine = (await deps.approvals.open()).filter((one) => one.askedBy === caller.actor && same(one, asked));
  const confirmed = mine.find(({ state }) => state === 'confirmed');
  if (confirmed !== undefined) {
    await deps.approvals.use(confirmed.id, caller.actor);
    return { of: guard.of, glass: null };
  }
  const waiting =
    mine.find(({ state }) => state === 'waiting') ??
    (await deps.approvals.ask(asked, caller.actor, now + TIME, 'waiting'));
  throw new ControlError(
    'waits',
    `not done yet: this takes another operator (four_eyes: ${kinds.join(', ')}), until ${iso(waiting.until)}`,
    `another admin: sealrelay approvals confirm ${waiting.id} --reason "…"; then you repeat exactly this command, --reason too. When it cannot wait: --break-glass --reason "…"`,
  );
}

/** Runs what was passed. Break-glass that fails, or changes nothing, is listed as that. */
export async function runPassed<T>(
  { deps, caller }: Context,
  passed: Passed | null,
  run: () => Promise<T>,
): Promise<T> {
  const glass = passed?.glass ?? null;
  if (glass === null) return run();
  const failed = () => deps.approvals.fail(glass, caller.actor);
  try {
    const result = await run();
    const { applied, changed } = (result ?? {}) as { readonly applied?: boolean; readonly changed?: number };
    if (applied === false || changed === 0) await failed();
    return result;
  } catch (error) {
    // Not marked, it looks as if it had been done: the reviewer looks closer.
    await failed().catch(() => {});
    throw error;
  }
}

function reasonOf({ args }: { readonly args: unknown }): string {
  const { reason } = args as { readonly reason?: unknown };
  return typeof reason === 'string' ? reason : '';
}

/** As it comes back from a box. */
function plain(args: unknown): unknown {
  return JSON.parse(JSON.stringify(args));
}

function same(one: Asked, other: Asked): boolean {
  const text = ({ command, args, of }: Asked) => JSON.stringify([command, args, of]);
  return text(one) === text(other);
}
