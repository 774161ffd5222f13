// What waits for another operator, and what was done without one: list, confirm, refuse, review.

import { z } from 'zod';
import { GATEWAY } from '../../domain/ids.ts';
import type { Approval } from '../../store/approvals/port.ts';
import { type Command, command } from '../command.ts';
import { iso } from '../views.ts';

const REASON = z.string().trim().min(1, 'a reason is required').max(1000);
const decideArgs = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}$/, 'eight characters 0-9, a-f are wanted, from: sealrelay approvals list'),
  reason: REASON,
});

function approvalView(one: Approval) {
  const { id, state, command, args, reason, askedBy, decidedBy, failed } = one;
  const until = state === 'unreviewed' ? null : iso(one.until);
  return { id, state, command, args, reason, askedBy, askedAt: iso(one.askedAt), until, decidedBy, failed };
}
export type ApprovalView = ReturnType<typeof approvalView>;

export const approvalCommands: readonly Command[] = [
  command('approvals.list', 'read', z.strictObject({}), async ({ deps, caller, page }) => {
    // Arguments may name people: who looks is recorded first.
    const detail = { what: 'approvals' };
    await deps.audit.append([{ organization: GATEWAY, actor: caller.actor, event: 'log.searched', detail }]);
    const open = await deps.approvals.open();
    await page(open.map(approvalView));
    return { approvals: open.length };
  }),
  ...(['confirm', 'refuse', 'review'] as const).map((verb) =>
    command(`approvals.${verb}`, 'write', decideArgs, async ({ deps, caller }, { id, reason }) => {
      await deps.approvals[verb](id, caller.actor, reason);
      return { id, done: verb };
    }),
  ),
];
