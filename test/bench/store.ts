// `node test/bench/store.ts`: what the store's queue takes on this machine: messages accepted a second and commits a message, by how many callers
// wait at the same time, and what a whole life (accept, decide, settle) costs.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boxKey } from '../../src/crypto/box.ts';
import { type Address, type DeliveryId, type Owner, queueId } from '../../src/domain/ids.ts';
import type { Decision, Examination, NewMessage, Random, Settlement } from '../../src/domain/types.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { openStore, type Store } from '../../src/store/sqlite/open.ts';
import { readOptions, text } from '../support/options.ts';

const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };
const clock = { now: Date.now, sleep: async () => {} };
const OWNER = 'bench' as Owner;
const LEASE = 600_000;
const verb = () => randomBytes(16).toString('hex');

const EXAMINATION: Examination = {
  ...{ subject: 'a subject', messageId: '<1@clinic.test>', subjectTags: [], autoSubmitted: false },
  ...{ eightBit: false, utf8Headers: false, findings: { phi: false, counts: [], places: [] } },
  coverage: { state: 'full', parts: [] },
};
const DECISION: Decision = {
  ...{ rule: 'all', because: 'a bench', policyVersion: 'p', engineVersion: '1' },
  action: { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] },
};

function letter(no: number): NewMessage {
  const at = Date.now();
  const id = queueId(at, randomBytes(9));
  const destination = `d${no % 50}.test`;
  return {
    ...{ id, organization: 'clinic', origin: 'relayed', acceptedAt: at, acceptedBy: 'gw', size: 75_000, dsn: {} },
    ...{ reversePath: 'lee@clinic.test', sender: ['lee@clinic.test' as Address], smtpUtf8: false },
    digest: randomBytes(32),
    cause: { kind: 'smtp', key: id },
    trace: { helo: 'mail.clinic.test', ip: '192.0.2.7', with: 'ESMTPS', proof: ['network'] },
    body: { object: verb(), file: '1', offset: no, length: 75_200, key: randomBytes(60).toString('base64url') },
    deliveries: [
      {
        ...{ recipient: `p${no}@${destination}` as Address, dsn: {}, destination, priority: 'normal' },
        expiresAt: at + 432_000_000,
      },
    ],
  };
}

async function accept({ queue }: Store, no: number): Promise<void> {
  const message = letter(no);
  await queue.accept(verb(), message, message.cause);
}

async function live({ queue }: Store, no: number): Promise<void> {
  const message = letter(no);
  const until = Date.now() + LEASE;
  const { lease } = await queue.accept(verb(), message, message.cause, { owner: OWNER, until });
  const delivery = `${message.id}.0` as DeliveryId;
  const decided = [{ delivery, decision: DECISION }];
  const take = { owner: OWNER, until, limit: 1 };
  let [taken] = await queue.decided(verb(), message.id, lease!.lease, EXAMINATION, decided, take);
  // Its lane had something due before it.
  if (!taken) [taken] = await queue.lease(OWNER, 1, until, { recipients: 50 });
  if (!taken) return;
  const settlement: Settlement = {
    ...{ delivery: taken.deliveries[0]!.id, step: 0, protection: 'tls', next: { state: 'delivered' } },
    ...{ because: 'delivered', status: '2.0.0' },
    outcome: {
      kind: 'delivered',
      reply: { code: 250, enhanced: '2.0.0', text: 'ok' },
      evidence: { hop: 'mx', address: '192.0.2.25', port: 25, mx: 'mx', level: 'verify', version: 'TLSv1.3' },
    },
  };
  await queue.settle(verb(), taken.lease, [settlement]);
}

async function measure(store: Store, name: string, callers: number, messages: number, one: typeof accept) {
  let no = 0;
  const caller = async () => {
    while (no < messages) await one(store, no++);
  };
  const before = store.stats();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const commits = (store.stats().batches - before.batches) / messages;
  const rate = `${(messages / seconds).toFixed(0).padStart(7)}/s`;
  const each = `${((user + system) / 1000 / messages).toFixed(3)} ms CPU`;
  console.log(
    `${name.padEnd(24)}${String(callers).padStart(4)} callers${rate}  ${commits.toFixed(3)} commits  ${each}`,
  );
}

const { folder = tmpdir() } = readOptions({
  usage: 'node test/bench/store.ts',
  about:
    "Measures what the store's queue takes, synced: messages accepted a second and commits a message, by how many callers wait at the same time, and what a whole life (accept, decide, settle) costs.",
  options: { folder: text('FOLDER', 'on the disk to measure (default: that of temporary files)') },
  example: 'node test/bench/store.ts --folder /var/lib',
  exits: { 0: 'measured' },
});
const path = mkdtempSync(join(folder, 'sealrelay-bench-'));
let ring: Ring;
const store = await openStore({ path, node: 'gw', vault: () => ring, clock, random });
try {
  ring = await openRing({ master: [boxKey(randomBytes(32))], keyring: store.keyring, random });
  await ring.ready('clinic', Date.now());
  console.log(`node test/bench/store.ts ${folder}: a message with one recipient; commits and CPU are for each message`);
  await measure(store, 'warming up', 50, 2_000, live);
  for (const callers of [1, 10, 50, 200]) {
    await measure(store, 'accept', callers, callers === 1 ? 1_000 : 10_000, accept);
  }
  for (const callers of [1, 50, 200]) {
    await measure(store, 'accept, decide, settle', callers, callers === 1 ? 500 : 5_000, live);
  }
  const { entries, intact } = await store.audit.verify();
  console.log(`the audit's ${entries} entries are ${intact ? 'intact' : 'NOT intact'}`);
  if (!intact) process.exitCode = 1;
} finally {
  await store.close();
  rmSync(path, { recursive: true });
}
