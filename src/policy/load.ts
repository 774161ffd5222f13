// A policy file and its lists, read, parsed and checked, tests and all. A policy that is refused changes nothing: the
// gateway keeps the one it has.

import { dirname, resolve } from 'node:path';
import { type ConfigDeps, whyUntrusted } from '../config/files.ts';
import { type ConfigProblem, sortedProblems } from '../config/problem.ts';
import { checkPolicy } from './check.ts';
import { listsOf, parsePolicy } from './parse.ts';
import type { Known } from './reader.ts';
import type { Policy, PolicyFile } from './rule.ts';

export type PolicyDeps = Pick<ConfigDeps, 'read' | 'stat' | 'user' | 'cwd'>;
export type LoadedPolicy = { readonly policy: Policy; readonly warnings: readonly ConfigProblem[] };
export type RefusedPolicy = { readonly problems: readonly ConfigProblem[] };

/** `live` refuses files that the gateway itself could write; `known` are the names that gateway.yaml has. */
export type PolicyOptions = Known & { readonly live: boolean };

export async function loadPolicy(
  path: string,
  options: PolicyOptions,
  deps: PolicyDeps,
): Promise<LoadedPolicy | RefusedPolicy> {
  const file = resolve(deps.cwd, path);
  const whole = (name: string, message: string): ConfigProblem => ({
    file: name,
    line: 1,
    column: 1,
    path: '',
    message,
  });
  const text = await textOf(file, deps);
  if (text === null) return { problems: [whole(path, 'there is no such file, or it cannot be read')] };
  const main: PolicyFile = { name: path, text };
  const folder = dirname(file);
  const lists: PolicyFile[] = [];
  const untrusted: ConfigProblem[] = [];
  const why = options.live ? await whyUntrusted(file, deps) : null;
  if (why) untrusted.push(whole(path, why));
  for (const name of listsOf(main)) {
    const list = await textOf(resolve(folder, name), deps);
    if (list !== null) lists.push({ name, text: list });
    const distrust = options.live && list !== null ? await whyUntrusted(resolve(folder, name), deps) : null;
    if (distrust) untrusted.push(whole(name, distrust));
  }
  // The version is that of the texts: the same policy in another folder has the same.
  const files = [{ name: 'policy.yaml', text }, ...lists];
  const parsed = parsePolicy(files, options, path);
  if (!parsed.ok) return { problems: sortedProblems([...untrusted, ...parsed.problems]) };
  const { problems, warnings } = checkPolicy(parsed.policy, parsed.problem, options.portal);
  const all = [...untrusted, ...problems];
  return all.length > 0
    ? { problems: sortedProblems(all) }
    : { policy: parsed.policy, warnings: sortedProblems(warnings) };
}

async function textOf(file: string, deps: PolicyDeps): Promise<string | null> {
  const bytes = await deps.read(file);
  return bytes === null ? null : bytes.toString('utf8');
}

/** The policy that a version was, from the files kept in the store; null when they no longer parse. */
export function policyOf(files: readonly PolicyFile[]): Policy | null {
  const parsed = parsePolicy(files);
  return parsed.ok ? parsed.policy : null;
}
