// What a thief reads of a parcel that was delivered: all files and rows, and then the master key too; never its text.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type BoxKey, boxKey, openBox } from '../../../src/crypto/box.ts';
import { KIND } from '../../../src/crypto/sealed.ts';
import { type BoxPlace, VaultError } from '../../../src/crypto/vault.ts';
import { openRing } from '../../../src/keys/ring.ts';
import { locatorOf, newToken, openDataKey, openGrant } from '../../../src/portal/tokens.ts';
import { random } from '../../support/vault.ts';
import { CLINIC, HOST, openWorld, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

function everyFile(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return Buffer.concat(files.filter((file) => statSync(file).isFile()).map((file) => readFileSync(file)));
}

/** Every box and blob of every row, with what stands beside it. */
function everyBlob(folder: string): Buffer[] {
  const db = new Database(join(folder, 'queue.db'), { readonly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
    return tables.flatMap((table) =>
      (db.prepare(`SELECT * FROM "${table}"`).all() as Record<string, unknown>[]).flatMap((row) =>
        Object.values(row).filter((value): value is Buffer => Buffer.isBuffer(value)),
      ),
    );
  } finally {
    db.close();
  }
}

function opens(key: BoxKey, place: BoxPlace, box: Uint8Array): boolean {
  try {
    openBox(key, place, box);
    return true;
  } catch {
    return false;
  }
}

test('files and database: no text, address, token, code or cookie', async () => {
  const { links, senders } = await world.parcels();
  const { challenge, code } = await world.code('link', links[0] as string);
  const entered = await world.portal.enter(HOST, 'link', links[0] as string, challenge, code);
  if (entered.kind !== 'in') throw new Error();
  const all = everyFile(world.folder).toString('latin1');
  expect(all.length).toBeGreaterThan(10_000);
  for (const secret of [
    links[0],
    senders[0],
    entered.cookie,
    'canary',
    'patient',
    'Dr. Lee',
    `${code.slice(0, 3)} ${code.slice(3)}`,
  ]) {
    expect(all.includes(secret as string)).toBe(false);
  }
  for (const secret of [Buffer.from(entered.cookie, 'base64url'), Buffer.from(code)]) {
    const blobs = everyBlob(world.folder);
    expect(blobs.some((blob) => blob.includes(secret))).toBe(false);
  }
});

test('with the master key and without a link no delivered parcel opens', async () => {
  const { transaction, links } = await world.parcels();
  await world.enter('link', links[0] as string);
  // Delivered: the message's own body key is gone, and so are those of the mails that bore links and codes.
  await world.bodies.remove(transaction.message.body);
  for (const origin of ['notice', 'receipt', 'code'] as const) {
    for (const { message } of await world.sent(origin, transaction.message.id)) await world.bodies.remove(message.body);
  }
  const thief = await openRing({ master: [world.master], keyring: world.store.keyring, random });
  const parcel = (await world.store.parcels.ofDelivery(transaction.deliveries[0]!.id))!;
  const grant = (await world.store.parcels.grant(locatorOf(links[0] as string)))!;
  // The control: with the link it opens.
  const key = openGrant(thief, grant, links[0] as string);
  const dataKey = openDataKey(key, parcel);
  let text = '';
  for await (const chunk of world.bodies.openWith(CLINIC, parcel.body, dataKey, KIND.parcel)) text += chunk.toString();
  expect(text).toContain('canary text');

  // The master key opens the outer box; what is in it opens with no key that the thief has.
  const outer = { organization: CLINIC, table: 'access_grant', row: grant.locator, column: 'key' };
  const inner = thief.open(outer, grant.box);
  const innerPlace = { ...outer, row: `${grant.locator} ${grant.conversation}`, column: 'inner' };
  const parcelPlace = {
    organization: CLINIC,
    table: 'parcel',
    row: `${parcel.id} ${parcel.body.object}`,
    column: 'key',
  };
  const bodyBox = Buffer.from(parcel.body.key, 'base64url');
  expect(() => thief.open(parcelPlace, bodyBox)).toThrow(VaultError);
  expect(() => thief.open(innerPlace, inner)).toThrow(VaultError);
  expect(() => thief.openDataKey(CLINIC, parcel.body.object, bodyBox)).toThrow(VaultError);
  expect(() => openGrant(thief, grant, newToken(random))).toThrow(VaultError);
  // Any 32 octets of any row, box or opened box, tried as the key.
  const rows = [
    ...everyBlob(world.folder),
    ...(await world.store.keyring.all()).map(({ box }) => Buffer.from(box)),
    Buffer.from(inner),
  ];
  let tried = 0;
  let openedWith = 0;
  for (const blob of rows) {
    for (let at = 0; at + 32 <= Math.min(blob.length, 256); at++) {
      const by = boxKey(blob.subarray(at, at + 32));
      tried += 1;
      if (opens(by, parcelPlace, bodyBox) || opens(by, innerPlace, inner)) openedWith += 1;
    }
  }
  expect(tried).toBeGreaterThan(1_000);
  expect(openedWith).toBe(0);
  expect(opens(boxKey(key), parcelPlace, bodyBox)).toBe(true);
  expect(
    everyBlob(world.folder).some((blob) => blob.includes(Buffer.from(key)) || blob.includes(Buffer.from(dataKey))),
  ).toBe(false);
});
