// The configuration file → `Config`, or every problem in it at once with file, line, column and key. The gateway keeps the
// configuration it has when a new one has problems; a warning never keeps it from starting. Logs nothing itself; messages
// show what stands in the file except secrets, which never stand there. Cannot know whether names resolve or ports are free.

import { resolve as absolutePath } from 'node:path';
import { checkFiles, checkOwner, checkTogether } from './check.ts';
import { readYaml, type Source } from './document.ts';
import { baseFolder, type ConfigDeps, pathResolver } from './files.ts';
import { problemsOf } from './issues.ts';
import { configJsonSchema, keysOf } from './json-schema.ts';
import { type ConfigProblem, sortedProblems } from './problem.ts';
import { type Config, configSchema, type ParsedConfig } from './schema.ts';
import { createSecrets, type Secrets } from './secrets.ts';

export type LoadDeps = ConfigDeps & {
  /** The process's one reader, so that secrets of the environment survive a reload; a new one when absent. */
  readonly secrets?: Secrets;
};

export type LoadedConfig = { readonly config: Config; readonly warnings: readonly ConfigProblem[] };
export type RefusedConfig = { readonly problems: readonly ConfigProblem[] };

/** Reads and checks the file. `path` is shown in messages as given; relative paths in the file start at its folder, or
 *  at the one above it when that is called `config`. */
export async function loadConfig(path: string, deps: LoadDeps): Promise<LoadedConfig | RefusedConfig> {
  const whole = (message: string): RefusedConfig => ({
    problems: [{ file: path, line: 1, column: 1, path: '', message }],
  });
  const file = absolutePath(deps.cwd, path);
  const bytes = await deps.read(file);
  if (bytes === null) return whole((await deps.stat(file)) === null ? 'there is no such file' : 'cannot be read');
  const yaml = readYaml(path, bytes.toString('utf8'));
  if (!yaml.ok) return { problems: yaml.problems };
  const parsed = parse(yaml.source, pathResolver(baseFolder(file), deps.home));
  if ('problems' in parsed) return parsed;

  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const report = {
    problem: (...args: Parameters<Source['problem']>) => void problems.push(yaml.source.problem(...args)),
    warn: (...args: Parameters<Source['problem']>) => void warnings.push(yaml.source.problem(...args)),
  };
  const files = { ...deps, secrets: deps.secrets ?? createSecrets(deps) };
  checkTogether(parsed.config, report);
  await checkFiles(parsed.config, report, files);
  problems.push(...(await checkOwner(yaml.source, file, parsed.config.mode === 'live', files)));
  if (problems.length > 0) return { problems: sortedProblems(problems) };
  const { config } = parsed;
  return {
    config: { ...config, node: config.node ?? config.hostname.split('.')[0]! },
    warnings: sortedProblems(warnings),
  };
}

function parse(source: Source, resolve: (path: string) => string): { config: ParsedConfig } | RefusedConfig {
  if (source.value === null) return { problems: [source.problem([], 'is empty')] };
  const result = configSchema(resolve).safeParse(source.value);
  if (result.success) return { config: result.data };
  return { problems: sortedProblems(problemsOf(result.error.issues, source, keysOf(configJsonSchema()))) };
}

/** True when the load was refused. */
export function isRefused(result: LoadedConfig | RefusedConfig): result is RefusedConfig {
  return 'problems' in result;
}
