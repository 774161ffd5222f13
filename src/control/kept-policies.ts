// Every policy version that decided anything, kept boxed (its lists may name patients), so that a decision can be
// explained years later by the rules that made it.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Vault, VaultError } from '../crypto/vault.ts';
import { GATEWAY, type Time } from '../domain/ids.ts';
import { policyOf } from '../policy/load.ts';
import type { Policy, PolicyFile } from '../policy/rule.ts';

export type KeptPolicies = {
  keep(policy: Policy, at: Time): Promise<void>;
  /** Null when that version was never kept or its key is gone. */
  version(version: string): Promise<Policy | null>;
};

export function createKeptPolicies(folder: string, vault: Vault): KeptPolicies {
  const fileOf = (version: string) => join(folder, version);
  const place = (version: string) => ({ organization: GATEWAY, table: 'policy', row: version, column: 'files' });
  return {
    keep: async (policy, at) => {
      await vault.ready(GATEWAY, at);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const box = vault.box(place(policy.version), Buffer.from(JSON.stringify(policy.files)), at);
      await writeFile(`${fileOf(policy.version)}.new`, box, { mode: 0o600, flush: true });
      await rename(`${fileOf(policy.version)}.new`, fileOf(policy.version));
    },
    version: async (version) => {
      if (!/^[0-9a-f]{16}$/.test(version)) return null;
      const box = await readFile(fileOf(version)).catch(() => null);
      if (box === null) return null;
      try {
        return policyOf(JSON.parse(Buffer.from(vault.open(place(version), box)).toString()) as PolicyFile[]);
      } catch (error) {
        if (error instanceof VaultError) return null;
        throw error;
      }
    },
  };
}
