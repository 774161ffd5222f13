// Where things are: the configuration file, and the folder of the gateway's sockets.

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { readYaml } from '../config/document.ts';
import { baseFolder, pathResolver } from '../config/files.ts';
import { readSecret, type Secret } from '../config/secrets.ts';
import { CliError } from './errors.ts';

/** The storage folder of a configuration that names none. */
const DEFAULT_STORAGE = '~/.local/state/sealrelay';

/** `--config`, else SEALRELAY_CONFIG, else config/gateway.yaml where we stand, else that of this checkout. */
export function configFile(given: string | undefined): string {
  const named = given ?? process.env.SEALRELAY_CONFIG;
  if (named !== undefined && named !== '') return resolve(named);
  const here = resolve('config/gateway.yaml');
  return existsSync(here) ? here : new URL('../../config/gateway.yaml', import.meta.url).pathname;
}

/** Folder of control.sock and read.sock. Reads only that much of the file: who asks need not be able to check it all. */
export function socketFolder(options: { readonly config?: string; readonly socket?: string }): string {
  const named = options.socket ?? process.env.SEALRELAY_SOCKET;
  if (named !== undefined && named !== '') return resolve(named);
  const places = placesOf(configFile(options.config));
  return places.control ?? places.storage;
}

export function storageFolder(config: string | undefined): string {
  return placesOf(configFile(config)).storage;
}

/** What is needed to find the master key, also when the rest of the configuration is refused: because the key is lost. */
export type KeyPlaces = {
  readonly storage: string;
  readonly mode: 'evaluation' | 'live';
  /** Undefined: none is named. */
  readonly master: Secret | undefined;
};

export function keyPlaces(config: string | undefined): KeyPlaces {
  const file = configFile(config);
  const { storage, path, value } = placesOf(file);
  const named = valueAt(value, 'keys', 'master');
  const mode = valueAt(value, 'mode') === 'live' ? 'live' : 'evaluation';
  if (named === undefined) return { storage, mode, master: undefined };
  const read = readSecret(named, path);
  if (!read.ok) throw new CliError(`${file}: keys.master ${read.wrong}`, `sealrelay config check --config ${file}`);
  return { storage, mode, master: read.value };
}

type Places = {
  readonly storage: string;
  readonly control: string | undefined;
  /** The whole file as it was read, and how its paths are resolved. */
  readonly value: unknown;
  readonly path: (path: string) => string;
};

function placesOf(file: string): Places {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new CliError(
      `cannot read ${file}`,
      'name the gateway with --config FILE, or its sockets with --socket FOLDER',
    );
  }
  const read = readYaml(file, text);
  if (!read.ok) throw new CliError(`${file} is not well-formed`, `sealrelay config check --config ${file}`);
  const path = pathResolver(baseFolder(file), process.env.HOME ?? homedir());
  const storage = textAt(read.source.value, 'storage', 'path') ?? DEFAULT_STORAGE;
  const control = textAt(read.source.value, 'control', 'path');
  const { value } = read.source;
  return { storage: path(storage), control: control === undefined ? undefined : path(control), value, path };
}

function textAt(value: unknown, ...keys: readonly string[]): string | undefined {
  const at = valueAt(value, ...keys);
  return typeof at === 'string' ? at : undefined;
}

function valueAt(value: unknown, ...keys: readonly string[]): unknown {
  let at: unknown = value;
  for (const key of keys) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}
