// Who may ask: the first operator without a token, everyone else by theirs; what a role and a socket allow.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { COMMAND_NAMES } from '../../../src/control/control.ts';
import { fingerprintOf, hashToken, newToken, operatorOf } from '../../../src/control/tokens.ts';
import { random } from '../../support/vault.ts';
import { type Desk, openDesk } from './desk.ts';

let desk: Desk;

const without = { token: '' };

describe('tokens', () => {
  test('are 32 characters, stored as SHA-256 of their bytes only', () => {
    expect(newToken({ ...random, bytes: (n) => new Uint8Array(n) })).toBe('a'.repeat(32));
    expect(newToken({ ...random, bytes: (n) => new Uint8Array(n).fill(255) })).toBe('7'.repeat(32));
    expect(hashToken('a'.repeat(32))).toEqual(createHash('sha256').update(Buffer.alloc(20)).digest());
    expect(newToken(random)).not.toBe(newToken(random));
  });

  test.each(['', 'a', 'A'.repeat(32), '0'.repeat(32), 'a'.repeat(33), `${'a'.repeat(32)}\n`])('%j is none', (text) => {
    expect(hashToken(text)).toBeNull();
    expect(operatorOf(text, [])).toBeNull();
  });
});

describe('the first operator', () => {
  beforeEach(async () => {
    desk = await openDesk();
  });
  afterEach(() => desk.close());

  test('is added without a token, and is asked for one from then on', async () => {
    const { data } = await desk.ask('user.add', { name: 'ann', role: 'admin' }, without);
    expect(data).toEqual({ name: 'ann', role: 'admin', token: expect.stringMatching(/^[a-z2-7]{32}$/) });
    await expect(desk.ask('user.add', { name: 'eve', role: 'admin' }, without)).rejects.toMatchObject({
      code: 'unknown token',
    });
  });

  test('comes through the control socket, as an admin', async () => {
    const ann = { name: 'ann', role: 'admin' };
    await expect(desk.ask('user.add', ann, { ...without, door: 'read' })).rejects.toMatchObject({
      code: 'unknown token',
      next: 'sealrelay user add NAME --role admin --write',
    });
    await expect(desk.ask('user.add', { ...ann, role: 'auditor' }, without)).rejects.toMatchObject({ code: 'usage' });
    expect(await desk.store.accounts.operators()).toEqual([]);
  });

  test('is one, when two ask at once', async () => {
    const both = await Promise.allSettled(
      ['ann', 'eve'].map((name) => desk.ask('user.add', { name, role: 'admin' }, without)),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await desk.store.accounts.operators()).toHaveLength(1);
  });

  test('is none whose forerunners were taken out of the database', async () => {
    await desk.ask('user.add', { name: 'ann', role: 'admin' }, without);
    const database = new Database(join(desk.folder, 'queue.db'));
    database.exec('DELETE FROM operator');
    database.close();
    await expect(desk.ask('user.add', { name: 'eve', role: 'admin' }, without)).rejects.toMatchObject({
      code: 'unknown token',
      next: expect.stringContaining('--offline'),
    });
    expect(await desk.store.accounts.operators()).toEqual([]);
  });

  test('nothing else is answered before', async () => {
    for (const command of COMMAND_NAMES.filter((one) => one !== 'user.add')) {
      await expect(desk.ask(command, {}, without)).rejects.toMatchObject({ code: 'unknown token' });
    }
  });
});

test('a token that its owner made is taken by its fingerprint, by one operator only', async () => {
  desk = await openDesk();
  try {
    const own = newToken(random);
    const ann = { name: 'ann', role: 'admin', fingerprint: fingerprintOf(own) };
    expect(await desk.ask('user.add', ann, without)).toMatchObject({ data: { token: null } });
    const asAnn = { token: own };
    await expect(desk.ask('user.add', { ...ann, name: 'beth' }, asAnn)).rejects.toMatchObject({ code: 'usage' });
    await expect(desk.ask('user.add', { ...ann, fingerprint: own }, asAnn)).rejects.toMatchObject({ code: 'usage' });
    expect(await desk.store.accounts.operators()).toHaveLength(1);
  } finally {
    await desk.close();
  }
});

