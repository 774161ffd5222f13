// Every policy version that decided anything, kept boxed (its lists may name patients), so that a decision can be
// explained years later by the rules that made it.

import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Vault, VaultError } from '../crypto/vault.ts';
import { GATEWAY, type Time } from '../domain/ids.ts';
import { policyOf } from '../policy/load.ts';
import type { Policy, PolicyFile } from '../policy/rule.ts';
import { realIo } from '../store/bodies/io.ts';

export type KeptPolicies = {
  keep(policy: Policy, at: Time): Promise<void>;
  /** Null when that version was never kept or its key is gone. */
  version(version: string): Promise<Policy | null>;
  /** Moves versions of before that key, or of an earlier generation, under it; how many. Those that do not open stay. With
   *  `stop` it ends after the one that it is at. */
  move(at: Time, stop?: AbortSignal): Promise<number>;
  /** Ids (hex) of the keys that the files are boxed by. */
  keys(): Promise<ReadonlySet<string>>;
};

const VERSION = /^[0-9a-f]{16}$/;

export function createKeptPolicies(folder: string, vault: Vault): KeptPolicies {
  const fileOf = (version: string) => join(folder, version);
  const place = (version: string) => ({ organization: GATEWAY, table: 'policy', row: version, column: 'files' });
  const put = async (version: string, box: Uint8Array) => {
    await writeFile(`${fileOf(version)}.new`, box, { mode: 0o600, flush: true });
    await rename(`${fileOf(version)}.new`, fileOf(version));
    // The key of the box that stood there may be destroyed next.
    await realIo.syncFolder(folder);
  };
  let last: Promise<unknown> = Promise.resolve();
  // Two that write one version would take the unfinished file from each other.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  };
  const versions = async () => (await readdir(folder)).filter((name) => VERSION.test(name));
  return {
    keep: (policy, at) =>
      inTurn(async () => {
        await vault.ready(GATEWAY, at);
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await put(policy.version, vault.keep(place(policy.version), Buffer.from(JSON.stringify(policy.files))));
      }),
    move: (at, stop) =>
      inTurn(async () => {
        await vault.ready(GATEWAY, at);
        let moved = 0;
        for (const version of await versions()) {
          if (stop?.aborted) break;
          try {
            const box = vault.rekeep(place(version), await readFile(fileOf(version)));
            if (box === null) continue;
            await put(version, box);
            moved += 1;
          } catch (error) {
            if (!(error instanceof VaultError)) throw error;
          }
        }
        return moved;
      }),
    keys: async () => {
      const found = new Set<string>();
      for (const version of await versions())
        found.add((await readFile(fileOf(version))).subarray(0, 4).toString('hex'));
      return found;
    },
    version: async (version) => {
      if (!VERSION.test(version)) return null;
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
