// Which way each delivery of a transaction can go now: the first item of its decision's list that is possible. Whether a key
// is known is asked here; whether a hop shows the TLS that is demanded, only the hop can say.

import { protectionText } from '../domain/protection.ts';
import type { Delivery, Outcome, Protection } from '../domain/types.ts';
import type { AddressKey } from '../keys/book-port.ts';
import type { Line } from './line.ts';
import { protectionsOf } from './settle.ts';

/** `message`: as it is, over TLS. `none`: nothing can be tried now, and what that means. */
export type Way =
  | { readonly kind: 'message' }
  | { readonly kind: 'variant'; readonly key: AddressKey }
  | { readonly kind: 'portal' }
  | { readonly kind: 'none'; readonly outcome: Outcome };

export type Chosen = {
  /** At the step that is tried. */
  readonly delivery: Delivery;
  readonly way: Way;
  /** Items that were passed over, each with why: `smime: no certificate known`. */
  readonly passed: readonly string[];
};

const PLAIN: Way = { kind: 'message' };
const PORTAL: Way = { kind: 'portal' };

/** Deliveries that go together: same way by the same item, and for a variant the same key. */
export type Group = { readonly way: Way; readonly chosen: readonly Chosen[] };

export async function choose(line: Line, deliveries: readonly Delivery[]): Promise<readonly Group[]> {
  const groups = new Map<string, { way: Way; chosen: Chosen[] }>();
  for (const delivery of deliveries) {
    const one = await chooseOne(line, delivery);
    const { way } = one;
    const name =
      way.kind === 'variant'
        ? `${way.key.id} ${demandOf(one)}`
        : way.kind === 'none'
          ? `none ${delivery.id}`
          : `${way.kind} ${one.delivery.step} ${demandOf(one)}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { way, chosen: [one] });
    else group.chosen.push(one);
  }
  return [...groups.values()];
}

/** Of its decision, which stands in a box: rows alone do not say that two may go together. */
function demandOf({ delivery }: Chosen): string {
  return protectionText(protectionsOf(delivery)[delivery.step] as Protection);
}

async function chooseOne(line: Line, delivery: Delivery): Promise<Chosen> {
  const list = protectionsOf(delivery);
  const passed = before(delivery, list[delivery.step]);
  let reason = 'nothing is left to try';
  for (let step = delivery.step; step < list.length; step++) {
    const protection = list[step] as Protection;
    const way = await wayOf(line, delivery, protection);
    // What may be known later does not give way to the next one: that would be decided by an outage.
    if (!('lack' in way)) return { delivery: atStep(delivery, step), way, passed };
    passed.push(`${protectionText(protection)}: ${way.lack}`);
    reason = way.lack;
  }
  // The last one's lack is the outcome, and is told as such.
  passed.pop();
  const outcome: Outcome = { kind: 'lacking', reason, status: '5.7.0', atOnce: true };
  return {
    delivery: atStep(delivery, Math.max(delivery.step, list.length - 1)),
    way: { kind: 'none', outcome },
    passed,
  };
}

/** What an earlier attempt said when it gave way to this item: `tls: STARTTLS not offered`. */
function before({ because }: Delivery, item: Protection | undefined): string[] {
  const end = item === undefined ? '' : ` → ${protectionText(item)}`;
  return end !== '' && because.endsWith(end) ? [because.slice(0, -end.length)] : [];
}

function atStep(delivery: Delivery, step: number): Delivery {
  return step === delivery.step ? delivery : { ...delivery, step, stepSince: null, stepAttempts: 0 };
}

async function wayOf(line: Line, delivery: Delivery, { name }: Protection): Promise<Way | { readonly lack: string }> {
  if (!line.settings().built.includes(name)) return { lack: 'not available at this gateway' };
  switch (name) {
    case 'tls':
      return PLAIN;
    case 'portal':
    case 'portal+':
      return PORTAL;
    case 'pgp':
    case 'smime': {
      const answer = await line.lookUpKey(delivery.organization, delivery.recipient, name);
      if (answer.kind === 'found') return { kind: 'variant', key: answer.key };
      if (answer.kind === 'none') return { lack: answer.why };
      return { kind: 'none', outcome: { kind: 'unreached', reason: answer.why, status: '4.3.0' } };
    }
  }
}
