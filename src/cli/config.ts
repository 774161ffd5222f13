// `sealrelay config`: check, show and describe the configuration, without a running gateway.

import { relative } from 'node:path';
import type { Command } from 'commander';
import type { ConfigProblem } from '../config/problem.ts';
import { CliError, EXIT } from './errors.ts';
import { example, withJson } from './help.ts';
import { mark, plain, print, printJson, say } from './output.ts';
import { configFile } from './place.ts';

type Options = { readonly config?: string; readonly json?: boolean; readonly strict?: boolean };

export function register(program: Command): void {
  const config = program.command('config').description('The configuration file, gateway.yaml.');
  example(
    config,
    ['sealrelay config check', 'sealrelay config show --effective'],
    'The manual of every key: config/README.md.',
  );
  registerCheck(config);
  registerShow(config);
  const schema = config
    .command('schema')
    .description('Prints the JSON Schema of the file, for editors.')
    .action(async () => {
      const { configJsonSchema } = await import('../config/json-schema.ts');
      await print(JSON.stringify(configJsonSchema(), null, 2));
    });
  example(
    schema,
    ['sealrelay config schema > config/gateway.schema.json'],
    'Next: "# yaml-language-server: $schema=./gateway.schema.json" as first line of gateway.yaml.',
  );
  const reference = config
    .command('reference')
    .description('Prints the manual of every key.')
    .action(async () => {
      const { referenceText } = await import('../config/reference.ts');
      await print(referenceText().trimEnd());
    });
  example(reference, ['sealrelay config reference | less']);
}

function withFile(command: Command): Command {
  return command.option('--config <FILE>', 'the file (default: SEALRELAY_CONFIG, else config/gateway.yaml)');
}

/** As people find it from where they stand. */
function shown(file: string): string {
  const near = relative(process.cwd(), file);
  return near.startsWith('..') ? file : near;
}

async function load(given: string | undefined) {
  const { loadConfig } = await import('../config/load.ts');
  const { machineDeps } = await import('../config/files.ts');
  const file = shown(configFile(given));
  return { file, loaded: await loadConfig(file, machineDeps()) };
}

function registerCheck(config: Command): void {
  const command = withFile(config.command('check'))
    .description('Says everything that is wrong with the file: file:line:column key: what, did you mean.')
    .option('--strict', 'exit 3 when there are warnings')
    .action(check);
  example(
    withJson(command),
    ['sealrelay config check', 'sealrelay config check --config /etc/sealrelay/gateway.yaml --strict'],
    'Exit code 0: good; 1: refused; 3: good, with warnings and --strict. Next: sealrelay policy check, sealrelay reload.',
  );
}

async function check(options: Options): Promise<void> {
  const { problemText } = await import('../config/problem.ts');
  const { file, loaded } = await load(options.config);
  const problems: readonly ConfigProblem[] = 'problems' in loaded ? loaded.problems : [];
  const warnings: readonly ConfigProblem[] = 'problems' in loaded ? [] : loaded.warnings;
  if (problems.length > 0) process.exitCode = EXIT.failed;
  else if (warnings.length > 0 && options.strict) process.exitCode = EXIT.warnings;
  if (options.json) return printJson({ file, valid: problems.length === 0, problems, warnings });
  for (const one of problems) await print(plain(problemText(one)));
  for (const one of warnings) await print(`warning: ${plain(problemText(one))}`);
  if (problems.length > 0) {
    say(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}; the keys: sealrelay config reference`);
    return;
  }
  await print(
    `${mark(warnings.length > 0 ? 'warning' : 'ok')} ${file}: good${warnings.length > 0 ? ', with warnings' : ''}`,
  );
  say('next: sealrelay policy check');
}

function registerShow(config: Command): void {
  const command = withFile(config.command('show'))
    .description(
      'Prints the file; with --effective, every key with its value, defaults filled in, secrets as references.',
    )
    .option('--effective', 'with defaults')
    .action(async (options: Options & { effective?: boolean }) => {
      const { problemText } = await import('../config/problem.ts');
      const { file, loaded } = await load(options.config);
      if ('problems' in loaded) {
        const [first] = loaded.problems;
        throw new CliError(
          first ? problemText(first) : `${file} is refused`,
          `sealrelay config check --config ${file}`,
        );
      }
      if (options.effective || options.json) {
        const { effectiveText, effectiveValue } = await import('../config/effective.ts');
        if (options.json) await printJson(effectiveValue(loaded.config));
        else await print(effectiveText(loaded.config).trimEnd());
        return;
      }
      const { readFile } = await import('node:fs/promises');
      await print((await readFile(file, 'utf8')).trimEnd());
    });
  example(withJson(command), [
    'sealrelay config show --effective',
    'sealrelay config show --effective --json | jq .limits',
  ]);
}
