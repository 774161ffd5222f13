// What `sealrelay doctor` judges on a machine, besides the figures of the living gateway. Pure: facts → checks.

import { termText } from '../config/units.ts';
import { above, type Figure, type Light, SYNC, WAL } from './figures.ts';
import { type FileSystem, storageFault } from './filesystem.ts';
import { octetsOf } from './words.ts';

export const GROUPS = ['runtime', 'config', 'storage', 'keys', 'watched'] as const;
export type Group = (typeof GROUPS)[number];
export type Check = Figure & { readonly group: Group };

/** `null` where it could not be seen. */
export type Facts = {
  readonly live: boolean;
  readonly node: string;
  readonly runtime: RuntimeFacts | null;
  readonly config: {
    readonly file: string;
    /** Why it is refused: `file:line:col key: what`. */
    readonly problems: readonly string[];
    readonly warnings: readonly string[];
    readonly anchors: boolean;
    /** Of `anchors.file`: why no line can be added to it; null when one can. */
    readonly anchorFile: { readonly file: string; readonly fault: string | null } | null;
    /** Months that the audit is kept. */
    readonly months: number;
    readonly alerts: boolean;
  };
  readonly storage: StorageFacts | null;
  readonly keys: KeyFacts | null;
};

/** Of the running gateway; `uid` 0 is root. */
export type RuntimeFacts = {
  readonly version: string;
  readonly faults: readonly string[];
  readonly threads: number;
  readonly uid: number;
  /** That it may have open; null: any number. */
  readonly files: number | null;
};

export type StorageFacts = {
  readonly path: string;
  readonly exists: boolean;
  readonly fileSystem: FileSystem;
  /** Permission bits of the folder. */
  readonly mode: number;
  /** Owner and who asks. */
  readonly uid: number;
  readonly asker: number;
  readonly free: number;
  readonly reserve: number;
  readonly low: number;
  /** Milliseconds; null when this user may not write there, or the gateway measures it itself. */
  readonly sync: number | null;
  readonly wal: number | null;
  /** `ok`, what is wrong, or null when it was not looked at. */
  readonly integrity: string | null;
};

export type KeyFacts = {
  readonly source: string;
  /** Why it cannot be used, in words. */
  readonly problem: string | null;
  /** This user may not look. */
  readonly hidden: boolean;
  /** It stands in the storage folder, where backups would take it along. */
  readonly beside: boolean;
  /** Keys of the database: how many, and how many of them no line of the file wraps; null when it was not looked at. */
  readonly boxes: { readonly all: number; readonly closed: number } | null;
};

/** Where systemd puts what it hands to a service while that runs. */
export const CREDENTIALS = '/run/credentials/';
const HANDED_OVER = 'systemd hands that file over while the service runs: it cannot be judged from here.';
const NODE = 24;
const FILES = [4_096, 1_024] as const;
/** Months. Six years; and what is looked for long after an incident. */
const DOCUMENTATION = 72;
const INCIDENT = 6;

function below(value: number, [yellow, red]: readonly [number, number]): Light {
  if (value < red) return 'red';
  return value < yellow ? 'yellow' : 'green';
}

export function examine(facts: Facts): Check[] {
  return [...runtimeChecks(facts), ...configChecks(facts), ...storageChecks(facts), ...keyChecks(facts)];
}

function checkOf(group: Group) {
  return (name: string, light: Light, value: string, means: string, next: string): Check => ({
    ...{ group, name, light, value, means },
    next: light === 'green' ? null : next,
  });
}

