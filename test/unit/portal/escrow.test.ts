// The portal step of a delivery, on a real store: what comes to be, all at once or not at all.

import { simpleParser } from 'mailparser';
import { KIND } from '../../../src/crypto/sealed.ts';
import type { Address, QueueId } from '../../../src/domain/ids.ts';
import type { Parcel } from '../../../src/domain/portal.ts';
import { createEscrow } from '../../../src/portal/escrow.ts';
import { locatorOf, openDataKey, openGrant } from '../../../src/portal/tokens.ts';
import { BodyError } from '../../../src/store/bodies/port.ts';
import { random } from '../../support/vault.ts';
import { CLINIC, DAY, LEE, MAIL, openWorld, PATIENT, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const OTHER = 'bob@oldmail.demo' as Address;
const statesOf = async (id: QueueId) => (await world.store.queue.message(id))!.deliveries.map(({ state }) => state);

async function opened(token: string, parcel: Parcel): Promise<string> {
  const grant = (await world.store.parcels.grant(locatorOf(token)))!;
  const dataKey = openDataKey(openGrant(world.ring, grant, token), parcel);
  const chunks: Uint8Array[] = [];
  for await (const chunk of world.bodies.openWith(CLINIC, parcel.body, dataKey, KIND.parcel)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

test('each recipient gets a parcel, a notice and a link that opens the message; the sender one receipt', async () => {
  const { transaction, links, senders } = await world.parcels({ to: [PATIENT, OTHER] });
  const { message, deliveries } = transaction;
  expect(await statesOf(message.id)).toEqual(['noticing', 'noticing']);
  expect(new Set([...links, ...senders]).size).toBe(4);
  const parcels = await Promise.all(deliveries.map(({ id }) => world.store.parcels.ofDelivery(id)));
  for (const [i, parcel] of parcels.entries()) {
    expect(parcel).toMatchObject({
      ...{ state: 'waiting', organization: CLINIC, sender: LEE, messageId: '<orig@clinic.example>', level: 'encrypt' },
      ...{ recipient: [PATIENT, OTHER][i], from: 'Dr. Lee <lee@clinic.example>' },
      ...{ createdAt: world.clock.now(), expiresAt: world.clock.now() + 30 * DAY, openedAt: null, repliedAt: null },
    });
    const text = await opened(links[i] as string, parcel!);
    // What is picked up is what would have left: our trace line in front, no `for` with one of several recipients.
    expect(text.endsWith(MAIL)).toBe(true);
    expect(text).toMatch(/^Received: from mail/);
    expect(text).not.toContain('for <');
    expect(parcel?.size).toBe(text.length);
    expect(await opened(senders[i] as string, parcel!)).toBe(text);
  }
  // One object, a key of it for each, and neither opens with the other's link.
  expect(parcels[0]?.body.object).toBe(parcels[1]?.body.object);
  expect(parcels[0]?.conversation).not.toBe(parcels[1]?.conversation);
  await expect(opened(links[0] as string, parcels[1]!)).rejects.toThrow();
});

test('the delivery says why it came to the portal', async () => {
  const transaction = await world.lease();
  await world.escrow(transaction, ['tls: STARTTLS not offered']);
  const whole = await world.store.queue.message(transaction.message.id);
  expect(whole?.deliveries[0]?.because).toBe('tls: STARTTLS not offered → portal: sealed, its notice is on its way');
});

test('notices and receipt are mails of ours with their cause, way and decision', async () => {
  const { transaction } = await world.parcels({ to: [PATIENT, OTHER] });
  const [first, second] = transaction.deliveries;
  const notices = await world.sent('notice', transaction.message.id);
  expect(notices).toHaveLength(2);
  expect(notices[0]?.message).toMatchObject({
    ...{ origin: 'notice', parent: transaction.message.id, reversePath: '', sender: ['no-reply@gw.clinic.example'] },
    cause: { kind: 'notice of', key: `${first?.id} 1` },
  });
  expect(notices[1]?.message.cause.key).toBe(`${second?.id} 1`);
  expect(notices[0]?.delivery).toMatchObject({
    ...{ recipient: PATIENT, destination: 'oldmail.demo', priority: 'urgent', expiresAt: first?.expiresAt },
    decision: { action: { kind: 'deliver', protections: [{ name: 'tls', level: 'encrypt' }] }, rule: '(line)' },
  });
  const [receipt, ...more] = await world.sent('receipt', transaction.message.id);
  expect(more).toEqual([]);
  expect(receipt?.message).toMatchObject({
    ...{ parent: transaction.message.id, reversePath: '' },
    cause: { kind: 'receipt of', key: `${first?.id} 1` },
  });
  expect(receipt?.delivery).toMatchObject({
    ...{ recipient: LEE, destination: 'clinic.example' },
    decision: { action: { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] } },
  });
  // Neither says anything of the message.
  for (const { raw } of [...notices, receipt!]) {
    const read = await simpleParser(raw);
    expect(`${read.subject} ${read.text} ${read.html}`).not.toContain('canary');
    expect(raw.toString('latin1')).not.toContain('canary');
  }
  expect(receipt?.text).toContain(PATIENT);
  expect(receipt?.text).toContain(OTHER);
  expect(notices[0]?.text).not.toContain(OTHER);
  expect(world.logged).toEqual([]);
});

test.each([
  ['', 'a null reverse-path'],
  ['someone@elsewhere.example', 'a reverse-path outside the organization'],
])('no receipt and no sender grant: %j', async (reversePath) => {
  const { transaction, links, senders } = await world.parcels({ reversePath });
  expect(senders).toEqual([]);
  expect(await world.sent('receipt', transaction.message.id)).toEqual([]);
  const parcel = await world.store.parcels.ofDelivery(transaction.deliveries[0]!.id);
  expect(parcel?.sender).toBe('');
  expect(await opened(links[0] as string, parcel!)).toContain('canary text');
});

test('a message that does not open makes nothing; what was written is left to the sweep', async () => {
  const transaction = await world.lease();
  await world.bodies.remove(transaction.message.body);
  await expect(world.escrow(transaction)).rejects.toMatchObject({ code: 'missing' });
  await expect(world.escrow(transaction)).rejects.toBeInstanceOf(BodyError);
  expect(await statesOf(transaction.message.id)).toEqual(['leased']);
  expect(await world.sent('notice', transaction.message.id)).toEqual([]);
});

test('an outdated lease makes nothing, and its bodies are nobody’s', async () => {
  const transaction = await world.lease();
  const outdated = { ...transaction, lease: { ...transaction.lease, no: transaction.lease.no + 1 } };
  await expect(world.escrow(outdated)).rejects.toMatchObject({ code: 'outdated lease' });
  expect(await statesOf(transaction.message.id)).toEqual(['leased']);
  expect(await world.sent('notice', transaction.message.id)).toEqual([]);
  world.clock.advance(2 * DAY);
  const { removed } = await world.bodies.sweep(
    (objects) => world.store.queue.knownObjects(objects),
    world.clock.now() - DAY,
  );
  expect(removed).toBe(3);
});

test('what stands in the queue and in parcels is not swept', async () => {
  const { transaction, links } = await world.parcels();
  world.clock.advance(2 * DAY);
  const known = (objects: readonly string[]) => world.store.queue.knownObjects(objects);
  expect((await world.bodies.sweep(known, world.clock.now() - DAY)).removed).toBe(0);
  const parcel = await world.store.parcels.ofDelivery(transaction.deliveries[0]!.id);
  expect(await opened(links[0] as string, parcel!)).toContain('canary text');
});

test('large mail streams: never more than a few chunks wait', async () => {
  const chunk = Buffer.alloc(65_536, 'x');
  async function* mail() {
    yield Buffer.from('From: lee@clinic.example\r\n\r\n');
    for (let i = 0; i < 160; i++) yield chunk;
  }
  const transaction = await world.lease({ mail: mail() });
  let given = 0;
  let taken = 0;
  let ahead = 0;
  const bodies = new Proxy(world.bodies, {
    get(target, name) {
      if (name === 'open') {
        return async function* (...args: Parameters<typeof target.open>) {
          for await (const one of target.open(...args)) {
            given += one.length;
            ahead = Math.max(ahead, given - taken);
            yield one;
          }
        };
      }
      if (name === 'create') {
        return (...args: Parameters<typeof target.create>) => {
          const writer = target.create(...args);
          return {
            write: async (one: Uint8Array) => {
              await writer.write(one);
              taken += one.length;
            },
            end: (envelope: Uint8Array) => writer.end(envelope),
            abort: () => writer.abort(),
          };
        };
      }
      const value = target[name as keyof typeof target] as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const line = { ...world.line, bodies };
  await createEscrow({ line, parcels: world.store.parcels, vault: world.ring, random })(transaction, 'encrypt', []);
  expect(given).toBeGreaterThan(10_000_000);
  expect(ahead).toBeLessThanOrEqual(2 * 65_536);
  expect((await world.store.parcels.ofDelivery(transaction.deliveries[0]!.id))?.from).toBe('lee@clinic.example');
});
