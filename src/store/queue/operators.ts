// What operators do to the queue: select on the reader, judge here (decisions are opened here), apply on the writer, which
// refuses what is in another state by then. Applied in slices that stand under the operation's id: a repeated operation
// goes on where it was cut, and one that was complete gets its answer again.

import type { DeliveryId } from '../../domain/ids.ts';
import { isEnded } from '../../domain/states.ts';
import type { Decision, Delivery, Protection } from '../../domain/types.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { OperateCall, OperateOne } from '../sqlite/calls/queue.ts';
import type { Changed, Operation, Queue, Selection } from './port.ts';
import { makeReading } from './reading.ts';
import { boxJson, decisionCall, place } from './rows.ts';

type Kind = OperateCall[0];
type Meets = (delivery: Delivery, protection: Protection) => string | null;
/** A refusal in words, or what is to be done, with the decision that a release brings. */
type Judged = { readonly refused: string } | { readonly decision: Decision | null };

const SLICE = 500;
const MAY: Record<Kind, readonly Delivery['state'][]> = {
  hold: ['undecided', 'ready'],
  release: ['held'],
  recover: ['held'],
  retry: ['ready'],
  'give up': ['undecided', 'ready', 'noticing', 'held'],
  drop: ['undecided', 'ready', 'noticing', 'held'],
  redecide: ['ready', 'held'],
};

/** Refused for what was recovered: it may have been delivered before. */
const NEEDS_RELEASE: ReadonlySet<Kind> = new Set(['release', 'redecide']);

function judgeState(kind: Kind, { state, recovered }: Delivery): string | null {
  if (recovered && NEEDS_RELEASE.has(kind) && state === 'held') {
    return 'it came back after a loss and may have been delivered before: sealrelay recover --release lets it go, or restore --release';
  }
  if (kind === 'recover' && !recovered) return 'it was not recovered, or is released already';
  if (MAY[kind].includes(state)) return null;
  if (state === 'leased') return 'it is being tried now';
  if (isEnded(state)) return `it ended: ${state}`;
  if (state === 'noticing') return 'its notice is on its way';
  if (state === 'undecided') return 'it is not decided yet';
  return `it is ${state}`;
}

function judgeRelease(delivery: Delivery, reason: string, deliver?: Protection, meets?: Meets): Judged {
  const { decision } = delivery;
  if (!deliver) {
    if (decision?.action.kind === 'deliver') return { decision: null };
    return { refused: 'its decision is to hold: name the protection it shall leave with' };
  }
  if (!decision) return { refused: 'it has no decision that could be changed: decide it again' };
  const why = meets ? meets(delivery, deliver) : 'its floors cannot be judged here';
  if (why !== null) return { refused: why };
  const action = { kind: 'deliver', protections: [deliver] } as const;
  return { decision: { ...decision, action, because: `released by an operator: ${reason}` } };
}

export function makeOperators(
  access: Access,
): Pick<Queue, 'hold' | 'release' | 'releaseRecovered' | 'retryNow' | 'giveUp' | 'drop' | 'redecide'> {
  const { list } = makeReading(access);

  async function prepare(op: Operation, delivery: Delivery, decision: Decision | null): Promise<OperateOne> {
    const { id, organization, state } = delivery;
    const at = access.clock.now();
    const vault = await readyVault(access, organization, at);
    const because = boxJson(vault, place.because(organization, id), { because: op.reason, actor: op.actor }, at);
    const call = decision ? decisionCall(vault, organization, { delivery: id, decision }, at) : null;
    return [id, state, because, call];
  }

  async function operate(
    kind: Kind,
    op: Operation,
    what: Selection,
    judge: (delivery: Delivery) => Judged = () => ({ decision: null }),
  ): Promise<Changed> {
    const result = new Result();
    let slices = 0;
    if (!op.dryRun) {
      const { complete, answers } = await access.write('recall', '', [op.verb]);
      for (const answer of answers) result.add(answer);
      if (complete) return result.answer();
      slices = answers.length;
    }
    let before: DeliveryId | undefined;
    for (;;) {
      const page = await list({ ...what, limit: SLICE, ...(before !== undefined && { before }) });
      const slice: OperateOne[] = [];
      const refused: { delivery: DeliveryId; why: string }[] = [];
      for (const delivery of page) {
        if (result.has(delivery.id)) continue;
        const wrong = judgeState(kind, delivery);
        const judged = wrong === null ? judge(delivery) : { refused: wrong };
        if ('refused' in judged) refused.push({ delivery: delivery.id, why: judged.refused });
        else if (op.dryRun) result.add({ changed: [delivery.id], refused: [] });
        else slice.push(await prepare(op, delivery, judged.decision));
      }
      const last = page.length < SLICE;
      if (op.dryRun) result.add({ changed: [], refused });
      else if (last || slice.length > 0 || refused.length > 0) {
        const id = last ? op.verb : `${op.verb} ${slices}`;
        result.add(await access.write('operate', id, [kind, op.actor, slice, refused]));
        slices += 1;
      }
      if (last) return result.answer();
      before = page.at(-1)!.id;
    }
  }

  return {
    hold: (op, what) => operate('hold', op, what),
    release: (op, what, deliver, meets) =>
      operate('release', op, what, (delivery) => judgeRelease(delivery, op.reason, deliver, meets)),
    releaseRecovered: (op, what) => operate('recover', op, { ...what, recovered: true }),
    retryNow: (op, what) => operate('retry', op, what),
    giveUp: (op, what) => operate('give up', op, what),
    drop: (op, what) => operate('drop', op, what),
    redecide: (op, what) => operate('redecide', op, what),
  };
}

class Result {
  readonly #changed = new Set<string>();
  readonly #refused = new Map<string, string>();

  add({ changed, refused }: { changed: readonly string[]; refused: readonly { delivery: string; why: string }[] }) {
    for (const id of changed) {
      this.#changed.add(id);
      this.#refused.delete(id);
    }
    for (const { delivery, why } of refused) this.refuse(delivery, why);
  }

  refuse(delivery: string, why: string): void {
    if (!this.#changed.has(delivery)) this.#refused.set(delivery, why);
  }

  has(delivery: string): boolean {
    return this.#changed.has(delivery) || this.#refused.has(delivery);
  }

  answer(): Changed {
    const changed = [...this.#changed] as DeliveryId[];
    const refused = [...this.#refused].map(([delivery, why]) => ({ delivery: delivery as DeliveryId, why }));
    return { changed, refused: refused.filter((one) => !this.#changed.has(one.delivery)) };
  }
}
