// The private halves of the audit's day keys: a file with two places, `audit.keys`, outside backups. A place holds a public
// key and the box of its private half under the gateway's organization key, or zeros. It is written in place and synced, so
// that what is deleted is overwritten where it stood. Logs nothing. A file system that writes elsewhere than in place (a
// snapshot, a copy-on-write disk) keeps the old octets: that cannot be seen from here.

import { BOX_OVERHEAD } from '../../crypto/box.ts';
import { type BoxPlace, type Vault, VaultError } from '../../crypto/vault.ts';
import { GATEWAY } from '../../domain/ids.ts';
import type { Random } from '../../domain/types.ts';
import { isSame, signingKey } from '../../record/checkpoint.ts';
import { type BodyFile, isMissing, readUpTo, realIo, writeAll } from '../bodies/io.ts';

export type DayKey = ReturnType<typeof signingKey>;

export type DayKeys = {
  /** Null when it is not there, or does not open. */
  find(key: Uint8Array): DayKey | null;
  /** A new pair, durable when it resolves; `keep` stays, every other is overwritten. */
  make(keep: Uint8Array | null): Promise<DayKey>;
  /** Overwrites every other, durable when it resolves. */
  keepOnly(key: Uint8Array): Promise<void>;
  /** Boxes anew what stands under an earlier organization key, durable when it resolves. Gives how many. */
  renew(): Promise<number>;
  close(): Promise<void>;
};

const NAME = 'audit.keys';
const PUBLIC = 32;
const PLACE = PUBLIC + BOX_OVERHEAD + 32;
const PLACES = [0, 1] as const;

export async function openDayKeys(
  folder: string,
  { vault, random }: { readonly vault: Vault; readonly random: Random },
): Promise<DayKeys> {
  const file = await openFile(folder);
  const octets = Buffer.alloc(PLACES.length * PLACE);
  (await readUpTo(file, Buffer.alloc(octets.length), 0)).copy(octets);
  const placeOf = (i: number) => octets.subarray(i * PLACE, (i + 1) * PLACE);
  const holds = (i: number, key: Uint8Array | null) => key !== null && isSame(placeOf(i).subarray(0, PUBLIC), key);

  let before: Promise<unknown> = Promise.resolve();
  /** One after the other: each decides by what the one before left. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = before.then(work);
    before = turn.catch(() => {});
    return turn;
  }

  async function renew(): Promise<number> {
    let renewed = 0;
    for (const i of PLACES) {
      const [key, box] = [placeOf(i).subarray(0, PUBLIC), placeOf(i).subarray(PUBLIC)];
      const made = rewrapped(vault, key, box);
      if (made === null) continue;
      const value = Buffer.concat([key, made]);
      // As long as it is not written, the one of before opens.
      await writeAll(file, [value], i * PLACE);
      await file.datasync();
      placeOf(i).set(value);
      renewed += 1;
    }
    return renewed;
  }

  async function put(i: number, value: Uint8Array): Promise<void> {
    // Should it fail half-way, it is neither a key nor empty.
    placeOf(i).fill(0xff);
    await writeAll(file, [value], i * PLACE);
    await file.datasync();
    placeOf(i).set(value);
  }

  return {
    find(key) {
      const i = PLACES.find((one) => holds(one, key));
      if (i === undefined) return null;
      try {
        const seed = vault.open(boxPlace(key), placeOf(i).subarray(PUBLIC));
        const found = signingKey(seed);
        seed.fill(0);
        return isSame(found.key, key) ? found : null;
      } catch (error) {
        if (error instanceof VaultError) return null;
        throw error;
      }
    },
    make: (keep) =>
      inTurn(async () => {
        const free = PLACES.find((one) => !holds(one, keep))!;
        const seed = random.bytes(32);
        const made = signingKey(seed);
        const box = vault.wrap(boxPlace(made.key), seed);
        seed.fill(0);
        await put(free, Buffer.concat([made.key, box]));
        return made;
      }),
    keepOnly: (key) =>
      inTurn(async () => {
        for (const i of PLACES)
          if (!holds(i, key) && placeOf(i).some((octet) => octet !== 0)) await put(i, Buffer.alloc(PLACE));
      }),
    renew: () => inTurn(renew),
    close: () => file.close(),
  };
}

async function openFile(folder: string): Promise<BodyFile> {
  const path = `${folder}/${NAME}`;
  try {
    return await realIo.open(path, 'r+');
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const file = await realIo.open(path, 'wx');
  await file.close();
  await realIo.syncFolder(folder);
  return realIo.open(path, 'r+');
}

/** Null when it stands under the present key, or does not open at all. */
function rewrapped(vault: Vault, key: Uint8Array, box: Uint8Array): Uint8Array | null {
  try {
    return vault.rewrap(boxPlace(key), box);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

function boxPlace(key: Uint8Array): BoxPlace {
  return { organization: GATEWAY, table: 'audit', row: Buffer.from(key).toString('hex'), column: 'day key' };
}
