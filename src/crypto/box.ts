// Boxes: keys and small values under AES-256-GCM, bound to the place where they stand, so that a value moved to another
// row, column or organization does not open (src/README.md, "Box"). Pure; logs nothing. It cannot tell an older value of the
// same place from the present one.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { join, keyId } from './derive.ts';
import { type BoxPlace, VaultError } from './vault.ts';

const NONCE = 12;
const TAG = 16;
const ID = 4;
const BEFORE = ID + NONCE;
/** Without it Node 24 takes tags of four octets. */
const TAGGED = { authTagLength: TAG } as const;

/** Octets that a box adds to its plain value. */
export const BOX_OVERHEAD = BEFORE + TAG;

/** A key that makes and opens boxes. A KeyObject, not its bytes: a cipher from bytes costs four times as much. */
export type BoxKey = { readonly id: Buffer; readonly secret: KeyObject };

/** `bytes` (32) are copied; the caller may overwrite them. */
export function boxKey(bytes: Uint8Array): BoxKey {
  if (bytes.length !== 32) throw new Error('a key has 32 octets');
  const secret = createSecretKey(bytes);
  return { id: keyId(secret), secret };
}

function bound(place: BoxPlace, id: Uint8Array): Buffer {
  return join('sealrelay/1 box', place.organization, place.table, place.row, place.column, id);
}

/** Key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16). `nonce` must be random and never used twice with the key. */
export function makeBox(key: BoxKey, place: BoxPlace, plain: Uint8Array, nonce: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce, TAGGED);
  cipher.setAAD(bound(place, key.id));
  const sealed = cipher.update(plain);
  cipher.final();
  const out = Buffer.allocUnsafe(BOX_OVERHEAD + sealed.length);
  out.set(key.id, 0);
  out.set(nonce, ID);
  out.set(sealed, BEFORE);
  out.set(cipher.getAuthTag(), BEFORE + sealed.length);
  return out;
}

/** Id of the key that a box names, as a number; -1 when it is too short to be one. */
export function keyOfBox(box: Uint8Array): number {
  if (box.length < BOX_OVERHEAD) return -1;
  return box[0]! * 0x1000000 + ((box[1]! << 16) | (box[2]! << 8) | box[3]!);
}

/** Throws VaultError `does not open`: another key, another place, or changed bytes; it cannot say which. */
export function openBox(key: BoxKey, place: BoxPlace, box: Uint8Array): Buffer {
  if (box.length < BOX_OVERHEAD) throw new VaultError('does not open', 'the box is too short');
  const decipher = createDecipheriv('aes-256-gcm', key.secret, box.subarray(ID, BEFORE), TAGGED);
  decipher.setAAD(bound(place, box.subarray(0, ID)));
  decipher.setAuthTag(box.subarray(box.length - TAG));
  const plain = decipher.update(box.subarray(BEFORE, box.length - TAG));
  try {
    decipher.final();
  } catch {
    throw new VaultError('does not open', `a box of ${place.table}.${place.column} does not open`);
  }
  return plain;
}
