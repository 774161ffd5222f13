// Key slots, boxed anew in place: of a segment in runs of slots, the file synced once at the end. A slot is 128 octets within
// one sector: a crash leaves the one or the other. What was not boxed anew opens with the key of before, and the whole is
// repeated. Logs nothing.

import { type BodyFile, type BodyIo, isMissing, readUpTo, writeAll } from './io.ts';
import { decodeSlot, encodeSlot, keysFile, SLOT } from './layout.ts';

/** A new box for the object's data key; null: the slot stays as it is. */
export type Rewrap = (object: string, box: Uint8Array) => Uint8Array | null;

/** Slots of a run: some milliseconds of work. */
const RUN = 256;

/** Nothing else may write these slots meanwhile: `alone` runs its work while no body is removed, and `isWriting` names the
 *  objects whose slot is still to be written. Gives the number of slots boxed anew. Throws what the system says. */
export async function renewSlots(
  deps: {
    readonly io: BodyIo;
    readonly dir: string;
    readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
    readonly isWriting: (object: string) => boolean;
  },
  segment: string,
  rewrap: Rewrap,
): Promise<number> {
  let file: BodyFile;
  try {
    file = await deps.io.open(keysFile(deps.dir, segment), 'r+');
  } catch (error) {
    // Nothing is left in it any more.
    if (isMissing(error)) return 0;
    throw error;
  }
  try {
    let renewed = 0;
    for (let first = 0; ; first += RUN) {
      const [slots, done] = await deps.alone(() => renewRun(file, first, rewrap, deps.isWriting));
      renewed += done;
      if (slots < RUN) break;
    }
    if (renewed > 0) await file.datasync();
    return renewed;
  } finally {
    await file.close().catch(() => {});
  }
}

async function renewRun(
  file: BodyFile,
  first: number,
  rewrap: Rewrap,
  isWriting: (object: string) => boolean,
): Promise<[slots: number, renewed: number]> {
  const read = await readUpTo(file, Buffer.alloc(RUN * SLOT), first * SLOT);
  let renewed = 0;
  for (let at = 0; at + SLOT <= read.length; at += SLOT) {
    const content = decodeSlot(read.subarray(at, at + SLOT));
    if (content === 'empty' || content === 'damaged' || isWriting(content.object)) continue;
    const keyBox = rewrap(content.object, content.keyBox);
    if (keyBox === null) continue;
    await writeAll(file, [encodeSlot({ ...content, keyBox })], first * SLOT + at);
    renewed += 1;
  }
  return [Math.floor(read.length / SLOT), renewed];
}
