// The copy of the boxed organization keys beside the bodies, `keys.jsonl`: with it and the master key the bodies open even
// when the database is lost. A line per key, JSON, box as base64url; rewritten whole, so that it is never half-written.
// Holds no plain key. Logs nothing.

import { promises } from 'node:fs';
import type { KeyRow } from '../../keys/port.ts';
import { isMissing, realIo } from './io.ts';

const NAME = 'keys.jsonl';

/** Replaces the copy; durable when it resolves. The folder is made when it is missing. */
export async function writeKeysFile(dir: string, rows: readonly KeyRow[]): Promise<void> {
  await realIo.makeFolder(dir);
  const lines = rows.map((row) => `${JSON.stringify({ ...row, box: Buffer.from(row.box).toString('base64url') })}\n`);
  const path = `${dir}/${NAME}`;
  const file = await promises.open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(lines.join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await promises.rename(`${path}.new`, path);
  await realIo.syncFolder(dir);
}

/** Rows of the copy; none when there is no copy. Throws an Error that names the bad line. */
export async function readKeysFile(dir: string): Promise<KeyRow[]> {
  let text: string;
  try {
    text = await promises.readFile(`${dir}/${NAME}`, 'utf8');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseRow);
}

function parseRow(line: string, index: number): KeyRow {
  try {
    const row = JSON.parse(line) as Record<string, unknown>;
    for (const field of ['organization', 'purpose', 'id', 'wrappedBy', 'box']) {
      if (typeof row[field] !== 'string') throw new Error(field);
    }
    for (const field of ['generation', 'createdAt']) if (typeof row[field] !== 'number') throw new Error(field);
    return { ...(row as unknown as KeyRow), box: Buffer.from(row.box as string, 'base64url') };
  } catch {
    throw new Error(`${NAME}:${index + 1}: not a key row`);
  }
}
