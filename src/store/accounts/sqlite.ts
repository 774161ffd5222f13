// Operators and submission logins on SQLite. Everything of them but name and organization stands in a box, so that who
// can write rows can remove an account but not promote one or widen its senders. The boxes are under `fields lasting`: an
// account outlives the month in which it was made.

import { type BoxPlace, VaultError } from '../../crypto/vault.ts';
import { GATEWAY } from '../../domain/ids.ts';
import { boxJson, keepJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { LoginRow, OperatorRow } from '../sqlite/calls/keys.ts';
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

export function openAccounts(access: Access): Accounts {
  const id = () => Buffer.from(access.random.bytes(16)).toString('hex');

  async function reasonBox(organization: string, event: string, reason: string): Promise<string> {
    const at = access.clock.now();
    const vault = await readyVault(access, organization, at);
    return boxJson(vault, place.entry(organization, '-', event), { reason }, at);
  }

  return {
    async operators() {
      const vault = access.vault();
      const rows = await access.read<OperatorRow[]>('operators', null);
      return opened(access, rows, ({ name, box }) => {
        const { tokenHash, ...rest } = openJson<BoxedOperator>(vault, operatorPlace(name), box);
        return { name, ...rest, tokenHash: Buffer.from(tokenHash, 'hex') };
      });
    },
    async addOperator({ name, role, tokenHash, createdAt }, actor, reason) {
      const at = access.clock.now();
      const vault = await readyVault(access, GATEWAY, at);
      const value: BoxedOperator = { role, createdAt, tokenHash: Buffer.from(tokenHash).toString('hex') };
      const box = keepJson(vault, operatorPlace(name), value);
      const detail = JSON.stringify({ name, role });
      const why = await reasonBox(GATEWAY, 'operator.added', reason);
      await access.write('addOperator', id(), [name, box, actor, detail, why]);
    },
    async removeOperator(name, actor, reason) {
      const why = await reasonBox(GATEWAY, 'operator.removed', reason);
      await access.write('removeOperator', id(), [name, actor, why]);
    },
    async logins() {
      const vault = access.vault();
      const rows = await access.read<LoginRow[]>('logins', null);
      return opened(access, rows, ({ name, organization, box }) => ({
        name,
        organization,
        ...openJson<BoxedLogin>(vault, loginPlace(organization, name), box),
      }));
    },
    async addLogin({ name, organization, ...rest }, actor, reason) {
      const at = access.clock.now();
      const vault = await readyVault(access, organization, at);
      const box = keepJson(vault, loginPlace(organization, name), rest);
      const detail = JSON.stringify({ name, priority: rest.priority, senders: rest.from.length });
      const why = await reasonBox(organization, 'submission.added', reason);
      await access.write('addLogin', id(), [name, organization, box, actor, detail, why]);
    },
    async removeLogin(name, actor, reason) {
      const rows = await access.read<LoginRow[]>('logins', null);
      const organization = rows.find((row) => row.name === name)?.organization ?? GATEWAY;
      const why = await reasonBox(organization, 'submission.removed', reason);
      await access.write('removeLogin', id(), [name, organization, actor, why]);
    },
  };
}
