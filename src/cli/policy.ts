// `sealrelay policy`: check the rules, and try a message on them, without a running gateway and with the gateway's own
// functions. Nothing is stored or sent.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ConfigProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import type { Address, OrganizationName } from '../domain/ids.ts';
import type { Examination, Facts } from '../domain/types.ts';
import type { Policy } from '../policy/rule.ts';
import { CliError, EXIT, usage } from './errors.ts';
import { collect, example, withJson } from './help.ts';
import { fromStdin } from './input.ts';
import { mark, plain, print, printJson, say, styled } from './output.ts';
import { configFile } from './place.ts';

type FileOptions = { readonly config?: string; readonly policy?: string; readonly json?: boolean };
type TestOptions = FileOptions & {
  readonly eml: string;
  readonly from?: string;
  readonly to: readonly string[];
  readonly organization?: string;
};

export function register(program: Command): void {
  const policy = program.command('policy').description('The rules: who gets what how.');
  example(
    policy,
    ['sealrelay policy check', 'sealrelay policy test --eml note.eml --from lee@clinic.example --to bob@example.org'],
    'How to write rules: policies/README.md.',
  );
  const check = withFiles(policy.command('check'))
    .description('Says everything that is wrong with the policy, and runs the tests that stand in it.')
    .argument('[file]', 'the policy; the same as --policy FILE')
    .action((given: string | undefined, options: FileOptions) => {
      const file = given ?? options.policy;
      return checkPolicy(file === undefined ? options : { ...options, policy: file });
    });
  example(
    withJson(check),
    ['sealrelay policy check', 'sealrelay policy check policies/draft.yaml'],
    'Exit code 0: good; 1: refused. Next: sealrelay policy test, then sealrelay reload.',
  );
  const test = withFiles(policy.command('test'))
    .description('Examines a message and decides for each recipient, rule by rule, as the gateway would.')
    .requiredOption('--eml <FILE>', 'the message; - reads it from stdin')
    .option('--from <ADDRESS>', 'reverse-path, and the sender where the message names none; - reads it from stdin')
    .requiredOption('--to <ADDRESS>', 'recipient, may be repeated; - reads it from stdin', collect)
    .option('--organization <NAME>', 'whose mail it is (default: the one that has the domain of the sender)')
    .action(testMessage);
  example(
    withJson(test),
    [
      'sealrelay policy test --eml note.eml --from lee@clinic.example --to bob@example.org --to ann@example.net',
      'sealrelay policy test --eml - --from lee@clinic.example --to bob@example.org --json < note.eml',
    ],
    'Exit code 0: decided; 3: a recipient would be held. Next: put it into the policy under tests:, then sealrelay policy check.',
  );
}

function withFiles(command: Command): Command {
  return command
    .option('--config <FILE>', 'the configuration (default: SEALRELAY_CONFIG, else config/gateway.yaml)')
    .option('--policy <FILE>', 'another policy than the one that the configuration names');
}

type Loaded = {
  readonly file: string;
  readonly config: Config;
  readonly policy: Policy | null;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
};

async function load(options: FileOptions): Promise<Loaded> {
  const { isRefused, loadConfig } = await import('../config/load.ts');
  const { machineDeps } = await import('../config/files.ts');
  const { problemText } = await import('../config/problem.ts');
  const { loadPolicy } = await import('../policy/load.ts');
  const deps = machineDeps();
  const path = configFile(options.config);
  const loaded = await loadConfig(path, deps);
  if (isRefused(loaded)) {
    const [first] = loaded.problems;
    throw new CliError(first ? problemText(first) : `${path} is refused`, `sealrelay config check --config ${path}`);
  }
  const { config } = loaded;
  const file = options.policy ?? config.protection.policy;
  const known = {
    organizations: config.organizations.map((one) => one.name),
    tags: Object.keys(config.tags),
    portal: config.listen.portal !== undefined,
  };
  const policy = await loadPolicy(file, { ...known, live: config.mode === 'live' }, deps);
  return 'problems' in policy
    ? { file, config, policy: null, problems: policy.problems, warnings: [] }
    : { file, config, policy: policy.policy, problems: [], warnings: policy.warnings };
}

