// Every command, found by walking the program: its help ends with an example, and what it does not understand it says in
// plain words with exit code 2.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { build, COMMAND_NAMES } from '../../../src/cli/program.ts';
import { fingerprintOf } from '../../../src/control/tokens.ts';
import { type Ran, run } from './run.ts';

type Found = { readonly path: string[]; readonly command: Command };

function walk(command: Command, path: string[]): Found[] {
  return [{ path, command }, ...command.commands.flatMap((one) => walk(one, [...path, one.name()]))];
}

const all: Found[] = [];
for (const name of COMMAND_NAMES) {
  const program = await build([name]);
  all.push(...walk(program.commands.find((one) => one.name() === name)!, [name]));
}
const rows = all.map((one) => [one.path.join(' '), one] as const);
const leaves = rows.filter(([, { command }]) => command.commands.length === 0);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function plainWords({ out, err }: Ran): void {
  expect(out + err).not.toMatch(/^\s+at .*[:)]/m);
  expect(out + err).not.toMatch(/TypeError|undefined|\[object/);
}

test('all that the issue names are there', () => {
  const wanted =
    'start demo status reload mailq redecide explain trace|config check|config show|config schema|policy check|policy test|' +
    'queue list|queue show|log hold add|log hold list|log hold remove|log erase|log destroyed|log months|queue retry|queue hold|queue release|queue bounce|queue drop|log search|log export|log verify|log key|' +
    'submission add|user add|keys master create|keys master rotate|keys import|keys list|keys show|keys pin|keys revoke|keys check|' +
    'portal list|portal show|portal extend|portal retract';
  const names = rows.map(([name]) => name);
  for (const one of wanted.split('|').flatMap((part) => (part.startsWith('start') ? part.split(' ') : [part]))) {
    expect(names).toContain(one);
  }
});

test.each(rows)('%s --help: what it does, its options, an example', async (_, { path, command }) => {
  const ran = await run(...path, '--help');
  expect(ran).toMatchObject({ code: 0, err: '' });
  expect(ran.out).toContain(`Usage: sealrelay ${path.join(' ')}`);
  expect(command.description()).toMatch(/\.$/);
  expect(ran.out).toMatch(/\nExamples?:\n {2}\$ sealrelay /);
  // The example is one of this command, or of one below it.
  expect(ran.out).toMatch(new RegExp(`\\n {2}\\$ sealrelay ${path.join(' ')}( |\\n)`));
  for (const option of command.options) expect(option.description).not.toBe('');
  plainWords(ran);
});

const TEXT_ONLY = ['start', 'config schema', 'config reference'];
test.each(leaves.filter(([name]) => !TEXT_ONLY.includes(name)))('%s has --json', (_, { command }) => {
  expect(command.options.map((one) => one.long)).toContain('--json');
});

test.each(leaves)('%s: every option that is shown with a value takes one', (_, { command }) => {
  for (const option of command.options) {
    const words = option.flags.split(/[ ,|]+/).filter((one) => !one.startsWith('-'));
    expect([option.flags, option.required || option.optional]).toEqual([option.flags, words.length > 0]);
  }
});

test.each(rows)('%s with an option that is not there: exit code 2', async (_, { path }) => {
  const ran = await run(...path, '--nonsense');
  expect(ran).toMatchObject({ code: 2, out: '' });
  expect(ran.err).toMatch(/--nonsense|required option/);
  plainWords(ran);
});

test.each<[string, string]>([
  ['', 'Usage: sealrelay'],
  ['nonsense', "unknown command 'nonsense'"],
  ['queue nonsense', "unknown command 'nonsense'"],
  ['queue', 'Usage: sealrelay queue'],
  ['status extra', 'too many arguments'],
  ['queue show', "missing required argument 'id'"],
  ['queue list --state queued', 'not a state'],
  ['queue list --older-than soon', '--older-than'],
  ['queue list --limit none', 'a whole number is wanted'],
  ['queue bounce aaaaaaaaaaaaaaaaaaaaaaaa', 'bounce needs --reason'],
  ['queue drop --all --yes', 'drop needs --reason'],
  ['log search --since yesterday', '--since'],
  ['log search --state queued', 'not a state'],
  ['log search --protection armor', 'armor'],
  ['log search --json --csv', 'not both'],
  ['log search --limit -1', '--limit'],
  ['log hold add --organization Clinic', 'add needs --reason'],
  ['log hold add --reason x', '--organization'],
  ['log hold remove a', 'remove needs --reason'],
  ['log erase ann@a.test --organization Clinic', 'erase needs --reason'],
  ['log erase --organization Clinic', "missing required argument 'address'"],
  ['usage --month 2026-13', 'is not a month'],
  ['usage --csv --json', 'exclude each other'],
  ['user add ann', '--role'],
  ['user add ann --role king', 'king'],
  ['submission add crm', '--organization'],
  ['policy test --to ann@example.org', '--eml'],
  ['policy test --eml x.eml', '--to'],
  ['keys master create --show', 'on a terminal only'],
  ['keys master check --write x', '--write goes with --from-paper'],
  ['keys master rotate', '--reason is missing'],
  ['keys import', "missing required argument 'file'"],
  ['keys import no-such-file.asc', 'no-such-file.asc cannot be read (ENOENT)'],
  ['keys list --kind x509', 'x509'],
  ['keys list --limit 0', 'a whole number is wanted'],
  ['keys pin', "missing required argument 'id'"],
  ['keys revoke aaaaaaaaaaaaaaaa', 'revoke needs --reason'],
  ['portal list --state open', 'not a state'],
  ['portal list --limit 0', 'a whole number is wanted'],
  ['portal show', "missing required argument 'id'"],
  ['portal extend a', "required option '--days <N>' not specified"],
  ['portal extend a --days soon', 'a whole number is wanted'],
  ['portal retract a', 'retract needs --reason'],
])('%j: exit code 2, and %j', async (line, words) => {
  const ran = await run(...line.split(' ').filter((one) => one !== ''));
  expect([ran.code, ran.out]).toEqual([2, '']);
  expect(ran.err).toContain(words);
  plainWords(ran);
});

