import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changesText, compareConfigs } from '../../../src/config/compare.ts';
import { effectiveText } from '../../../src/config/effective.ts';
import { type ConfigDeps, machineDeps } from '../../../src/config/files.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { problemText } from '../../../src/config/problem.ts';
import type { Config } from '../../../src/config/schema.ts';
import { selfMadeCertificate } from '../../../src/crypto/certificate.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-config-'));
  mkdirSync(join(folder, 'config'));
  mkdirSync(join(folder, 'policies'));
  writeFileSync(join(folder, 'policies/default.yaml'), 'version: 1\nrules: [{name: all, then: {deliver: [tls]}}]\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

function deps(more: Partial<ConfigDeps> = {}): ConfigDeps {
  return { ...machineDeps(), env: {}, home: '/home/nobody', cwd: folder, user: { uid: 0, groups: [] }, ...more };
}

function write(path: string, text: string, mode = 0o600): string {
  writeFileSync(join(folder, path), text);
  chmodSync(join(folder, path), mode);
  return path;
}

const BASE = `version: 1
mode: evaluation
hostname: gw1.clinic.example
organizations:
  - name: Northside Clinic
    domains: [Clinic.Example, bücher.example]
    from: { networks: [192.0.2.0/28, "2001:db8::/32"] }
listen:
  smtp: { port: 2525 }
`;

async function load(text: string, more: Partial<ConfigDeps> = {}): Promise<Config> {
  const result = await loadConfig(write('config/gateway.yaml', text), deps(more));
  if ('problems' in result) throw new Error(result.problems.map(problemText).join('\n'));
  return result.config;
}

async function problems(text: string, more: Partial<ConfigDeps> = {}): Promise<string[]> {
  const result = await loadConfig(write('config/gateway.yaml', text), deps(more));
  return 'problems' in result ? result.problems.map((one) => problemText(one).replaceAll(folder, '')) : [];
}

test('defaults are filled in, words become numbers, domains A-labels, paths absolute', async () => {
  const config = await load(`${BASE}storage: { path: ~/state }\n`);
  expect(config.node).toBe('gw1');
  expect(config.listen).toEqual({
    smtp: { address: '127.0.0.1', port: 2525, tls: 'required', max_size: 157_286_400 },
  });
  expect(config.organizations[0]!.domains).toEqual(['clinic.example', 'xn--bcher-kva.example']);
  expect(config.organizations[0]!.from.networks.map(({ family, prefix }) => [family, prefix])).toEqual([
    [4, 28],
    [6, 32],
  ]);
  expect(config.queue).toEqual({
    lifetime: 432_000_000,
    warn_sender_after: 14_400_000,
    undecided_for: 3_600_000,
    held: { limit: 1_209_600_000, remind: [259_200_000, 604_800_000, 1_123_200_000] },
    max_hops: 25,
  });
  expect(config.protection.policy).toBe(join(folder, 'policies/default.yaml'));
  expect(config.storage.path).toBe('/home/nobody/state');
});

test('a file outside a folder named config starts its paths at its own folder', async () => {
  const result = await loadConfig(write('gateway.yaml', BASE), deps());
  expect(result).toMatchObject({ config: { protection: { policy: join(folder, 'policies/default.yaml') } } });
});

test('a file that is not there is said with its name', async () => {
  const result = await loadConfig('config/none.yaml', deps());
  expect('problems' in result && result.problems.map(problemText)).toEqual([
    'config/none.yaml:1:1: there is no such file',
  ]);
});

test('what a problem quotes is printable: a file may hold what moves the cursor', async () => {
  const text = BASE.replace('version: 1', 'version: "\\e[2J\\u0085"');
  expect(await problems(text)).toEqual(['config/gateway.yaml:1:10 version: must be 1, not "\\u001b[2J\\x85"']);
});

test('one wrong octet does not bury what it did under a hundred thousand lines', async () => {
  expect((await problems(`${BASE}tags: { a${'['.repeat(100_000)}`)).length).toBeLessThanOrEqual(100);
});

test('warnings do not refuse', async () => {
  const text = BASE.replace('{ port: 2525 }', '{ port: 2525, address: 0.0.0.0, tls: optional }');
  const result = await loadConfig(write('config/gateway.yaml', text), deps());
  expect('warnings' in result && result.warnings.map(problemText)).toEqual([
    'config/gateway.yaml:9:32 listen.smtp.address: evaluation mode listens beyond this machine',
    'config/gateway.yaml:9:46 listen.smtp.tls: clients may hand over messages without TLS',
  ]);
});

const PAIR = selfMadeCertificate('gw1.clinic.example', Date.now());

describe('live mode', () => {
  const live = `${BASE.replace('evaluation', 'live')}certificates: { files: { cert: cert.pem, key: key.pem } }
keys: { master: { file: master.key } }
`;
  beforeEach(() => {
    write('cert.pem', PAIR.cert, 0o644);
    write('key.pem', PAIR.key);
    write('master.key', 'srk1 x');
  });
  const owner = { uid: 0, gid: 0 };
  const mine = { uid: 1000, groups: [50] };
  const owned = (who: Record<string, { uid?: number; gid?: number; mode?: number }>) => ({
    user: mine,
    stat: async (path: string) => {
      const found = await machineDeps().stat(path);
      const short = path.slice(folder.length + 1);
      const mode = found?.isFile && short.endsWith('.yaml') ? 0o644 : (found?.mode ?? 0);
      const safe = found?.isFile ? mode : 0o755;
      return found && { ...found, ...owner, mode: safe, ...who[short] };
    },
  });

  test('warns when the audit does not leave the machine', async () => {
    const warnings = async (text: string) => {
      const loaded = await loadConfig(write('config/gateway.yaml', text), deps(owned({})));
      return 'warnings' in loaded ? loaded.warnings.map(problemText).filter((one) => one.includes('anchors')) : loaded;
    };
    expect(await warnings(live)).toEqual([
      'config/gateway.yaml:1:1 anchors: nothing leaves this machine: who owns it could rewrite the whole audit; name file, https or mail',
    ]);
    expect(await warnings(`${live}anchors: { file: anchors.jsonl }\n`)).toEqual([]);
    expect(await warnings(`${live}storage: { path: state }\nanchors: { file: state/anchors.jsonl }\n`)).toEqual([
      'config/gateway.yaml:13:18 anchors.file: stands in the storage folder: who can change the audit there can change it too',
    ]);
    expect(await warnings(live.replace('mode: live', 'mode: evaluation'))).toEqual([]);
  });

  test('takes what root owns', async () => {
    expect(await problems(live, owned({}))).toEqual([]);
  });

  test.each([
    [
      'the service user',
      { 'config/gateway.yaml': { uid: 1000 } },
      'can be written by the user who runs the gateway; live mode wants it owned by root, mode 0644 or less',
    ],
    [
      'its group',
      { 'config/gateway.yaml': { gid: 50, mode: 0o664 } },
      'can be written by the group of the user who runs the gateway; live mode wants it owned by root, mode 0644 or less',
    ],
    [
      'everyone',
      { 'config/gateway.yaml': { mode: 0o646 } },
      'can be written by everyone; live mode wants it owned by root, mode 0644 or less',
    ],
    ['the folder', { config: { uid: 1000 } }, 'stands in a folder that the user who runs the gateway can write'],
  ])('refuses a file that can be replaced: %s', async (_, who, words) => {
    expect(await problems(live, owned(who))).toEqual([`config/gateway.yaml:1:1: ${words}`]);
  });

  test('refuses keys that others can read and secrets of the demo', async () => {
    write('master.key', 'srk1 sealrelay-demo');
    write('key.pem', PAIR.key, 0o644);
    expect(await problems(live, owned({}))).toEqual([
      'config/gateway.yaml:10:47 certificates.files.key: /key.pem can be read by others (mode 0644); run chmod 0600 /key.pem',
      'config/gateway.yaml:11:17 keys.master: this is a secret of the demo; live mode wants one of its own',
    ]);
  });
});

test('the effective configuration reads back as itself and shows no secret', async () => {
  const text = `${BASE}keys: { master: { env: MASTER } }
floors: { domains: { "*.health.example": { tls: dane }, lab.example: portal } }
delivery: { smart_host: { host: relay.example, level: verify } }
resolver: { servers: ["127.0.0.1:5353", "::1"] }
overrides: { hosts: [{ address: 127.0.0.0/8, port: 2600 }] }
`;
  const env = { MASTER: 'srk1 secret' };
  const config = await load(text, { env });
  const written = effectiveText(config);
  expect(written).not.toContain('srk1');
  expect(written).toContain('lifetime: 5 days');
  expect(await load(written, { env })).toEqual(config);
});

test('two configurations are compared key by key in the words of the file', async () => {
  const before = await load(BASE);
  const after = await load(
    `${BASE.replace(', bücher.example', '')}queue: { lifetime: 2 days }\nfloors: { domains: { lab.example: { tls: dane } } }\n`,
  );
  expect(changesText(compareConfigs(before, after))).toBe(
    [
      'organizations[0].domains: [clinic.example, xn--bcher-kva.example] → [clinic.example]',
      'queue.lifetime: 5 days → 2 days',
      'floors.domains["lab.example"].tls: (absent) → dane',
    ].join('\n'),
  );
  expect(compareConfigs(before, before)).toEqual([]);
  // A key without a value is an absent one.
  expect(compareConfigs({ ...before, overrides: undefined } as unknown as Config, before)).toEqual([]);
});

test('a help page that is no link is told', async () => {
  const text = BASE.replace('    domains', '    help: { url: www.clinic.example/help }\n    domains');
  const loaded = await loadConfig(write('config/gateway.yaml', text), deps());
  expect('warnings' in loaded && loaded.warnings.map(({ path, message }) => `${path} ${message}`)).toEqual([
    'organizations[0].help.url is shown as text and leads nowhere: only https:// makes a link',
  ]);
});
