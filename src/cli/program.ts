// The commands by name. Only the one that is asked for is loaded, so that help comes at once. Exit codes: 0 done,
// 1 failed, 2 not understood, 3 done with warnings. Data goes to stdout, everything else to stderr.

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { CliError, tell } from './errors.ts';
import { example } from './help.ts';

type Entry = {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ register(program: Command): void }>;
};

const COMMANDS: readonly Entry[] = [
  { name: 'start', summary: 'run the gateway', load: () => import('./start.ts') },
  { name: 'demo', summary: 'watch one message take five ways, on this machine alone', load: () => import('./demo.ts') },
  { name: 'status', summary: 'is mail flowing? listeners, queue, alarms', load: () => import('./status.ts') },
  {
    name: 'doctor',
    summary: 'is everything as it should be, and what to do if not',
    load: () => import('./watch/doctor.ts'),
  },
  { name: 'usage', summary: 'what each organization sent, by month', load: () => import('./watch/usage.ts') },
  { name: 'reload', summary: 'read configuration and policy again', load: () => import('./reload.ts') },
  { name: 'config', summary: 'check, show and describe the configuration', load: () => import('./config.ts') },
  { name: 'policy', summary: 'check the rules, try a message on them', load: () => import('./policy.ts') },
  { name: 'queue', summary: 'list, show, retry, hold, release, bounce, drop', load: () => import('./queue.ts') },
  {
    name: 'portal',
    summary: 'what waits in the portal: list, show, extend, retract',
    load: () => import('./portal/portal.ts'),
  },
  { name: 'mailq', summary: 'the same as queue list', load: () => import('./mailq.ts') },
  {
    name: 'redecide',
    summary: 'decide waiting mail again under the present policy',
    load: () => import('./redecide.ts'),
  },
  { name: 'explain', summary: 'why was a message decided so', load: () => import('./explain.ts') },
  { name: 'trace', summary: "a message's life, event by event", load: () => import('./trace.ts') },
  { name: 'log', summary: 'search, export and verify the audit trail', load: () => import('./log.ts') },
  { name: 'submission', summary: 'logins of apps and devices that submit mail', load: () => import('./submission.ts') },
  {
    name: 'approvals',
    summary: 'what waits for another operator, and what was done without',
    load: () => import('./approvals/approvals.ts'),
  },
  { name: 'user', summary: 'operators of this gateway and their tokens', load: () => import('./user/user.ts') },
  {
    name: 'recover',
    summary: 'rebuild the queue from the bodies when the database is lost',
    load: () => import('./recover/recover.ts'),
  },
  {
    name: 'backup',
    summary: 'copy a running gateway into a folder',
    load: () => import('./backup/backup.ts'),
  },
  {
    name: 'restore',
    summary: 'bring a backup back on an empty machine',
    load: () => import('./backup/restore.ts'),
  },
  { name: 'keys', summary: 'keys of correspondents, own keys, the master key', load: () => import('./keys.ts') },
];

export const COMMAND_NAMES: readonly string[] = COMMANDS.map((one) => one.name);

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The program with the one command that `argv` names; all others by name only. */
export async function build(argv: readonly string[]): Promise<Command> {
  const program = new Command('sealrelay')
    .description('Secure e-mail gateway relay: mail in, PHI found, protected, delivered, recorded.')
    .version(version())
    .showHelpAfterError('(add --help for an example)');
  program.exitOverride();
  const wanted = COMMANDS.find((one) => one.name === (argv[0] === 'help' ? argv[1] : argv[0]));
  if (wanted !== undefined) (await wanted.load()).register(program);
  else for (const one of COMMANDS) program.command(one.name).description(one.summary);
  example(
    program,
    ['sealrelay demo', 'sealrelay queue list --help'],
    'sealrelay COMMAND --help shows an example of each.',
  );
  inherit(program);
  return program;
}

/** Commander copies these settings to a subcommand only when it is made through `command()` after they were set. */
function inherit(command: Command): void {
  for (const one of command.commands) {
    one.copyInheritedSettings(command);
    inherit(one);
  }
}

/** Runs one command line; resolves to its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = await build(argv);
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return 2;
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    tell(error);
    return error instanceof CliError ? error.exit : 1;
  }
}
