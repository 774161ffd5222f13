// Secrets stand in the configuration only as references: `{file: /etc/sealrelay/master.key}` or `{env: NAME}`. A value is
// read when it is first wanted, never stands in `Config`, a message or a log, and an environment variable is deleted
// once it is read, so that no child process inherits it. Cannot protect a value from root.

import type { ConfigDeps } from './files.ts';
import type { Reading } from './units.ts';

/** Where a secret is; `file` is absolute. */
export type Secret = { readonly file: string } | { readonly env: string };

export function readSecret(value: unknown, resolve: (path: string) => string): Reading<Secret> {
  const form = 'write {file: PATH} or {env: NAME}';
  if (typeof value === 'string') return { ok: false, wrong: `a secret never stands in this file; ${form}` };
  const entries = value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : [];
  const [kind, where] = entries[0] ?? [];
  if (entries.length !== 1 || typeof where !== 'string' || where === '')
    return { ok: false, wrong: `must be a secret; ${form}` };
  if (kind === 'file') return { ok: true, value: { file: resolve(where) } };
  if (kind !== 'env') return { ok: false, wrong: `must be a secret; ${form}` };
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(where))
    return { ok: false, wrong: `"${where}" is not the name of an environment variable` };
  return { ok: true, value: { env: where } };
}

export type SecretReading =
  | { readonly ok: true; readonly value: Buffer }
  | { readonly ok: false; readonly wrong: string };

/** Reads secrets and remembers those that came from the environment, for the next reload. */
export interface Secrets {
  /** The bytes without a last line end. `wrong` names the file or variable, never what is in it. */
  read(secret: Secret): Promise<SecretReading>;
  /** What would keep `read` from working, without taking the value; null when nothing would. */
  check(secret: Secret): Promise<string | null>;
  /** Why live mode refuses it: it is one of the demo. */
  checkLive(secret: Secret): Promise<string | null>;
}

/** A secret of the demo or of a test contains this; live mode refuses it. */
export const DEMO_MARK = 'sealrelay-demo';

export function createSecrets(deps: Pick<ConfigDeps, 'env' | 'read' | 'stat'>): Secrets {
  const taken = new Map<string, Buffer>();
  const check = async (secret: Secret): Promise<string | null> => {
    if ('env' in secret) {
      const there = taken.has(secret.env) || (deps.env[secret.env] ?? '') !== '';
      return there ? null : `the environment variable ${secret.env} is not set`;
    }
    const stat = await deps.stat(secret.file);
    if (stat === null) return `there is no file ${secret.file}`;
    if (!stat.isFile) return `${secret.file} is not a file`;
    // systemd gives credentials mode 0440, the group bits being the mask of an access list for the service's user alone.
    const credentials = deps.env.CREDENTIALS_DIRECTORY;
    const others = credentials && secret.file.startsWith(`${credentials}/`) ? 0o337 : 0o077;
    if ((stat.mode & others) !== 0) {
      return `${secret.file} can be read by others (mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')}); run chmod 0600 ${secret.file}`;
    }
    return null;
  };
  const take = (name: string): Buffer => {
    const value = taken.get(name) ?? Buffer.from(deps.env[name] ?? '');
    taken.set(name, value);
    delete deps.env[name];
    return value;
  };
  const read = async (secret: Secret): Promise<SecretReading> => {
    const wrong = await check(secret);
    if (wrong !== null) return { ok: false, wrong };
    if ('env' in secret) return { ok: true, value: take(secret.env) };
    const bytes = await deps.read(secret.file);
    if (bytes === null) return { ok: false, wrong: `${secret.file} cannot be read` };
    const end = bytes.at(-1) === 10 ? (bytes.at(-2) === 13 ? -2 : -1) : bytes.length;
    return { ok: true, value: bytes.subarray(0, end) };
  };
  const checkLive = async (secret: Secret): Promise<string | null> => {
    const value =
      'env' in secret
        ? (taken.get(secret.env) ?? Buffer.from(deps.env[secret.env] ?? ''))
        : await deps.read(secret.file);
    return value?.includes(DEMO_MARK) ? 'this is a secret of the demo; live mode wants one of its own' : null;
  };
  return { read, check, checkLive };
}
