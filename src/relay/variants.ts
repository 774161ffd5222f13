// Variants of messages, made by workers and kept while they may be wanted again: at the next attempt, by another recipient
// with the same key.

import { createHash } from 'node:crypto';
import type { Message } from '../domain/types.ts';
import type { AddressKey, KeyBook } from '../keys/book-port.ts';
import type { Signer } from '../keys/signer.ts';
import type { Made, MadeBody, MadeSize } from '../store/bodies/made.ts';
import type { Bodies } from '../store/bodies/port.ts';
import type { Pool } from '../work/pool.ts';
import type { Settings } from './line.ts';
import type { VariantInput } from './make-variant.ts';

export type VariantDeps = {
  readonly bodies: Bodies;
  readonly made: Made;
  readonly makers: Pool;
  readonly book: KeyBook;
  /** The organization's own key that is good for signing now; null when it has none. */
  readonly signer: Signer;
  readonly settings: () => Pick<Settings, 'subject'>;
  readonly now: () => number;
};

/** How long a small message may take; a large one takes longer by its size. */
const TIME = 60_000;
/** Octets that take as long again. */
const LARGE = 20 << 20;
/** A variant's octets for each of the message's. */
const IN_BASE64 = 1.4;

export function createVariants(deps: VariantDeps): (message: Message, key: AddressKey) => Promise<MadeBody> {
  return async (message, key) => {
    const { kind } = key.facts;
    const { subject } = deps.settings();
    const signer = await deps.signer(message.organization, kind, message.sender[0]);
    const name = [message.id, kind, stateOf(key), signer === null ? '-' : stateOf(signer), subject].join(' ');
    const { organization } = message;
    const wish = { use: 'delivery', name, organization, expected: message.size * IN_BASE64 } as const;
    return deps.made.take(wish, async (out) => {
      const secret = signer === null ? null : await deps.book.privateOf(signer);
      const input: VariantInput = {
        body: deps.bodies.handle(message.organization, message.body),
        out,
        kind,
        recipients: [key.public],
        entity: { tags: message.examination?.subjectTags ?? [], subject },
        now: deps.now(),
        ...(signer !== null && secret !== null && { signer: { ...parts(signer), private: secret } }),
      };
      try {
        return await deps.makers.run<MadeSize>('variant', input, TIME * (1 + message.size / LARGE));
      } finally {
        secret?.fill(0);
      }
    });
  };
}

/** Not its fingerprint, which stays when a subkey is revoked and replaced. */
function stateOf({ public: octets }: AddressKey): string {
  return createHash('sha256').update(octets).digest('hex');
}

function parts({ public: octets, facts }: AddressKey): { public: Uint8Array; issuers: readonly Uint8Array[] } {
  return { public: octets, issuers: facts.issuers.map((one) => Buffer.from(one, 'base64')) };
}