function runtimeChecks({ node, runtime, live }: Facts): Check[] {
  const check = checkOf('runtime');
  const major = Number(/^v(\d+)/.exec(node)?.[1] ?? 0);
  const version = check(
    'node',
    major === NODE ? 'green' : 'red',
    node,
    `Sealrelay is built and tested with Node ${NODE}.`,
    'run it by the node of this installation (npm ci, node_modules/.bin/node).',
  );
  if (runtime === null) return [version];
  const faults = runtime.faults.map((fault) =>
    check(
      'how it was started',
      live ? 'red' : 'yellow',
      fault,
      'The way in which it was started would let others look into it.',
      'start it by the unit of systemd/README.md.',
    ),
  );
  return [
    version,
    check('gateway', 'green', `runs, version ${runtime.version}`, 'It answers on its local socket.', ''),
    ...faults,
    check(
      'threads for the disk',
      below(runtime.threads, [8, 4]),
      String(runtime.threads),
      'UV_THREADPOOL_SIZE: how many reads and writes run at the same time.',
      'set UV_THREADPOOL_SIZE=8 where it is started.',
    ),
    check(
      'open files',
      below(runtime.files ?? Number.POSITIVE_INFINITY, FILES),
      `${runtime.files ?? 'any number'} allowed`,
      'Each session, delivery and body in hand needs one.',
      'LimitNOFILE=65536 in the systemd unit, or ulimit -n.',
    ),
    check(
      'user',
      runtime.uid === 0 ? 'yellow' : 'green',
      runtime.uid === 0 ? 'root' : `user id ${runtime.uid}`,
      'A fault in the gateway can do what its user may do.',
      'run it as a user of its own (systemd/README.md).',
    ),
  ];
}

function configChecks({ config, live }: Facts): Check[] {
  const check = checkOf('config');
  const { file, problems, warnings, anchors, anchorFile, alerts, months } = config;
  const refused = problems.map((problem) =>
    problem.includes(CREDENTIALS)
      ? check('configuration', 'yellow', problem, HANDED_OVER, 'ask as root while the service runs.')
      : check('configuration', 'red', problem, 'The file would be refused at the next start or reload.', 'correct it.'),
  );
  if (refused.length > 0) return refused;
  return [
    check('configuration', 'green', `${file} is good`, 'It would be taken at a start or reload.', ''),
    ...warnings.map((warning) =>
      check('warning', 'yellow', warning, 'It is taken as it is, and is weaker than it could be.', 'config/README.md.'),
    ),
    check(
      'mode',
      'green',
      live ? 'live' : 'evaluation',
      live ? 'It delivers.' : 'It delivers to this machine and to overrides.hosts only, and holds the rest.',
      '',
    ),
    check(
      'anchors',
      anchors ? 'green' : live ? 'red' : 'yellow',
      anchors ? 'leave this machine' : 'none',
      'Without anchors elsewhere, who owns this machine could rewrite the whole audit unseen.',
      'name a file, https or mail in anchors: (config/README.md, "Anchors").',
    ),
    ...(anchorFile === null
      ? []
      : [
          check(
            'anchor file',
            anchorFile.fault === null ? 'green' : live ? 'red' : 'yellow',
            anchorFile.fault === null
              ? `${anchorFile.file} can be added to`
              : `${anchorFile.file} cannot be added to (${anchorFile.fault})`,
            'Every 15 minutes the gateway adds a line there; what it cannot add proves nothing later.',
            'mount its disk, make its folder, or let the user of the gateway write there; with the unit of systemd/ also ReadWritePaths=.',
          ),
        ]),
    check(
      'how long the audit is kept',
      months >= DOCUMENTATION ? 'green' : live && months < INCIDENT ? 'red' : 'yellow',
      termText(months),
      'HIPAA keeps documentation for six years (45 CFR 164.316(b)(2)); who got what is shown by the audit alone. Older months are destroyed.',
      'set retention.audit to 6 years or more, or note why the audit is kept elsewhere (sealrelay log export).',
    ),
    check(
      'alerts',
      alerts ? 'green' : 'yellow',
      alerts ? 'are told by mail' : 'nobody is told by mail',
      'Who learns that the gateway needs a person without looking.',
      'name addresses in alerts.to.',
    ),
  ];
}

