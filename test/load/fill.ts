// Fills the state folder of a gateway that does not run: messages with sealed bodies, decided and ready, by the store's own
// verb. By SMTP 100,000 of them would take minutes, and many would be gone before the last one is there.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, domainOf, type OrganizationName, queueId } from '../../src/domain/ids.ts';
import type { Decision, NewMessage, Priority, Random, StoredEnvelope } from '../../src/domain/types.ts';
import { createMasterFile, readMasterFile } from '../../src/keys/master.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { encodeEnvelope } from '../../src/store/bodies/envelope.ts';
import { writeKeysFile } from '../../src/store/bodies/keys-file.ts';
import { openBodies } from '../../src/store/bodies/segments.ts';
import { openStore } from '../../src/store/sqlite/open.ts';

export type Filling = {
  readonly count: number;
  readonly organization: OrganizationName;
  readonly sender: string;
  readonly priority: Priority;
  readonly recipient: (i: number) => string;
  /** It only lies there, as mail of ours of which nobody is told: notes about what is held would be the load. */
  readonly held?: boolean;
};

export const NODE = 'gw';
const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };
const clock = { now: Date.now, sleep: async () => {} };
const LIFETIME = 5 * 86_400_000;
const AT_ONCE = 1_000;
const DECIDED = { because: 'a load trial', policyVersion: 'load', engineVersion: '1' };
const DELIVER: Decision = {
  ...{ ...DECIDED, rule: 'everything may leave' },
  action: { kind: 'deliver', protections: [{ name: 'tls', level: 'may' }] },
};
const HOLD: Decision = { ...DECIDED, rule: 'kept', action: { kind: 'hold' } };

/** Adds the messages to the state in `storage`; the master key is the one that evaluation mode makes there. */
export async function fill(storage: string, fillings: readonly Filling[]): Promise<void> {
  let ring: Ring | undefined;
  const vault = (): Ring => ring as Ring;
  const store = await openStore({ path: storage, node: NODE, vault, clock, random });
  try {
    const key = join(storage, 'evaluation-master.key');
    if (!existsSync(key)) createMasterFile(key, random);
    const dir = join(storage, 'bodies');
    const copy = (rows: Parameters<typeof writeKeysFile>[1]) => writeKeysFile(dir, rows);
    ring = await openRing({ master: readMasterFile(key), keyring: store.keyring, random, copy });
    const bodies = await openBodies({ dir, vault: ring, clock, random, limits: { reserve: 0 } });
    for (const one of fillings) {
      await ring.ready(one.organization, Date.now());
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < one.count) {
          const { message, body } = letter(one, next++);
          const writer = bodies.create(one.organization, body.length);
          await writer.write(body);
          const written = writer.end(encodeEnvelope(message));
          const whole: NewMessage = { ...message, size: written.size, digest: written.digest, body: written.ref };
          const decision = one.held ? HOLD : DELIVER;
          const deliveries = whole.deliveries.map((delivery) => ({ ...delivery, decision }));
          await Promise.all([written.durable, store.queue.accept(hex(), { ...whole, deliveries }, message.cause)]);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    }
    await bodies.close();
  } finally {
    await store.close();
  }
}

function letter({ organization, sender, recipient, priority, held }: Filling, i: number) {
  const at = Date.now();
  const id = queueId(at, randomBytes(9));
  const to = recipient(i) as Address;
  const message: StoredEnvelope = {
    ...{ id, organization, reversePath: sender, sender: [sender as Address], acceptedAt: at, acceptedBy: NODE },
    ...{ cause: { kind: 'smtp', key: id }, origin: held ? 'note' : 'submitted', dsn: {}, smtpUtf8: false },
    trace: { helo: 'crm.test', ip: '127.0.0.1', with: 'ESMTPSA', proof: ['SMTP AUTH'] },
    deliveries: [{ recipient: to, dsn: {}, destination: domainOf(to), priority, expiresAt: at + LIFETIME }],
  };
  const lines = [`From: <${sender}>`, `To: <${to}>`, `Subject: news ${i}`, `Message-ID: <${id}@load.test>`];
  const body = Buffer.from(
    `${lines.join('\r\n')}\r\nMIME-Version: 1.0\r\n\r\n${'Dear reader, this is the news.\r\n'.repeat(30)}`,
  );
  return { message, body };
}

function hex(): string {
  return randomBytes(16).toString('hex');
}
