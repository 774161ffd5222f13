// `node test/bench/seal.ts`: what sealing costs on this machine.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boxKey, makeBox, openBox } from '../../src/crypto/box.ts';
import { KIND, openerOf, SEALED_CHUNK, SEALED_HEADER, Sealer } from '../../src/crypto/sealed.ts';
import type { Random } from '../../src/domain/types.ts';
import type { KeyRow } from '../../src/keys/port.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { openBodies } from '../../src/store/bodies/segments.ts';
import { readOptions, text } from '../support/options.ts';

const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };
const body = randomBytes(75_000);
const PIECE = 16_384;

function measure(name: string, times: number, run: () => unknown): void {
  for (let i = 0; i < times / 4; i++) run();
  const begun = process.cpuUsage();
  for (let i = 0; i < times; i++) run();
  const { user, system } = process.cpuUsage(begun);
  console.log(`${name.padEnd(48)} ${((user + system) / times).toFixed(1).padStart(8)} µs CPU`);
}

function pieces(take: (piece: Uint8Array) => void): void {
  for (let at = 0; at < body.length; at += PIECE) take(body.subarray(at, at + PIECE));
}

function measureCrypto(ring: Ring): void {
  const place = { organization: 'demo', table: 'delivery', row: '0123456789abcdefghijklmn.0', column: 'recipient' };
  const key = boxKey(randomBytes(32));
  const plain = Buffer.from('some.one@example.org');
  const box = makeBox(key, place, plain, randomBytes(12));
  const identity = { kind: KIND.body, object: randomBytes(16), organization: 'demo', dataKey: randomBytes(32) };
  const seal = () => {
    const sealer = new Sealer(identity);
    const out = [sealer.header];
    pieces((piece) => out.push(...sealer.write(piece)));
    out.push(...sealer.end());
    return out;
  };
  const sealed = Buffer.concat(seal());
  const now = Date.now();
  measure('box, 20 octets', 40_000, () => makeBox(key, place, plain, randomBytes(12)));
  measure('box by the ring', 40_000, () => ring.box(place, plain, now));
  measure('open', 40_000, () => openBox(key, place, box));
  measure('search tag', 40_000, () => ring.tag('demo', 'recipient', 'some.one@example.org'));
  measure('new data key', 40_000, () => ring.newDataKey('demo', '00112233445566778899aabbccddeeff'));
  measure('seal 75 kB, in pieces of 16 KiB', 4_000, seal);
  measure('open 75 kB', 4_000, () => {
    const opener = openerOf(identity);
    opener.checkHeader(sealed.subarray(0, SEALED_HEADER));
    opener.chunk(sealed.subarray(SEALED_HEADER, SEALED_HEADER + SEALED_CHUNK), 0, false);
    opener.chunk(sealed.subarray(SEALED_HEADER + SEALED_CHUNK), 1, true);
  });
  measure('digest of 75 kB', 4_000, () => {
    const digest = ring.digest('demo');
    pieces((piece) => digest.update(piece));
    digest.end();
  });
}

async function measureStore(ring: Ring, folder: string): Promise<void> {
  const dir = mkdtempSync(join(folder, 'sealrelay-bench-'));
  const clock = { now: Date.now, sleep: async () => {} };
  const bodies = await openBodies({ dir, vault: ring, clock, random });
  const one = async () => {
    const writer = bodies.create('demo', body.length);
    for (let at = 0; at < body.length; at += PIECE) await writer.write(body.subarray(at, at + PIECE));
    await writer.end(Buffer.from('{"from":"a","to":["b"]}')).durable;
  };
  const many = async (times: number) => {
    let left = times;
    const session = async () => {
      while (left-- > 0) await one();
    };
    await Promise.all(Array.from({ length: 20 }, session));
  };
  await many(200);
  const begun = process.cpuUsage();
  const at = performance.now();
  await many(800);
  const { user, system } = process.cpuUsage(begun);
  const wall = ((performance.now() - at) * 1000) / 800;
  console.log(
    `store 75 kB, durable, 20 at a time: ${((user + system) / 800).toFixed(0)} µs CPU, ${wall.toFixed(0)} µs`,
  );
  await bodies.close();
  rmSync(dir, { recursive: true });
}

const rows: KeyRow[] = [];
const keyring = {
  all: async () => rows,
  add: async (row: KeyRow) => {
    rows.push(row);
    return row;
  },
};
const { folder = tmpdir() } = readOptions({
  usage: 'node test/bench/seal.ts',
  about:
    'Measures what sealing costs: microseconds for a box, to open and to seal 75 kB, and for a body through the body store.',
  options: { folder: text('FOLDER', 'on the disk to measure (default: that of temporary files)') },
  example: 'node test/bench/seal.ts --folder /var/lib',
  exits: { 0: 'measured' },
});
const ring = await openRing({ master: [boxKey(randomBytes(32))], keyring, random });
await ring.ready('demo', Date.now());
measureCrypto(ring);
await measureStore(ring, folder);