const ASKING: Record<string, string[]> = {
  'queue show': ['aaaaaaaaaaaaaaaaaaaaaaaa'],
  explain: ['aaaaaaaaaaaaaaaaaaaaaaaa'],
  trace: ['aaaaaaaaaaaaaaaaaaaaaaaa'],
  'queue bounce': ['--all', '--reason', 'x'],
  'keys master rotate': ['--reason', 'x', '--yes'],
  'approvals confirm': ['5c0e21aa', '--reason', 'x'],
  'approvals refuse': ['5c0e21aa', '--reason', 'x'],
  'approvals review': ['5c0e21aa', '--reason', 'x'],
  'queue drop': ['--all', '--reason', 'x'],
  'user add': ['ann', '--role', 'admin'],
  'user remove': ['ann'],
  'submission add': ['crm', '--organization', 'Clinic', '--from', '@clinic.test'],
  'submission remove': ['crm'],
  'keys import': [import.meta.filename],
  'keys show': ['a'],
  'keys pin': ['a'],
  'keys revoke': ['a', '--reason', 'x'],
  recover: ['--release'],
  backup: ['/somewhere'],
  restore: ['--release'],
  'log hold add': ['--organization', 'Clinic', '--reason', 'x'],
  'log hold remove': ['a', '--reason', 'x'],
  'log erase': ['ann@a.test', '--organization', 'Clinic', '--reason', 'x', '--yes'],
  'portal show': ['a'],
  'portal extend': ['a', '--days', '30'],
  'portal retract': ['a', '--reason', 'x'],
};
const asking = leaves.filter(([, { command }]) => command.options.some((one) => one.long === '--socket'));

test.each(
  asking.filter(([name]) => name !== 'log verify' && name !== 'log key' && name !== 'doctor'),
)('%s, nobody there: says how to start it', async (name, { path }) => {
  const ran = await run(...path, ...(ASKING[name] ?? []), '--socket', folder);
  expect([ran.code, ran.out]).toEqual([1, '']);
  expect(ran.err).toContain('the gateway is not running');
  expect(ran.err).toContain('next: start it: systemctl start sealrelay, or npm start');
});

test('a token is made for its owner, once: the file has it, and what is printed opens nothing', async () => {
  const file = join(folder, 'bob.token');
  const made = await run('user', 'token', '--write', file);
  const token = readFileSync(file, 'utf8');
  expect(token).toMatch(/^[a-z2-7]{32}\n$/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(made).toMatchObject({ code: 0, out: `${fingerprintOf(token.trim())}\n` });
  expect(made.out + made.err).not.toContain(token.trim());
  expect(await run('user', 'token', '--write', file)).toMatchObject({ code: 1, out: '' });
  expect(readFileSync(file, 'utf8')).toBe(token);
});

test('a file without anchors is no file of anchors: what was retracted would be in force again', async () => {
  const other = join(folder, 'other.txt');
  writeFileSync(other, 'no anchor\n');
  const ran = await run('restore', folder, '--anchors', other);
  expect([ran.code, ran.out]).toEqual([1, '']);
  expect(ran.err).toContain(`${other} holds no anchor\n  next: `);
});

test('a token file that was claimed goes when the operator could not be made', async () => {
  const file = join(folder, 'token');
  const once = () => run('user', 'add', 'ann', '--role', 'admin', '--write', file, '--socket', folder);
  expect((await once()).err).toContain('the gateway is not running');
  expect((await once()).err).toContain('the gateway is not running');
});

describe('as a process', () => {
  const entry = join(import.meta.dirname, '../../../src/cli/sealrelay.ts');

  test('gives its exit code, and errors on stderr', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [entry, 'nonsense'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain("unknown command 'nonsense'");
  });

  test('--version is that of the package', () => {
    const out = execFileSync(process.execPath, [entry, '--version'], { encoding: 'utf8' });
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('--help loads neither the store nor a parser of YAML or mail', () => {
    const script = `
      import { registerHooks } from 'node:module';
      registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });
      process.argv.splice(1, 1, '${entry}', '--help');
      await import('${entry}');`;
    const args = ['--input-type=module', '-e', script, 'x'];
    const { stderr, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toContain('Usage: sealrelay');
    expect(stderr).toContain('/commander/');
    expect(stderr).not.toMatch(/\/(yaml|zod|better-sqlite3|pino|hono|src\/store|src\/mail|src\/main)/);
  });
});
