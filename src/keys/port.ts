// Boxed keys, as rows. Boxes go in and out; no key is ever plain here. Stands in keys/ because the ring uses it and the
// store implements it (store/keyring/).

import type { OrganizationName, Time } from '../domain/ids.ts';

export type KeyRow = {
  readonly organization: OrganizationName;
  /** `organization`, `index`, `fields 2026-11`, `digest` … */
  readonly purpose: string;
  readonly generation: number;
  /** 8 hex. */
  readonly id: string;
  /** Id of the key that wraps it. */
  readonly wrappedBy: string;
  readonly box: Uint8Array;
  readonly createdAt: Time;
};

export interface Keyring {
  all(): Promise<readonly KeyRow[]>;
  /** Inserts unless (organization, purpose, generation) exists; returns the row that stands. Audited, durable. */
  add(row: KeyRow): Promise<KeyRow>;
}
