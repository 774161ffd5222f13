// Sealed bytes of small bodies that were written just now: most messages leave within the second, and need not be read
// back. Bounded: while there is no room, what comes is not kept, since what came first leaves first; what stays too long
// makes room. What is not here is read from its segment. Holds nothing plain but, in openers, the keys of what it holds.

import type { Opener } from '../../crypto/sealed.ts';
import type { OrganizationName } from '../../domain/ids.ts';
import type { BodyRef } from '../../domain/types.ts';

/** Sealed octets of all that is kept, and of one body. */
const BOUND = 16 << 20;
const LARGEST = 256 << 10;
/** Milliseconds. */
const LONGEST = 10_000;

export type FreshBody = {
  readonly organization: OrganizationName;
  readonly ref: BodyRef;
  /** As the Sealer gave them; nobody may change them. */
  readonly pieces: readonly Uint8Array[];
  /** Null of what is sealed under a key that the store does not have. */
  readonly opener: Opener | null;
};
type Kept = FreshBody & { readonly since: number };

export class Fresh {
  /** Oldest first. */
  readonly #kept = new Map<string, Kept>();
  #octets = 0;

  put(body: FreshBody): void {
    const { ref } = body;
    if (ref.length > LARGEST) return;
    const now = performance.now();
    for (const [oldest, { since }] of this.#kept) {
      if (now - since < LONGEST) break;
      this.#drop(oldest);
    }
    if (this.#octets + ref.length > BOUND) return;
    this.#kept.set(keyOf(ref), { ...body, since: now });
    this.#octets += ref.length;
  }

  get(ref: BodyRef): FreshBody | undefined {
    return this.#kept.get(keyOf(ref));
  }

  /** One whose key would open now as it did when it was made: same organization, same box. */
  openable(organization: OrganizationName, ref: BodyRef): (FreshBody & { readonly opener: Opener }) | undefined {
    const kept = this.get(ref);
    if (kept === undefined || kept.opener === null) return undefined;
    return kept.organization === organization && kept.ref.key === ref.key
      ? { ...kept, opener: kept.opener }
      : undefined;
  }

  delete(ref: BodyRef): void {
    this.#drop(keyOf(ref));
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#octets -= kept.ref.length;
  }
}

/** All that a reference says but the key: one that names something else finds nothing here. */
function keyOf({ object, file, offset, length }: BodyRef): string {
  return `${object} ${file} ${offset} ${length}`;
}
