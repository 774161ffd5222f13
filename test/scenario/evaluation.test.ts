// Evaluation mode reaches this machine and what overrides name, nothing else; live mode refuses what only a trial may have.

import { execFile } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type StartOptions, startGateway } from '../support/gateway.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { type LiveFiles, testAsRoot, writeLive } from './live.ts';
import { openWorld, until, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - name: all
    then: { deliver: [{ tls: may }] }
`;
/** An address of this machine that is not loopback; 0.0.0.0 leads here too and must not count as loopback. */
const BEYOND =
  Object.values(networkInterfaces())
    .flatMap((some) => some ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '0.0.0.0';

describe('evaluation mode', () => {
  const got: Sunk[] = [];
  let world: World;
  let sink: Sink;

  beforeAll(async () => {
    sink = await openSink({ host: '0.0.0.0', onMessage: (one) => got.push(one) });
    world = await openWorld({ policy: POLICY, domains: { 'named.test': 'usual' } });
    world.dns.zones['beyond.test'] = { MX: [[10, 'mx.beyond.test']] };
    world.dns.zones['mx.beyond.test'] = { A: [BEYOND] };
    world.dns.zones['here.test'] = { MX: [[10, 'mx.here.test']] };
    world.dns.zones['mx.here.test'] = { A: ['127.0.0.1'] };
    // Every MX host has the sink's port: only the rule keeps a message from it.
    const overrides = { ...(world.config.overrides as object), smtp_port: sink.port };
    const config = parse(readFileSync(world.files.config, 'utf8')) as object;
    writeFileSync(world.files.config, stringify({ ...config, overrides }));
    await world.restart();
  });

  afterAll(async () => {
    await world?.close();
    await sink.close();
  });

  test('delivers to loopback, and to a host that is named', async () => {
    await world.reaches(await world.send({ to: ['ann@here.test'] }), 'delivered');
    await world.reaches(await world.send({ to: ['bob@named.test'] }), 'delivered');
    expect(got.flatMap(({ recipients }) => recipients)).toEqual([expect.stringContaining('ann@here.test')]);
    expect(world.peer('named.test').mails).toHaveLength(1);
  });

  test('holds everything else, says why, and nothing came there', async () => {
    const before = got.length;
    const view = await world.reaches(await world.send({ to: ['ann@beyond.test'] }), 'held');
    expect(view.deliveries[0]!.because).toContain('evaluation mode');
    expect(got).toHaveLength(before);
  });

  test('a held delivery stays held when it is released, until its host is named', async () => {
    const id = await world.send({ to: ['carol@beyond.test'] });
    await world.reaches(id, 'held');
    expect(await world.run('queue', 'release', id)).toMatchObject({ code: 0 });
    await until(async () => (await world.show(id)).deliveries[0]!.attempts === 2, 'tried again');
    await world.reaches(id, 'held');
    const config = parse(readFileSync(world.files.config, 'utf8')) as { overrides: { hosts: object[] } };
    config.overrides.hosts.push({ address: `${BEYOND}/32`, port: sink.port });
    writeFileSync(world.files.config, stringify(config));
    await world.restart();
    await world.run('queue', 'release', id);
    await world.reaches(id, 'delivered');
    expect(got.at(-1)!.recipients[0]).toContain('carol@beyond.test');
  });
});

describe('live mode', () => {
  let files: LiveFiles;

  beforeEach(async () => {
    files = await writeLive(POLICY);
  });
  afterEach(() => rmSync(files.folder, { recursive: true, force: true }));

  const edit = (change: (config: Record<string, unknown>) => void) => {
    const config = parse(readFileSync(files.config, 'utf8')) as Record<string, unknown>;
    change(config);
    writeFileSync(files.config, stringify(config));
  };
  /** What it says instead of starting. */
  const refusal = async (options: StartOptions = {}): Promise<string> => {
    const running = await startGateway(files, options).catch((error: Error) => error);
    if (running instanceof Error) return running.message;
    await running.stop();
    return 'it started';
  };

  testAsRoot('starts with files that only root can write', async () => {
    expect(await refusal()).toBe('it started');
  });

  testAsRoot('refuses overrides, with their place in the file', async () => {
    edit((config) => {
      config.overrides = { smtp_port: 2525 };
    });
    const line = readFileSync(files.config, 'utf8').split('\n').indexOf('overrides:') + 1;
    expect(await refusal()).toContain(`gateway.yaml:${line}:1 overrides: live mode has no overrides`);
  });

  testAsRoot('refuses a secret of the demo', async () => {
    appendFileSync(join(files.folder, 'master.key'), '# sealrelay-demo\n');
    expect(await refusal()).toContain('this is a secret of the demo');
  });

  testAsRoot('refuses a secret that others can read', async () => {
    chmodSync(join(files.folder, 'master.key'), 0o640);
    expect(await refusal()).toMatch(/keys\.master: .*can be read by others/);
  });

  testAsRoot('refuses to do without a master key or certificate', async () => {
    edit((config) => {
      delete config.keys;
      delete config.certificates;
    });
    const said = await refusal();
    expect(said).toContain('live mode wants keys.master');
    expect(said).toContain('live mode wants certificates.files');
  });

  testAsRoot('refuses NODE_OPTIONS, an inspector, and Node without --disable-sigusr1', async () => {
    expect(await refusal({ env: { NODE_OPTIONS: '--max-old-space-size=500' } })).toContain('NODE_OPTIONS is set');
    expect(await refusal({ flags: ['--inspect=127.0.0.1:0'] })).toContain('the inspector is open');
    const said = await new Promise<string>((resolve) => {
      const args = ['src/cli/sealrelay.ts', 'start', '--config', files.config];
      const options = { env: { ...process.env, NODE_OPTIONS: '' }, timeout: 10_000 };
      execFile('node_modules/.bin/node', args, options, (_, __, err) => resolve(err));
    });
    expect(said).toContain('start Node with --disable-sigusr1');
  });

  testAsRoot.each(['gateway.yaml', 'policy.yaml'])('refuses %s when everyone can write it', async (name) => {
    chmodSync(join(files.folder, name), 0o646);
    expect(await refusal()).toMatch(/can be written by everyone/);
  });

  testAsRoot.each(['gateway.yaml', 'policy.yaml'])('refuses %s when its own group can write it', async (name) => {
    const nobody = 65_534;
    chownSync(join(files.folder, name), 0, nobody);
    chmodSync(join(files.folder, name), 0o664);
    for (const mine of ['state', 'master.key', 'key.pem']) chownSync(join(files.folder, mine), nobody, nobody);
    const under = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, `--groups=${nobody}`];
    expect(await refusal({ under })).toMatch(/can be written by the group of the user who runs the gateway/);
    chmodSync(join(files.folder, name), 0o644);
    expect(await refusal({ under })).toBe('it started');
  });
});
