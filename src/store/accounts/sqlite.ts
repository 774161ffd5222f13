// Operators and submission logins on SQLite. Everything of them but name and organization stands in a box, so that who
// can write rows can remove an account but not promote one or widen its senders; nor put one back that was removed, for the
// entries of the audit that made and removed it have the last word. The boxes are under `fields lasting`: an account outlives
// the month in which it was made.

import { type BoxPlace, VaultError } from '../../crypto/vault.ts';
import { GATEWAY } from '../../domain/ids.ts';
import { type AccountKind, accountKey, type Lasting } from '../audit/lasting.ts';
import { verbId } from '../queue/port.ts';
import { boxJson, keepJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { LoginRow, OperatorRow } from '../sqlite/calls/keys.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import type { Accounts, Operator, SubmissionLogin } from './port.ts';

type BoxedOperator = Omit<Operator, 'name' | 'tokenHash'> & { readonly tokenHash: string };
type BoxedLogin = Omit<SubmissionLogin, 'name' | 'organization'>;

export const operatorPlace = (name: string): BoxPlace => ({
  organization: GATEWAY,
  table: 'operator',
  row: name,
  column: 'box',
});
export const loginPlace = (organization: string, name: string): BoxPlace => ({
  organization,
  table: 'login',
  row: name,
  column: 'box',
});

/** Rows that open; the others are as if they were not there, and raise an alarm. */
function opened<R extends { name: string }, T>(access: Access, rows: readonly R[], open: (row: R) => T): T[] {
  const found: T[] = [];
  for (const row of rows) {
    try {
      found.push(open(row));
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      access.alarm(`the box of account ${row.name} does not open: it is not used`);
    }
  }
  return found;
}

type Row = { readonly name: string; readonly box: Uint8Array };

/** Accounts that the audit says stand. What it says was removed, or made anew since, is removed again. */
async function standing<R extends Row, T extends { readonly name: string; readonly createdAt: number }>(
  { access, lasting }: { readonly access: Access; readonly lasting: Lasting },
  kind: AccountKind,
  rows: () => Promise<readonly R[]>,
  open: (row: R) => T,
): Promise<readonly T[]> {
  // Rows first: what is removed after that has its entry when the entries are read.
  const all = await rows();
  const told = await lasting.read();
  const fates = new Map<string, Fate>();
  const good = opened(access, all, open).filter((one) => {
    fates.set(one.name, fateOf(told, kind, one));
    return fates.get(one.name) === 'stands';
  });
  if (good.length === fates.size) return good;
  // Removed meanwhile: nothing is wrong with that.
  const still = new Map((await rows()).map(({ name, box }) => [name, box]));
  for (const { name, box } of all) {
    const fate = fates.get(name) ?? 'stands';
    const now = still.get(name);
    if (fate === 'stands' || !now || Buffer.compare(now, box) !== 0) continue;
    const words = `the row of ${kind === 'operator' ? 'operator' : 'submission login'} ${name}`;
    if (fate === 'unknown') access.alarm(`${words} is not used: no entry of the audit made it; sealrelay log verify`);
    else if (await access.write('dropAccount', verbId(access), [kind, name, toOctets(box)]))
      lasting.report(`${words}, which was removed, was put back beside the audit, and is removed again`);
  }
  return good;
}

type Fate = 'stands' | 'removed' | 'unknown';

function fateOf(
  { accounts, restored, isWhole, prunedUntil }: Awaited<ReturnType<Lasting['read']>>,
  kind: AccountKind,
  { name, createdAt }: { readonly name: string; readonly createdAt: number },
): Fate {
  const entry = accounts.get(accountKey(kind, name));
  if (entry !== undefined) {
    return entry.stands && (entry.created === null || entry.created === createdAt) ? 'stands' : 'removed';
  }
  // What made it may stand in a month that is gone, or cannot be read now.
  if (kind === 'operator' && restored) return 'unknown';
  return !isWhole || createdAt <= (prunedUntil ?? Number.NEGATIVE_INFINITY) ? 'stands' : 'unknown';
}

export function openAccounts(access: Access, lasting: Lasting): Accounts {
  const deps = { access, lasting };

  async function reasonBox(organization: string, event: string, reason: string): Promise<string> {
    const at = access.clock.now();
    const vault = await readyVault(access, organization, at);
    return boxJson(vault, place.entry(organization, '-', event), { reason }, at);
  }

  return {
    async operators() {
      const vault = access.vault();
      const rows = () => access.read<OperatorRow[]>('operators', null);
      return standing(deps, 'operator', rows, ({ name, box }) => {
        const { tokenHash, ...rest } = openJson<BoxedOperator>(vault, operatorPlace(name), box);
        return { name, ...rest, tokenHash: Buffer.from(tokenHash, 'hex') };
      });
    },
    async addOperator({ name, role, tokenHash, createdAt }, actor, reason) {
      const at = access.clock.now();
      const vault = await readyVault(access, GATEWAY, at);
      const value: BoxedOperator = { role, createdAt, tokenHash: Buffer.from(tokenHash).toString('hex') };
      const box = keepJson(vault, operatorPlace(name), value);
      const detail = JSON.stringify({ name, role, created: createdAt });
      const why = await reasonBox(GATEWAY, 'operator.added', reason);
      await access.write('addOperator', verbId(access), [name, box, actor, detail, why]);
    },
    async removeOperator(name, actor, reason) {
      const why = await reasonBox(GATEWAY, 'operator.removed', reason);
      await access.write('removeOperator', verbId(access), [name, actor, why]);
    },
    async logins() {
      const vault = access.vault();
      const rows = () => access.read<LoginRow[]>('logins', null);
      return standing(deps, 'submission', rows, ({ name, organization, box }) => ({
        name,
        organization,
        ...openJson<BoxedLogin>(vault, loginPlace(organization, name), box),
      }));
    },
    async addLogin({ name, organization, ...rest }, actor, reason) {
      const at = access.clock.now();
      const vault = await readyVault(access, organization, at);
      const box = keepJson(vault, loginPlace(organization, name), rest);
      const { priority, from, createdAt: created } = rest;
      const detail = JSON.stringify({ name, priority, senders: from.length, created });
      const why = await reasonBox(organization, 'submission.added', reason);
      await access.write('addLogin', verbId(access), [name, organization, box, actor, detail, why]);
    },
    async removeLogin(name, actor, reason) {
      const rows = await access.read<LoginRow[]>('logins', null);
      const organization = rows.find((row) => row.name === name)?.organization ?? GATEWAY;
      const why = await reasonBox(organization, 'submission.removed', reason);
      await access.write('removeLogin', verbId(access), [name, organization, actor, why]);
    },
  };
}