function storageChecks({ storage, live }: Facts): Check[] {
  if (storage === null) return [];
  const check = checkOf('storage');
  const { path, exists, fileSystem, mode, uid, asker, free, reserve, low, sync, wal, integrity } = storage;
  const fault = storageFault(fileSystem);
  const checks = [
    check(
      'file system',
      fault === null ? 'green' : live ? 'red' : 'yellow',
      fault ?? fileSystem.name,
      'Mail is acknowledged when the disk says that it is safe: that must be true.',
      'put storage.path on a local disk; live mode does not start elsewhere.',
    ),
    check(
      'free space',
      free < reserve ? 'red' : free < low ? 'yellow' : 'green',
      octetsOf(free),
      `Mail is taken while at least ${octetsOf(reserve)} are free (limits.reserve_disk; while the reserve is not there also twice limits.reserve_file).`,
      'free or add disk space.',
    ),
  ];
  if (!exists) {
    const means = 'It is made at the first start.';
    return [...checks, check('folder', 'green', `${path} is not there yet`, means, '')];
  }
  const others = mode & 0o077;
  const mine = asker === 0 || uid === asker;
  checks.push(
    check(
      'folder',
      others !== 0 ? 'red' : mine ? 'green' : 'yellow',
      `mode ${mode.toString(8).padStart(4, '0')}, of user id ${uid}`,
      'Queue, bodies and audit: only the user of the gateway may look into it.',
      others !== 0 ? `chmod 700 ${path}` : 'ask as that user, or as root, to see more.',
    ),
  );
  if (sync !== null) {
    const means = 'How long the disk takes to make a small write durable. Every message waits for one.';
    const next = 'look for another program that writes much; use a faster disk.';
    checks.push(check('sync time', above(sync, SYNC), `${sync.toFixed(1)} ms`, means, next));
  }
  if (wal !== null) {
    const means = 'Changes that are durable and not yet moved into the database file.';
    const next = 'start and stop the gateway once: it empties the log when it ends.';
    checks.push(check('write-ahead log', above(wal, WAL), octetsOf(wal), means, next));
  }
  if (integrity !== null) {
    const means = 'SQLite reads all of queue.db and checks its form.';
    const next = 'do not start it; systemd/README.md, "When the database is lost".';
    checks.push(check('database', integrity === 'ok' ? 'green' : 'red', integrity, means, next));
  }
  return checks;
}

function keyChecks({ keys, runtime }: Facts): Check[] {
  if (keys === null) return [];
  const check = checkOf('keys');
  const { source, problem, hidden, beside, boxes } = keys;
  const means = 'It opens all other keys. Whoever has it and the storage folder can read the queue.';
  if (hidden) {
    const [light, value] =
      runtime === null
        ? (['yellow', 'cannot be read from here'] as const)
        : (['green', 'the running gateway has it'] as const);
    const next = 'ask as the user of the gateway, or as root, while it runs.';
    return [check('master key', light, `${source}: ${value}`, means, next)];
  }
  if (problem !== null) {
    return [
      check(
        'master key',
        'red',
        problem,
        means,
        'certs/README.md; from a recovery copy: sealrelay keys master check --from-paper --write FILE.',
      ),
    ];
  }
  const checks = [
    check(
      'master key',
      beside ? 'yellow' : 'green',
      beside ? `${source} stands in the storage folder` : source,
      beside ? 'Who copies that folder has the key too.' : means,
      'move it elsewhere, and name the new place in keys.master.',
    ),
  ];
  if (boxes !== null) {
    const { all, closed } = boxes;
    checks.push(
      check(
        'keys of the database',
        closed > 0 ? 'red' : 'green',
        closed > 0
          ? `${closed} of ${all} are wrapped by a master key that is not in the file`
          : `${all}, all can be opened`,
        'Each organization has keys of its own, wrapped by the master key.',
        'put the right master key back; without it that mail cannot be read.',
      ),
    );
  }
  return checks;
}
