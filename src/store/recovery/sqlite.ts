// The recovery on SQLite: boxes are made here, on the main thread, and the rows by one verb a message.

import { type DeliveryId, deliveryId, GATEWAY, type OrganizationName } from '../../domain/ids.ts';
import type { Cause, DeliveryState, NewMessage } from '../../domain/types.ts';
import { verbId } from '../queue/port.ts';
import { acceptCall, boxJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import type { Recovery } from './port.ts';

const HELD = { because: 'recovered from its body: whether it was delivered before is not known' };
const RESTORED = { because: 'restored from a backup: whether it was delivered since is not known' };
/** Deliveries of one commit. */
const PAGE = 500;
type UnfinishedRow = {
  readonly n: number;
  readonly delivery: DeliveryId;
  readonly organization: OrganizationName;
  readonly state: DeliveryState;
};

/** Attempts are counted from 0 again: what is told of a delivery from now on must not look as if it had been told. */
function causeOf({ cause }: NewMessage): Cause {
  return cause.kind === 'smtp' ? cause : { ...cause, key: `${cause.key} recovered` };
}

export function openRecovery(access: Access): Recovery {
  return {
    async begin(epoch, detail, keys, unclaimed) {
      const rows = keys.map(
        ({ organization, purpose, generation, id, wrappedBy, box, createdAt }) =>
          [organization, purpose, generation, id, wrappedBy, toOctets(box), createdAt] as const,
      );
      const objects = unclaimed.map((one) => [one.object, one.organization, one.kind, one.createdAt] as const);
      await access.write('beginRecovery', verbId(access), [epoch, JSON.stringify(detail), rows, objects]);
    },
    async put(message) {
      const { id, organization, deliveries } = message;
      const at = access.clock.now();
      const vault = await readyVault(access, organization, at);
      const boxes = deliveries.map((_, i) => boxJson(vault, place.because(organization, deliveryId(id, i)), HELD, at));
      const call = acceptCall(vault, { ...message, cause: causeOf(message) }, undefined, undefined, at, 0);
      return access.write('recover', verbId(access), [call, boxes]);
    },
    beginRestored: (epoch, detail) => access.write('beginRestore', verbId(access), [epoch, JSON.stringify(detail)]),
    async holdUnfinished() {
      const at = access.clock.now();
      const sum = { held: 0, heldBefore: 0, noticing: 0, dropped: 0 };
      for (let after = 0; ; ) {
        const page = await access.read<UnfinishedRow[]>('unfinished', [after, PAGE]);
        const boxes: [string, string][] = [];
        for (const { delivery, organization, state } of page) {
          sum[state === 'held' ? 'heldBefore' : state === 'noticing' ? 'noticing' : 'held'] += 1;
          if (state === 'noticing') continue;
          const vault = await readyVault(access, organization, at);
          boxes.push([delivery, boxJson(vault, place.because(organization, delivery), RESTORED, at)]);
        }
        const dropped = boxes.length === 0 ? 0 : await access.write('holdRestored', verbId(access), boxes);
        sum.held -= dropped;
        sum.dropped += dropped;
        if (page.length < PAGE) return sum;
        after = page.at(-1)!.n;
      }
    },
    async counts() {
      const [deliveries, unclaimed] = await access.read<[number, number]>('recoveryCounts', null);
      return { deliveries, unclaimed };
    },
    async discard(verb, actor, reason) {
      const at = access.clock.now();
      const vault = await readyVault(access, GATEWAY, at);
      const box = boxJson(vault, place.entry(GATEWAY, '-', 'gateway.discarded'), { reason }, at);
      return access.write('discardUnclaimed', verb, [actor, box]);
    },
  };
}
