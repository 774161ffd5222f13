import { createSecrets } from '../../../src/config/secrets.ts';

const CREDENTIALS = '/run/credentials/sealrelay.service';

function checked(file: string, mode: number, env: NodeJS.ProcessEnv) {
  const stat = async () => ({ isFile: true, mode, uid: 0, gid: 0 });
  return createSecrets({ env, stat, read: async () => Buffer.from('x') }).check({ file });
}

describe('who else may read a secret file', () => {
  test.each([
    [0o600, '/etc/key', {}, null],
    [0o640, '/etc/key', {}, '/etc/key can be read by others (mode 0640); run chmod 0600 /etc/key'],
    [0o440, `${CREDENTIALS}/key`, { CREDENTIALS_DIRECTORY: CREDENTIALS }, null],
    [0o440, '/etc/key', { CREDENTIALS_DIRECTORY: CREDENTIALS }, expect.stringContaining('(mode 0440)')],
    [0o440, `${CREDENTIALS}/key`, {}, expect.stringContaining('(mode 0440)')],
    [0o444, `${CREDENTIALS}/key`, { CREDENTIALS_DIRECTORY: CREDENTIALS }, expect.stringContaining('(mode 0444)')],
    [0o660, `${CREDENTIALS}/key`, { CREDENTIALS_DIRECTORY: CREDENTIALS }, expect.stringContaining('(mode 0660)')],
  ])('%o %s %j', async (mode, file, env, wrong) => {
    expect(await checked(file, mode, env)).toEqual(wrong);
  });
});

test('a variable is gone from the environment once it was read, and can be read again', async () => {
  const env: NodeJS.ProcessEnv = { MASTER: 'secret\n' };
  const secrets = createSecrets({ env, stat: async () => null, read: async () => null });
  expect(await secrets.read({ env: 'MASTER' })).toEqual({ ok: true, value: Buffer.from('secret\n') });
  expect(env).toEqual({});
  expect(await secrets.read({ env: 'MASTER' })).toEqual({ ok: true, value: Buffer.from('secret\n') });
  expect(await secrets.read({ env: 'OTHER' })).toEqual({
    ok: false,
    wrong: 'the environment variable OTHER is not set',
  });
});