describe('operators', () => {
  beforeAll(async () => {
    desk = await openDesk();
    await desk.operators();
  });
  afterAll(() => desk.close());

  const WRITES = ['queue.hold', 'queue.release', 'queue.retry', 'queue.bounce', 'queue.drop', 'redecide', 'reload'];
  const KEYS = ['keys.import', 'keys.pin', 'keys.revoke', 'keys.master.rotate'];
  const PORTAL = ['portal.extend', 'portal.retract', 'recover.release', 'recover.discard', 'backup'];
  const LOG = ['log.hold.add', 'log.hold.remove', 'log.erase'];
  const APPROVALS = ['approvals.confirm', 'approvals.refuse', 'approvals.review'];
  const CHANGES = [
    ...WRITES,
    ...KEYS,
    ...PORTAL,
    ...LOG,
    ...APPROVALS,
    'user.add',
    'user.remove',
    'submission.add',
    'submission.remove',
  ];

  test.each(CHANGES)('%s: not by the read socket, not by an auditor', async (command) => {
    await expect(desk.ask(command, {}, { door: 'read' })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(desk.ask(command, {}, { token: desk.tokens.auditor })).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('every command that is not named above only reads: an auditor gets past the role by the read socket', async () => {
    const reads = COMMAND_NAMES.filter((one) => !CHANGES.includes(one));
    expect(reads.length).toBeGreaterThan(8);
    for (const command of reads) {
      const asked = desk.ask(command, {}, { door: 'read', token: desk.tokens.auditor });
      await expect(asked.catch((error) => error.code)).resolves.not.toBe('forbidden');
    }
  });

  test('a removed operator opens nothing; the last admin stays', async () => {
    const made = await desk.ask('user.add', { name: 'kim', role: 'auditor' });
    const { token } = made.data as { token: string };
    await desk.ask('status', {}, { token });
    await desk.ask('user.remove', { name: 'kim', reason: 'left' });
    await expect(desk.ask('status', {}, { token })).rejects.toMatchObject({ code: 'unknown token' });
    await expect(desk.ask('user.remove', { name: 'ann' })).rejects.toMatchObject({ code: 'usage' });
    await expect(desk.ask('user.remove', { name: 'kim' })).rejects.toMatchObject({ code: 'not found' });
  });

  test('a list shows no hash and no token', async () => {
    const { rows } = await desk.ask('user.list');
    expect(rows.map((row) => Object.keys(row))).toEqual([
      ['name', 'role', 'created'],
      ['name', 'role', 'created'],
    ]);
  });

  test('a login is made for an organization that there is, its secret shown once', async () => {
    const login = { name: 'crm', organization: 'Northside Clinic', from: ['@clinic.test'] };
    const { data } = await desk.ask('submission.add', login);
    expect(data).toMatchObject({ secret: expect.stringMatching(/^[a-z2-7]{32}$/) });
    const { rows } = await desk.ask('submission.list');
    expect(JSON.stringify(rows)).not.toMatch(/argon2id|secret/);
    await expect(desk.ask('submission.add', login)).rejects.toMatchObject({ code: 'usage' });
    const other = { ...login, name: 'x', organization: 'Nobody' };
    await expect(desk.ask('submission.add', other)).rejects.toMatchObject({ code: 'usage' });
  });

  test('a wrong argument is named, never quoted; an unknown command is said', async () => {
    const asked = desk.ask('queue.list', { sender: { address: 'ann.smith@example.org' } });
    await expect(asked).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(/^sender: /) });
    await expect(asked).rejects.not.toThrow('ann.smith');
    await expect(desk.ask('queue.empty')).rejects.toMatchObject({ code: 'usage', message: 'no such command' });
  });

  test('accepting a weaker policy needs a reason', async () => {
    await expect(desk.ask('reload', { acceptWeaker: true })).rejects.toMatchObject({ code: 'usage' });
    await desk.ask('reload', { acceptWeaker: true, reason: 'ticket 4711' });
    expect(desk.reloads).toEqual([{ actor: 'ann', reason: 'ticket 4711', acceptWeaker: true, confirmed: null }]);
  });

  test('the log has command, actor and code; no token, no argument', async () => {
    await desk.ask('queue.list', { recipient: 'ann.smith@example.org', sender: 'lee.jones@clinic.test' });
    await desk.ask('queue.show', { id: 'nonsense' }).catch(() => undefined);
    const text = desk.logged.join('\n');
    expect(text).toContain('"command":"queue.list","actor":"ann"');
    expect(text).toContain('"refused":"usage"');
    for (const word of ['ann.smith', 'lee.jones', 'nonsense', desk.tokens.admin, desk.tokens.auditor]) {
      expect(text).not.toContain(word);
    }
  });
});