async function checkPolicy(options: FileOptions): Promise<void> {
  const { problemText } = await import('../config/problem.ts');
  const { file, policy, problems, warnings } = await load(options);
  if (policy === null) process.exitCode = EXIT.failed;
  if (options.json) {
    const version = policy?.version ?? null;
    return printJson({ file, valid: policy !== null, version, problems, warnings });
  }
  for (const one of problems) await print(plain(problemText(one)));
  for (const one of warnings) await print(`warning: ${plain(problemText(one))}`);
  if (policy === null) {
    say(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}; how to write rules: policies/README.md`);
    return;
  }
  const counts = `${policy.rules.length} rules, ${policy.tests.length} tests passed`;
  await print(`${mark(warnings.length > 0 ? 'warning' : 'ok')} ${file}: good, version ${policy.version}, ${counts}`);
  say('next: sealrelay policy test tries a message; sealrelay reload takes the policy over');
}

async function testMessage(options: TestOptions): Promise<void> {
  const { problemText } = await import('../config/problem.ts');
  const { config, policy, problems, file } = await load(options);
  if (policy === null) {
    throw new CliError(problems[0] ? problemText(problems[0]) : `${file} is refused`, 'sealrelay policy check');
  }
  if ([options.eml, options.from ?? '', ...options.to].filter((one) => one === '-').length > 1) {
    throw usage('only one of --eml, --from and --to can come by stdin');
  }
  const from = options.from === undefined ? undefined : await address(options.from, '--from');
  const to: Address[] = [];
  for (const one of options.to) to.push((await address(one, '--to')) as Address);
  const data = await message(options.eml);
  const { examine } = await import('../dlp/examine.ts');
  const examination = examine([data], { subjectTags: Object.keys(config.tags) });
  const sender = await senderOf(data, from);
  const reversePath = from ?? sender[0] ?? '';
  const base = {
    organization: organizationOf(config, options.organization, sender),
    sender,
    reversePath,
    subjectTags: examination.subjectTags,
    findings: examination.findings,
    coverage: examination.coverage,
    size: data.length,
  };
  const results = await Promise.all(to.map((recipient) => decided(config, policy, { ...base, recipient })));
  if (results.some((one) => one.held)) process.exitCode = EXIT.warnings;
  const read = examinationView(examination);
  if (options.json) {
    const { findings: _, ...facts } = base;
    return printJson({ policy: policy.version, ...facts, ...read, recipients: results });
  }
  await show(base.organization, read, results);
}

/** As the gateway reads it in MAIL and RCPT; `<>` is the null reverse-path. */
async function address(given: string, option: '--from' | '--to'): Promise<Address | ''> {
  const { parsePath } = await import('../mail/address.ts');
  const path = parsePath(await fromStdin(given, option), { smtpUtf8: true });
  if ('error' in path) throw usage(`${option}: ${path.error}`, 'write user@domain');
  if (path.ok === '' && option === '--to') throw usage('--to: an address is wanted', 'write user@domain');
  return path.ok;
}

/** Mail data as it would stand on the wire. */
async function message(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = file === '-' ? await stdin() : await readFile(file);
  } catch {
    throw usage(`cannot read ${file}`, 'name a message with --eml FILE, as "save as .eml" makes it');
  }
  if (bytes.length === 0) throw usage('the message is empty', 'name a message with --eml FILE');
  return Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

async function stdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function senderOf(data: Buffer, from: Address | '' | undefined): Promise<readonly Address[]> {
  const { fieldValue, headerEnd, parseHeader } = await import('../mail/header.ts');
  const { addressesOf } = await import('../mail/mailboxes.ts');
  const end = headerEnd(data);
  const value = fieldValue(parseHeader(end < 0 ? data : data.subarray(0, end)), 'from');
  const mailboxes = value === undefined ? null : addressesOf(value);
  if (mailboxes !== null && 'ok' in mailboxes && mailboxes.ok.length > 0) return mailboxes.ok;
  if (from === undefined || from === '')
    throw usage('the message names no sender', 'say who sends it with --from ADDRESS');
  return [from];
}

function organizationOf(config: Config, named: string | undefined, sender: readonly Address[]): OrganizationName {
  const { organizations } = config;
  const names = organizations.map((one) => one.name).join(', ');
  if (named !== undefined) {
    const found = organizations.find((one) => one.name === named);
    if (found === undefined) throw usage(`there is no organization "${named}"`, `there are: ${names}`);
    return found.name as OrganizationName;
  }
  const domain = (sender[0] ?? '').split('@').at(-1)?.toLowerCase();
  const owner = organizations.find((one) => one.domains.some((each) => each === domain));
  if (owner === undefined) {
    throw usage(
      'no organization has the domain of the sender: the gateway would refuse it',
      `sealrelay policy test … --organization NAME; there are: ${names}`,
    );
  }
  return owner.name as OrganizationName;
}

type Result = {
  readonly recipient: string;
  readonly decision: string;
  readonly rule: string | null;
  readonly because: string;
  /** It would stay here: the decision is to hold or to wait, or nothing of it can be done by this version. */
  readonly held: boolean;
  /** Protections that only a later version has. */
  readonly notBuilt: boolean;
  readonly steps: readonly string[];
};

async function decided(config: Config, policy: Policy, facts: Facts): Promise<Result> {
  const { decide, isUndecided } = await import('../policy/decide.ts');
  const { actionText } = await import('../control/views.ts');
  const { floorsOf } = await import('../policy/floors.ts');
  const { traceOf, prospectsOf } = await import('../policy/trace.ts');
  const { traceLines } = await import('../control/explanation.ts');
  const { builtIn } = await import('../relay/settings.ts');
  const { possibleStep } = await import('../relay/settle.ts');
  const floors = floorsOf(config);
  const built = builtIn(config);
  const decision = decide(policy, floors, facts);
  const steps = traceLines(traceOf(policy, floors, facts, prospectsOf(built)));
  const { recipient } = facts;
  if (isUndecided(decision)) {
    const because = `not known: ${decision.unknown.join(', ')}`;
    return { recipient, decision: 'undecided', rule: null, because, held: true, notBuilt: false, steps };
  }
  const { action, rule, because } = decision;
  const notBuilt = action.kind === 'deliver' && possibleStep(action.protections, 0, built) === null;
  const held = notBuilt || action.kind === 'hold';
  return { recipient, decision: actionText(decision), rule, because, held, notBuilt, steps };
}

function examinationView({ findings, coverage }: Examination) {
  return {
    phi: findings.phi,
    found: findings.counts.map(({ type, confidence, distinct }) => ({ type, confidence, distinct })),
    coverage: coverage.state,
    unread: coverage.parts.flatMap((part) => (part.unread === undefined ? [] : [`${part.type}: ${part.unread}`])),
  };
}

async function show(organization: string, read: ReturnType<typeof examinationView>, results: readonly Result[]) {
  const found = read.found.map((one) => `${one.distinct} ${one.type} (${one.confidence})`).join(', ') || 'none';
  await print(`organization  ${plain(organization)}`);
  await print(`findings      ${found}${read.phi ? ': a person and health, PHI' : ''}`);
  await print(
    `coverage      ${read.coverage}${read.unread.length === 0 ? '' : `, not read: ${plain(read.unread.join(', '))}`}`,
  );
  for (const one of results) {
    await print(`\n${styled('bold', plain(one.recipient))}  ${plain(one.decision)}`);
    await print(`  ${plain(one.because)}`);
    for (const step of one.steps) await print(`    ${plain(step)}`);
    if (one.notBuilt) await print(`  ${mark('warning')} would be held: nothing of it can be done by this version`);
  }
}
