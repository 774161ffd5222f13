// `sealrelay user add --offline`: an operator for a gateway that is stopped, by who has its storage folder and master key. The
// way back when the only admin lost the token. It stands in the audit, and with four_eyes: is listed until another reviews it.

import { chownSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AddUserArgs } from '../../control/operators.ts';
import { CliError, usage } from '../errors.ts';
import { type OfflineOptions, offlineDeps, refuseBesideGateway, withNext } from '../recover/offline.ts';

/** In the audit; no operator can have that name. */
const ACTOR = 'host (offline)';
const FILES = ['queue.db', 'queue.db-wal', 'queue.db-shm', 'lock.db', join('bodies', 'keys.jsonl')];

/** Throws CliError, MasterKeyError, ControlError. */
export async function addOffline(given: AddUserArgs, options: OfflineOptions) {
  if (given.reason.trim() === '') throw usage('--offline needs --reason', 'add --reason "why"; it stands in the audit');
  await refuseBesideGateway(options);
  const { addUser, addUserArgs } = await import('../../control/operators.ts');
  const args = addUserArgs.safeParse(given);
  if (!args.success) throw usage(args.error.issues[0]?.message ?? 'not understood');
  const deps = await offlineDeps(options);
  const { path, node, master, clock, random } = deps;
  if (!existsSync(join(path, 'queue.db')))
    throw new CliError(`there is no database in ${path}`, 'systemd/README.md, "When the database is lost"');
  const { openRing } = await import('../../keys/ring.ts');
  const { openStore } = await import('../../store/sqlite/open.ts');
  const { writeKeysFile } = await import('../../store/bodies/keys-file.ts');
  let ring: Awaited<ReturnType<typeof openRing>> | null = null;
  const store = await openStore({ path, node, vault: () => ring!, clock, random });
  try {
    const copy = (rows: Parameters<typeof writeKeysFile>[1]) => writeKeysFile(join(path, 'bodies'), rows);
    ring = await openRing({ master, keyring: store.keyring, random, copy });
    await ring.ready('-', clock.now());
    const { reason, name, role } = args.data;
    const asked = { command: 'user.add --offline', args: { name, role }, of: '', reason };
    const listed = deps.fourEyes.length > 0 ? await store.approvals.ask(asked, name, clock.now(), 'unreviewed') : null;
    try {
      return await withNext(addUser({ accounts: store.accounts, clock, random }, { actor: ACTOR }, args.data));
    } catch (error) {
      if (listed !== null) await store.approvals.fail(listed.id, ACTOR);
      throw error;
    }
  } finally {
    await store.close();
    ownAsFolder(path);
  }
}

/** An operator runs this as root; the service has a user of its own. */
function ownAsFolder(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(path);
  for (const file of FILES) if (existsSync(join(path, file))) chownSync(join(path, file), uid, gid);
}
