// The last checkpoint that this gateway signed, kept outside the rows: `audit.signed`, a file of two places that take turns, each
// the box of its number and digest under the gateway's organization key. A checkpoint is kept only when what stands before it
// follows from the one kept before. So who writes rows cannot put another past in the place of the one that was signed, not
// with checkpoints of a key of their own either. It is not synced: after a power cut an earlier one may stand there, which holds as
// well. Not in backups: what is restored is believed as it stands. Alarms when what was signed stands no more.

import { hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { BOX_OVERHEAD } from '../../crypto/box.ts';
import { type BoxPlace, VaultError } from '../../crypto/vault.ts';
import { GATEWAY } from '../../domain/ids.ts';
import { checkpointOctets, checkpointText, type SignedCheckpoint } from '../../record/checkpoint.ts';
import type { Bad } from '../../record/verify.ts';
import { isMissing } from '../bodies/io.ts';
import type { Access } from '../sqlite/access.ts';
import type { AnchorCheck } from './port.ts';
import { newWalk, type Walk, walkEntries } from './verify.ts';

export const PIN_NAME = 'audit.signed';

export type Pin = {
  /** Keeps it, which was committed. Never rejects. */
  advance(one: SignedCheckpoint): Promise<void>;
  /** Why the one that is kept stands no more, in words; null: it does, or none is kept yet. */
  wrong(): Promise<string | null>;
  /** Boxes anew what stands under an earlier organization key. */
  renew(): Promise<void>;
};

type Kept = { readonly no: number; readonly digest: Buffer };

const PLAIN = 8 + 32;
const SLOT = BOX_OVERHEAD + PLAIN;
const where = (slot: number): BoxPlace => ({
  ...{ organization: GATEWAY, table: 'audit', row: `signed ${slot}`, column: 'checkpoint' },
});

/** `entry 7 was edited`, `at entry 9 entries 7 to 8 are missing`. */
export const sayBad = ({ seq, what }: Bad): string => `${/^entr/.test(what) ? 'at entry' : 'entry'} ${seq} ${what}`;

export function openPin(access: Access, folder: string): Pin {
  const path = join(folder, PIN_NAME);
  /** Undefined before it was looked for. */
  let kept: Kept | null | undefined;
  let broken: string | null = null;
  /** Up to the one that is kept; null: it was kept by an earlier process. */
  let walk: Walk | null = null;

  async function load(): Promise<Kept | null> {
    if (kept !== undefined) return kept;
    const octets = await readSlots(path);
    const slots = [0, 1].map((i) => octets.subarray(i * SLOT, (i + 1) * SLOT)).map((box, i) => opened(access, box, i));
    const found = slots.filter((one) => one !== null).sort((a, b) => b.no - a.no)[0] ?? null;
    if (found === null && octets.some((octet) => octet !== 0))
      throw new Error('it does not open: if it was put there from elsewhere, remove it while the gateway is stopped');
    kept = found;
    return found;
  }

  /** Null when it is not there as it was. */
  async function find({ no, digest }: Kept): Promise<SignedCheckpoint | null> {
    const row = await access.read<SignedCheckpoint | null>('checkpoint', [no]);
    return row !== null && digestOf(row).equals(digest) ? row : null;
  }

  async function unfit(one: Kept, ...later: readonly SignedCheckpoint[]): Promise<string | null> {
    const row = await find(one);
    if (row === null) return `checkpoint ${one.no}, the last that was signed here, is gone or another`;
    if (later.length > 0) {
      walk ??= walkFrom(row);
      // Twice: a month that moves into its file meanwhile is found in neither place.
      const { bad } = await walkEntries(access, walk).then((found) => (found.bad ? walkEntries(access, walk!) : found));
      // Of what it saw only where it ended is of use.
      walk = newWalk([...walk.heads.values()]);
      if (bad) return sayBad(bad);
    }
    const lines = [row, ...later].map((checkpoint) => checkpointText(checkpoint));
    const { bad } = await access.read<AnchorCheck>('anchorSlice', [lines, []]);
    return bad && sayBad(bad);
  }

  async function advance(one: SignedCheckpoint): Promise<void> {
    if (broken !== null) return;
    const before = await load();
    broken = before === null ? null : await unfit(before, one);
    if (broken !== null) {
      access.alarm(`the audit is not the one that was signed: ${broken}; sealrelay log verify`);
      return;
    }
    walk ??= walkFrom(one);
    kept = { no: one.no, digest: digestOf(one) };
    const slot = one.no % 2;
    const plain = Buffer.alloc(PLAIN);
    plain.writeBigUInt64BE(BigInt(one.no));
    kept.digest.copy(plain, 8);
    await writeSlot(path, access.vault().wrap(where(slot), plain), slot * SLOT);
  }

  return {
    // What cannot be kept now is kept with the next one.
    advance: (one) =>
      advance(one).catch((error: NodeJS.ErrnoException) =>
        access.alarm(`${PIN_NAME} in the storage folder: ${error.code ?? error.message}`),
      ),
    async renew() {
      const octets = await readSlots(path);
      for (const slot of [0, 1]) {
        const made = rewrapped(access, octets.subarray(slot * SLOT, (slot + 1) * SLOT), slot);
        if (made !== null) await writeSlot(path, made, slot * SLOT);
      }
    },
    async wrong() {
      if (broken !== null) return broken;
      try {
        const one = await load();
        return one && (await unfit(one));
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return `${PIN_NAME} in the storage folder cannot be read: ${code ?? message}`;
      }
    },
  };
}

/** From where that checkpoint, and what it says of other epochs, is believed. */
function walkFrom(one: SignedCheckpoint): Walk {
  return newWalk([one, ...one.others].map(({ node, epoch, seq, hash: head }) => ({ node, epoch, seq, hash: head })));
}

function digestOf(one: SignedCheckpoint): Buffer {
  return hash('sha256', Buffer.concat([checkpointOctets(one), one.signature]), 'buffer');
}

function opened(access: Access, box: Uint8Array, slot: number): Kept | null {
  if (box.length < SLOT) return null;
  try {
    const plain = Buffer.from(access.vault().open(where(slot), box));
    return { no: Number(plain.readBigUInt64BE()), digest: plain.subarray(8) };
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

/** Null when it stands under the present key, or does not open at all. */
function rewrapped(access: Access, box: Uint8Array, slot: number): Uint8Array | null {
  if (box.length < SLOT) return null;
  try {
    return access.vault().rewrap(where(slot), box);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

async function readSlots(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2 * SLOT), 0, 2 * SLOT, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  }
}

async function writeSlot(path: string, box: Uint8Array, at: number): Promise<void> {
  const file = await open(path, 'r+', 0o600).catch((error) => {
    if (!isMissing(error)) throw error;
    return open(path, 'wx+', 0o600);
  });
  try {
    await file.write(box, 0, box.length, at);
  } finally {
    await file.close();
  }
}
