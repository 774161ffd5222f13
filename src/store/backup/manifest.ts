// The manifest of a backup, `manifest.json`: written last, so that a backup without one is known to be unfinished. It names
// every file with its size and SHA-256, and where the audit ended. Nothing in it is of a person. While the backup is made,
// `manifest.unfinished` stands in its place.

import { hash } from 'node:crypto';

export const MANIFEST = 'manifest.json';
export const UNFINISHED = 'manifest.unfinished';
/** Raised when an older gateway could not restore it any more. */
const FORMAT = 'sealrelay backup 1';

export type BackupFile = {
  /** Below the backup's folder, with `/`. */
  readonly path: string;
  /** Octets. */
  readonly size: number;
  /** 64 hex. */
  readonly sha256: string;
};

export type Manifest = {
  readonly format: string;
  /** Version of the gateway that made it, and of the schema of its database. */
  readonly version: string;
  readonly schema: number;
  readonly node: string;
  /** Storage folder that it was made of. */
  readonly storage: string;
  /** ISO 8601: the moment that it is of. */
  readonly at: string;
  /** Where the audit ended at that moment. `hash`: hex. */
  readonly audit: { readonly epoch: number; readonly seq: number; readonly hash: string };
  readonly files: readonly BackupFile[];
  /** SHA-256 of all above as JSON, so that damage to the manifest itself shows. */
  readonly sha256: string;
};

export function manifestText(of: Omit<Manifest, 'format' | 'sha256'>): string {
  const whole = { format: FORMAT, ...of };
  return `${JSON.stringify({ ...whole, sha256: hash('sha256', JSON.stringify(whole)) }, null, 1)}\n`;
}

/** The manifest, or what is wrong with it, in words. */
export function readManifest(text: string): Manifest | string {
  let read: Manifest;
  try {
    read = JSON.parse(text) as Manifest;
  } catch {
    return 'is damaged';
  }
  if (typeof read !== 'object' || read === null || typeof read.format !== 'string') return 'is no manifest of a backup';
  if (read.format !== FORMAT) return `is of another release (${read.format.slice(0, 40)}): restore it with that`;
  const { sha256, ...whole } = read;
  if (hash('sha256', JSON.stringify(whole)) !== sha256) return 'is damaged';
  if (!read.files.every(({ path }) => isInside(path))) return 'names a file outside the backup';
  return read;
}

function isInside(path: string): boolean {
  return (
    path !== '' && !path.includes('\0') && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
  );
}
