// The commands that need no running gateway: config, policy, keys, log verify on a folder.

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMasterFile } from '../../../src/keys/master.ts';
import { run } from './run.ts';

let folder: string;
let config: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-files-'));
  config = join(folder, 'gateway.yaml');
  writeFileSync(
    config,
    `version: 1
mode: evaluation
hostname: gw.clinic.test
organizations:
  - name: Clinic
    domains: [clinic.test]
    from: { networks: [127.0.0.1/32] }
listen:
  smtp: { address: 127.0.0.1, port: 2525, tls: required }
protection: { policy: ${join(folder, 'policy.yaml')} }
storage: { path: ${join(folder, 'state')} }
tags: { secure: {} }
floors:
  domains: { strict.test: { tls: verify } }
`,
  );
  writeFileSync(
    join(folder, 'policy.yaml'),
    `version: 1
rules:
  - name: never
    when: { recipient_domain: [bad.test] }
    then: bounce
  - name: asked for
    when: { subject_tag: [secure] }
    then: { deliver: [portal] }
  - name: health
    when: { finding: { phi: true } }
    then: { deliver: [{ tls: dane }] }
  - name: not readable
    when: { coverage: [partial, unreadable] }
    then: { deliver: [{ tls: dane }] }
  - name: rest
    then: { deliver: [{ tls: may }] }
`,
  );
  writeFileSync(
    join(folder, 'bad.yaml'),
    'version: 1\nrules:\n  - name: a\n    wen: { finding: { phi: true } }\n    then: hold\n',
  );
  writeFileSync(join(folder, 'plain.eml'), 'From: lee@clinic.test\nSubject: canary lunch\n\nat noon?\n');
  writeFileSync(join(folder, 'tagged.eml'), 'From: lee@clinic.test\nSubject: [secure] canary\n\nat noon?\n');
  const phi = 'MRN 00482913, born 04/12/1961: hemoglobin A1c is 7.9 %, the diagnosis of type 2 diabetes stands.';
  writeFileSync(join(folder, 'phi.eml'), `From: lee@clinic.test\nSubject: canary results\n\n${phi}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('config', () => {
  test('check: good is 0, and says what is next', async () => {
    const ran = await run('config', 'check', '--config', config);
    expect(ran).toMatchObject({ code: 0, err: 'next: sealrelay policy check\n' });
    expect(json((await run('config', 'check', '--config', config, '--json')).out)).toMatchObject({ valid: true });
  });

  test('check: what is wrong with its place, exit code 1', async () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, readFileSync(config, 'utf8').replace('hostname:', 'hostnam:'));
    const ran = await run('config', 'check', '--config', broken);
    expect(ran.code).toBe(1);
    expect(ran.out).toMatch(/broken\.yaml:3:1 hostnam: .*did you mean "hostname"/);
    expect(json((await run('config', 'check', '--config', broken, '--json')).out)).toMatchObject({ valid: false });
    expect((await run('config', 'show', '--config', broken)).code).toBe(1);
  });

  test('check: a file that is not there', async () => {
    expect(await run('config', 'check', '--config', join(folder, 'none.yaml'))).toMatchObject({ code: 1 });
  });

  test('show --effective: defaults filled in', async () => {
    const { code, out } = await run('config', 'show', '--effective', '--config', config);
    expect(code).toBe(0);
    expect(out).toMatch(/lifetime: 5 ?d/);
    expect(readFileSync(config, 'utf8')).not.toContain('lifetime');
    expect(json((await run('config', 'show', '--json', '--config', config)).out)).toHaveProperty('limits');
  });

  test('schema is a JSON Schema that refuses unknown keys', async () => {
    const schema = json((await run('config', 'schema')).out);
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(schema.properties).toHaveProperty('organizations');
  });
});

describe('policy', () => {
  test('check: good is 0; refused is 1 with its place', async () => {
    expect(await run('policy', 'check', '--config', config)).toMatchObject({ code: 0 });
    const ran = await run('policy', 'check', join(folder, 'bad.yaml'), '--config', config);
    expect(ran.code).toBe(1);
    expect(ran.out).toMatch(/bad\.yaml:4:5 .*wen/);
    const same = await run('policy', 'check', '--policy', join(folder, 'bad.yaml'), '--config', config, '--json');
    expect(json(same.out)).toMatchObject({ valid: false, version: null });
  });

  const tried = (eml: string, ...to: string[]) =>
    run(
      'policy',
      'test',
      '--config',
      config,
      '--eml',
      join(folder, eml),
      '--json',
      ...to.flatMap((one) => ['--to', one]),
    );
  const recipients = (out: string) => json(out).recipients as Record<string, unknown>[];

  test('test: each recipient with rule, decision and every step', async () => {
    const { code, out } = await tried('plain.eml', 'ann@a.test', 'bob@bad.test', 'cy@strict.test');
    expect(recipients(out)).toMatchObject([
      { recipient: 'ann@a.test', rule: 'rest', decision: 'tls: may', held: false },
      { recipient: 'bob@bad.test', rule: 'never', decision: 'bounce' },
      { recipient: 'cy@strict.test', rule: 'rest', decision: 'hold', held: true },
    ]);
    expect(code).toBe(3);
    expect(recipients(out)[0]!.steps).toEqual(
      expect.arrayContaining(['no: rule "asked for"', 'no: rule "health"', 'yes: rule "rest"']),
    );
  });

  test('test: what would leave is 0', async () => {
    expect((await tried('plain.eml', 'ann@a.test')).code).toBe(0);
  });

  test('test: finds what the gateway finds, and shows nothing of it', async () => {
    const { out } = await tried('phi.eml', 'ann@a.test');
    expect(json(out)).toMatchObject({ phi: true, coverage: 'full', organization: 'Clinic' });
    expect(recipients(out)).toMatchObject([{ rule: 'health', decision: 'tls: dane' }]);
    for (const word of ['00482913', '1961', 'canary']) expect(out).not.toContain(word);
  });

  test('test: a protection that is not built would be held, and says so', async () => {
    const args = ['policy', 'test', '--config', config, '--eml', join(folder, 'tagged.eml'), '--to', 'ann@a.test'];
    const { code, out } = await run(...args);
    expect(code).toBe(3);
    expect(out).toContain('would be held: nothing of it can be done by this version');
    expect(out).not.toContain('canary');
  });

  test.each<[string, string[]]>([
    ['no address', ['--to', 'nobody']],
    ['the null path as recipient', ['--to', '<>']],
    ['no such file', ['--to', 'ann@a.test', '--eml', 'none.eml']],
    ['a sender of no organization', ['--to', 'ann@a.test', '--eml', 'other.eml']],
    ['no such organization', ['--to', 'ann@a.test', '--organization', 'Nobody']],
    ['stdin twice', ['--to', '-', '--from', '-']],
  ])('test: %s is not understood, exit code 2', async (_, more) => {
    writeFileSync(join(folder, 'other.eml'), 'From: eve@elsewhere.test\n\nhello\n');
    const eml = more.includes('--eml') ? [] : ['--eml', 'plain.eml'];
    const args = [...eml, ...more].map((one) => (one.endsWith('.eml') ? join(folder, one) : one));
    const ran = await run('policy', 'test', '--config', config, ...args);
    expect([ran.code, ran.out]).toEqual([2, '']);
    expect(ran.err).toMatch(/\n {2}next: |sealrelay: only one/);
  });
});

describe('keys master create', () => {
  test('makes a file for the owner only, prints its id and never the key', async () => {
    const file = join(folder, 'master.key');
    const ran = await run('keys', 'master', 'create', '--file', file);
    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^[0-9a-f]{8}\n$/) });
    expect(ran.err).toContain('next: ');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const [, id, key] = /^srk1 (\S+) (\S+)$/m.exec(readFileSync(file, 'utf8'))!;
    expect(ran.out.trim()).toBe(id);
    expect(ran.out + ran.err).not.toContain(key);
    expect(() => readMasterFile(file)).not.toThrow();
  });

  test('never overwrites one', async () => {
    const file = join(folder, 'twice.key');
    expect(json((await run('keys', 'master', 'create', '--file', file, '--json')).out)).toMatchObject({ file });
    const before = readFileSync(file, 'utf8');
    expect(await run('keys', 'master', 'create', '--file', file)).toMatchObject({ code: 1, out: '' });
    expect(readFileSync(file, 'utf8')).toBe(before);
  });
});

test('log verify without a data folder: plain words, exit code 1', async () => {
  for (const flag of [[], ['--offline']]) {
    const ran = await run('log', 'verify', '--config', config, ...flag);
    expect([ran.code, ran.out]).toEqual([1, '']);
    expect(ran.err).toContain('there is no queue.db');
  }
});
