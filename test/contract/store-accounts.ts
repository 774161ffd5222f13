// The contract of accounts and of the keyring.

import { randomBytes } from 'node:crypto';
import type { KeyRow } from '../../src/keys/port.ts';
import type { Operator, SubmissionLogin } from '../../src/store/accounts/port.ts';
import { type Bench, NOON, refuses } from './store-bench.ts';

const ANN: Operator = { name: 'ann', role: 'admin', tokenHash: randomBytes(32), createdAt: NOON };
const SCANNER: SubmissionLogin = {
  ...{ name: 'scanner', organization: 'clinic', from: ['scan@clinic.test', '@forms.clinic.test'] },
  ...{ priority: 'bulk', secretHash: 'argon2id$65536$3$1$AA$BB', createdAt: NOON },
} as SubmissionLogin;

export function accountsContract(bench: () => Bench): void {
  const events = async (b: Bench) => (await b.audit.read(null, 1000)).filter(({ event }) => !event.startsWith('key.'));

  test('operators: added, listed after a restart, removed; each with an entry', async () => {
    const b = bench();
    const { accounts } = b.opened;
    await accounts.addOperator(ANN, 'root', 'the first');
    await accounts.addOperator({ ...ANN, name: 'bob', role: 'auditor' }, 'ann', 'an audit');
    await refuses(accounts.addOperator(ANN, 'root', 'again'), 'wrong state', 'ann');
    await b.restart();
    const listed = await b.opened.accounts.operators();
    expect(listed.map(({ name, role }) => [name, role])).toEqual([
      ['ann', 'admin'],
      ['bob', 'auditor'],
    ]);
    expect(Buffer.from(listed[0]!.tokenHash)).toEqual(ANN.tokenHash);
    await b.opened.accounts.removeOperator('ann', 'root', 'left');
    await refuses(b.opened.accounts.removeOperator('ann', 'root', 'left'), 'not found', 'ann');
    expect((await b.opened.accounts.operators()).map(({ name }) => name)).toEqual(['bob']);
    expect((await events(b)).map(({ event, actor, boxed }) => [event, actor, boxed?.reason])).toEqual([
      ['operator.added', 'root', 'the first'],
      ['operator.added', 'ann', 'an audit'],
      ['operator.removed', 'root', 'left'],
    ]);
  });

  test('submission logins: added, listed after a restart, removed; each with an entry', async () => {
    const b = bench();
    await b.opened.accounts.addLogin(SCANNER, 'ann', 'a scanner');
    await refuses(b.opened.accounts.addLogin(SCANNER, 'ann', 'again'), 'wrong state', 'scanner');
    await b.restart();
    expect(await b.opened.accounts.logins()).toEqual([SCANNER]);
    await b.opened.accounts.removeLogin('scanner', 'ann', 'sold');
    await refuses(b.opened.accounts.removeLogin('scanner', 'ann', 'sold'), 'not found', 'scanner');
    expect(await b.opened.accounts.logins()).toEqual([]);
    const entries = await events(b);
    expect(entries.map(({ event, organization }) => [event, organization])).toEqual([
      ['submission.added', 'clinic'],
      ['submission.removed', 'clinic'],
    ]);
    expect(JSON.stringify(entries.map(({ detail }) => detail))).not.toContain('@');
  });

  test('a failed commit adds neither account nor entry', async () => {
    const b = bench();
    await b.opened.vault.ready('-', b.now);
    b.test.failCommit();
    await refuses(b.opened.accounts.addOperator(ANN, 'root', 'the first'), 'full');
    expect([await b.opened.accounts.operators(), await events(b)]).toEqual([[], []]);
    await b.opened.accounts.addOperator(ANN, 'root', 'the first');
    expect(await events(b)).toHaveLength(1);
  });

  describe('keys', () => {
    const plain = (one: KeyRow) => ({ ...one, box: Buffer.from(one.box).toString('hex') });
    const row = (): KeyRow => ({
      ...{ organization: 'clinic', purpose: 'loop', generation: 1, id: randomBytes(4).toString('hex') },
      ...{ wrappedBy: '00000000', box: randomBytes(60), createdAt: NOON },
    });

    test('of several rows for one name the first stands, with one entry', async () => {
      const b = bench();
      const rows = [row(), row(), row()];
      const [stands, ...others] = (await Promise.all(rows.map((one) => b.opened.keyring.add(one)))).map(plain);
      expect(rows.map(plain)).toContainEqual(stands);
      expect(others).toEqual([stands, stands]);
      expect((await b.opened.keyring.all()).map(plain).filter(({ purpose }) => purpose === 'loop')).toEqual([stands]);
      const entries = await b.audit.read(null, 1000);
      const made = entries.filter(({ event, detail }) => event === 'key.created' && detail.purpose === 'loop');
      expect(made).toHaveLength(1);
      expect(JSON.stringify(made)).not.toContain(stands!.box);
    });

    test('a row stands after a restart too', async () => {
      const b = bench();
      const before = (await b.opened.keyring.all()).map(plain);
      await b.restart();
      const [first] = await b.opened.keyring.all();
      expect(plain(await b.opened.keyring.add({ ...first!, box: randomBytes(60) }))).toEqual(plain(first!));
      expect((await b.opened.keyring.all()).map(plain)).toEqual(before);
    });
  });
}
