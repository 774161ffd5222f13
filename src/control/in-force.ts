// The configuration and policy in force, and how another takes their place: checked whole before anything changes, the
// last good one kept when it is not. In live mode a policy that would have decided any of the last 1,000 messages weaker
// is refused until an operator accepts it by name and reason (src/README.md).

import { createHash } from 'node:crypto';
import { changesText, compareConfigs } from '../config/compare.ts';
import { isRefused, type LoadDeps, loadConfig } from '../config/load.ts';
import { problemText } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import type { Time } from '../domain/ids.ts';
import type { Clock, Facts } from '../domain/types.ts';
import { readRoots } from '../keys/roots.ts';
import { floorsOf } from '../policy/floors.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Floors, Policy } from '../policy/rule.ts';
import { reloadDecision, type Weakening, weakeningText } from '../policy/weaker.ts';
import { factsOf } from '../relay/examine.ts';
import type { Settings } from '../relay/line.ts';
import { settingsOf } from '../relay/settings.ts';
import type { Audit } from '../store/audit/port.ts';
import type { Queue } from '../store/queue/port.ts';
import { type Guard, needed, UNGUARDED } from './approvals/guarded.ts';
import type { ReloadOptions, ReloadReport } from './deps.ts';

export type InForce = {
  readonly config: Config;
  readonly settings: Settings;
  readonly policy: Policy;
  readonly floors: Floors;
  /** DER of the authorities whose certificates may be encrypted to. */
  readonly roots: readonly Uint8Array[];
  readonly loadedAt: Time;
  /** As `file:line:col key: what`. */
  readonly warnings: readonly string[];
};

/** What stays as it is until a restart: its parts are made once. */
const RESTART = [
  'mode',
  'hostname',
  'node',
  'listen',
  'resolver',
  'overrides',
  'keys',
  'storage',
  'control',
  'limits',
  'log',
];
/** The same holds for these, in sections that are otherwise taken over. */
const RESTART_KEYS = [
  ['protection', 'tls'],
  ['delivery', 'connect_timeout'],
  ['delivery', 'recipients'],
] as const;
const COMPARED = 1_000;

/** Reads configuration and policy; problems are lines for people. Changes nothing. */
export async function loadInForce(
  path: string,
  deps: LoadDeps,
  now: Time,
): Promise<InForce | { readonly problems: readonly string[] }> {
  const loaded = await loadConfig(path, deps);
  if (isRefused(loaded)) return { problems: loaded.problems.map(problemText) };
  const { config } = loaded;
  const known = {
    organizations: config.organizations.map((one) => one.name),
    tags: Object.keys(config.tags),
    portal: config.listen.portal !== undefined,
  };
  const policy = await loadPolicy(config.protection.policy, { ...known, live: config.mode === 'live' }, deps);
  if ('problems' in policy) return { problems: policy.problems.map(problemText) };
  const roots = await rootsOf(config, deps);
  if ('problems' in roots) return roots;
  return {
    config,
    settings: settingsOf(config),
    policy: policy.policy,
    floors: floorsOf(config),
    roots,
    loadedAt: now,
    warnings: [...loaded.warnings, ...policy.warnings].map(problemText),
  };
}

async function rootsOf(
  config: Config,
  deps: LoadDeps,
): Promise<readonly Uint8Array[] | { readonly problems: readonly string[] }> {
  const roots: Uint8Array[] = [];
  for (const [index, file] of config.protection.smime.roots.entries()) {
    const read = readRoots((await deps.read(file))?.toString() ?? '');
    if ('wrong' in read) return { problems: [`protection.smime.roots[${index}]: ${file} ${read.wrong}`] };
    roots.push(...read);
  }
  return roots;
}

export type ReloadDeps = {
  readonly path: string;
  readonly load: LoadDeps;
  readonly queue: Queue;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly current: () => InForce;
  /** Puts it in force: certificates, policy copy, log level. Throws when it cannot, and then nothing changed. */
  readonly apply: (next: InForce) => Promise<void>;
};

/** What the files as they are now would touch. What cannot be loaded touches nothing: it is refused anyway. */
export async function reloadGuard(deps: ReloadDeps, options: Pick<ReloadOptions, 'acceptWeaker'>): Promise<Guard> {
  const next = await loadInForce(deps.path, deps.load, deps.clock.now());
  return 'problems' in next ? UNGUARDED : guardOf(deps.current(), next, options.acceptWeaker);
}

/** Keys of the configuration, and what a change of them is. How long parcels are kept destroys as `retention` does. */
const GUARDED = {
  anchors: ['anchors'],
  retention: ['retention', 'portal.keep', 'portal.expires'],
  four_eyes: ['four_eyes'],
} as const;

