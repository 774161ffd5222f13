// Operators (local tokens) and submission logins. Secrets are stored as hashes only.

import type { Address, OrganizationName, Time } from '../../domain/ids.ts';
import type { Actor, Priority } from '../../domain/types.ts';

export type Role = 'admin' | 'auditor';
export type Operator = {
  readonly name: string;
  readonly role: Role /** SHA-256 of the 20-byte token. */;
  readonly tokenHash: Uint8Array;
  readonly createdAt: Time;
};
export type SubmissionLogin = {
  readonly name: string;
  readonly organization: OrganizationName;
  /** Header From and reverse-path must be among them; an entry `@domain` stands for a whole domain. */
  readonly from: readonly (Address | `@${string}`)[];
  readonly priority: Priority;
  /** `argon2id$<m KiB>$<t>$<p>$<salt base64url>$<hash base64url>` */
  readonly secretHash: string;
  readonly createdAt: Time;
};

/** Who was removed is none, whatever the rows say. */
export interface Accounts {
  operators(): Promise<readonly Operator[]>;
  addOperator(operator: Operator, actor: Actor, reason: string): Promise<void>;
  removeOperator(name: string, actor: Actor, reason: string): Promise<void>;
  logins(): Promise<readonly SubmissionLogin[]>;
  addLogin(login: SubmissionLogin, actor: Actor, reason: string): Promise<void>;
  removeLogin(name: string, actor: Actor, reason: string): Promise<void>;
}
