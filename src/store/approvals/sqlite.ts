// Approvals on SQLite. All of them stands in a box, so that who can write rows can let one vanish, or put an older one back, but
// not confirm one; what was used or refused stays so while the process lives.

import { type BoxPlace, VaultError } from '../../crypto/vault.ts';
import { GATEWAY } from '../../domain/ids.ts';
import type { Actor } from '../../domain/types.ts';
import { QueueError, verbId } from '../queue/port.ts';
import { boxJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { ApprovalRow } from '../sqlite/calls/approvals.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import type { Approval, ApprovalState, Approvals } from './port.ts';

type Boxed = Omit<Approval, 'id'>;
/** A step: from which state, to which, and whether only who did not ask may take it. */
type Step = {
  readonly from: readonly ApprovalState[];
  readonly to: ApprovalState;
  readonly other: boolean;
  /** It was done without, and failed. */
  readonly failed?: true;
};

const boxPlace = (id: string): BoxPlace => ({ organization: GATEWAY, table: 'approval', row: id, column: 'box' });

export function openApprovals(access: Access): Approvals {
  const open = ({ id, box }: ApprovalRow): Approval => ({
    id,
    failed: false,
    ...openJson<Omit<Boxed, 'failed'>>(access.vault(), boxPlace(id), box),
  });
  const detailOf = ({ id, command, askedBy }: Approval) => JSON.stringify({ approval: id, command, askedBy });

  /** What went its way in this process: who writes rows can put the box of before back. */
  const over = new Set<string>();

  async function move(id: string, { from, to, other, failed }: Step, actor: Actor, reason: string): Promise<void> {
    const at = access.clock.now();
    const vault = await readyVault(access, GATEWAY, at);
    const row = await access.read<ApprovalRow | null>('approval', id);
    if (row === null) throw new QueueError('not found', `nothing with id ${id} was asked for`);
    const before = open(row);
    if (over.has(id)) throw new QueueError('wrong state', `${id} is used or refused already`);
    if (!from.includes(before.state))
      throw new QueueError(
        'wrong state',
        `${id} is ${before.state}, not ${from.join(' or ')} (sealrelay approvals list)`,
      );
    if (before.state !== 'unreviewed' && at > before.until)
      throw new QueueError('wrong state', `the time of ${id} is over`);
    if (other && before.askedBy === actor)
      throw new QueueError('wrong state', 'you asked for it yourself: another operator has to do that');
    const { id: _, ...same } = before;
    const after: Boxed = failed ? { ...same, failed } : { ...same, state: to, decidedBy: actor, decidedAt: at };
    const event = failed ? 'approval.failed' : `approval.${to}`;
    await access.write('approve', verbId(access), [
      id,
      toOctets(row.box),
      boxJson(vault, boxPlace(id), after, at),
      to,
      actor,
      event,
      detailOf(before),
      boxJson(vault, place.entry(GATEWAY, '-', event), { reason }, at),
    ]);
    if (to === 'used' || to === 'refused') over.add(id);
  }

  return {
    async ask(asked, actor, until, state) {
      const at = access.clock.now();
      const vault = await readyVault(access, GATEWAY, at);
      const undecided = { decidedBy: null, decidedAt: null, failed: false };
      const boxed: Boxed = { ...asked, state, askedBy: actor, askedAt: at, until, ...undecided };
      const approval: Approval = { id: Buffer.from(access.random.bytes(4)).toString('hex'), ...boxed };
      const box = boxJson(vault, boxPlace(approval.id), boxed, at);
      const event = state === 'waiting' ? 'approval.asked' : 'approval.bypassed';
      await access.write('ask', verbId(access), [approval.id, state, actor, until, box, event, detailOf(approval)]);
      return approval;
    },
    async open() {
      const rows = await access.read<ApprovalRow[]>('approvals', access.clock.now());
      return rows.flatMap((row) => {
        try {
          return [open(row)];
        } catch (error) {
          if (!(error instanceof VaultError)) throw error;
          access.alarm(`the box of approval ${row.id} does not open: it is not used`);
          return [];
        }
      });
    },
    confirm: (id, actor, reason) => move(id, { from: ['waiting'], to: 'confirmed', other: true }, actor, reason),
    refuse: (id, actor, reason) =>
      move(id, { from: ['waiting', 'confirmed'], to: 'refused', other: false }, actor, reason),
    use: (id, actor) => move(id, { from: ['confirmed'], to: 'used', other: false }, actor, ''),
    fail: (id, actor) => move(id, { from: ['unreviewed'], to: 'unreviewed', other: false, failed: true }, actor, ''),
    review: (id, actor, reason) => move(id, { from: ['unreviewed'], to: 'reviewed', other: true }, actor, reason),
  };
}