function guardOf(before: InForce, next: InForce, acceptWeaker: boolean): Guard {
  const changed = compareConfigs(before.config, next.config).map(({ key }) => key);
  const sections = (['anchors', 'retention', 'four_eyes'] as const).filter((kind) =>
    changed.some((key) =>
      GUARDED[kind].some((of) => key === of || key.startsWith(`${of}.`) || key.startsWith(`${of}[`)),
    ),
  );
  const digest = createHash('sha256').update(JSON.stringify([next.config, next.policy.version]));
  const { to } = next.config.alerts;
  // Who is told no more learns of no break-glass either: as guarded as the list itself.
  const isSilenced = before.config.alerts.to.some((one) => !to.includes(one));
  const kinds = new Set<Guard['kinds'][number]>([
    ...(acceptWeaker ? (['accept-weaker'] as const) : []),
    ...sections,
    ...(isSilenced ? (['four_eyes'] as const) : []),
  ]);
  return { kinds: [...kinds], of: digest.digest('hex') };
}

/** One reload at a time; a second one waits for the first. */
export function createReload(deps: ReloadDeps): (options: ReloadOptions) => Promise<ReloadReport> {
  let last: Promise<unknown> = Promise.resolve();
  return (options) => {
    const run = last.then(() => reload(deps, options));
    last = run.catch(() => {});
    return run;
  };
}

async function reload(deps: ReloadDeps, options: ReloadOptions): Promise<ReloadReport> {
  const before = deps.current();
  const next = await loadInForce(deps.path, deps.load, deps.clock.now());
  if ('problems' in next) return refuse(deps, options, { problems: next.problems, weaker: [] });
  const guard = guardOf(before, next, options.acceptWeaker);
  const kinds = needed(before.config.four_eyes, guard);
  if (kinds.length > 0 && options.confirmed !== guard.of) {
    const problem = `four_eyes: another operator has to confirm what changed (${kinds.join(', ')}): sealrelay reload`;
    return refuse(deps, options, { problems: [problem], weaker: [] });
  }
  const changes = compareConfigs(before.config, next.config).map((one) => changesText([one]));
  const after = { ...next, config: keepFixed(before.config, next.config) };
  const facts = await lastFacts(deps.queue);
  const verdict = reloadDecision(before, after, facts, {
    mode: before.config.mode,
    acceptWeaker: options.acceptWeaker,
  });
  if (!verdict.accept) return refuse(deps, options, { problems: [verdict.message], weaker: verdict.weaker });
  try {
    await deps.apply({ ...after, settings: settingsOf(after.config) });
  } catch (error) {
    return refuse(deps, options, {
      problems: [error instanceof Error ? error.message : 'cannot be applied'],
      weaker: [],
    });
  }
  await deps.audit.append([
    {
      organization: '-',
      actor: options.actor,
      event: 'config.loaded',
      detail: { changes: changes.length, policyVersion: after.policy.version, weaker: verdict.weaker.length },
      boxed: { reason: options.reason, changes },
    },
  ]);
  return {
    applied: true,
    problems: [],
    changes,
    needsRestart: needsRestart(before.config, next.config),
    weaker: verdict.weaker.map(weakerView),
  };
}

async function refuse(
  deps: ReloadDeps,
  options: ReloadOptions,
  why: { readonly problems: readonly string[]; readonly weaker: readonly Weakening[] },
): Promise<ReloadReport> {
  await deps.audit.append([
    {
      organization: '-',
      actor: options.actor,
      event: 'config.refused',
      detail: { problems: why.problems.length, weaker: why.weaker.length },
      boxed: { problems: why.problems },
    },
  ]);
  return { applied: false, problems: why.problems, changes: [], needsRestart: [], weaker: why.weaker.map(weakerView) };
}

function weakerView(one: Weakening): ReloadReport['weaker'][number] {
  return { rule: one.newRule, messages: one.count, example: weakeningText(one) };
}

/** The new configuration, with the old value of what only a restart can change. */
function keepFixed(before: Config, next: Config): Config {
  const { connect_timeout, recipients } = before.delivery;
  return {
    ...next,
    delivery: { ...next.delivery, connect_timeout, recipients },
    protection: { ...next.protection, tls: before.protection.tls },
    ...Object.fromEntries(RESTART.map((key) => [key, before[key as keyof Config]])),
  };
}

function needsRestart(before: Config, next: Config): string[] {
  const value = (config: Config, section: string, key: string): unknown =>
    (config[section as keyof Config] as Readonly<Record<string, unknown>>)[key];
  return [
    ...RESTART.filter((key) => !same(before[key as keyof Config], next[key as keyof Config])),
    ...RESTART_KEYS.filter(([section, key]) => !same(value(before, section, key), value(next, section, key))).map(
      (path) => path.join('.'),
    ),
  ];
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function lastFacts(queue: Queue): Promise<Facts[]> {
  const last = await queue.lastDecided(COMPARED);
  return last.flatMap(({ message, deliveries }) =>
    deliveries.map((one) => factsOf(message, message.examination ?? null, one)),
  );
}
