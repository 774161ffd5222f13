// The order of body and rows before the 250, when there is room to examine the message at once and when there is none.

import type { Address, OrganizationName } from '../../../src/domain/ids.ts';
import type { Envelope } from '../../../src/domain/types.ts';
import { acceptData } from '../../../src/relay/accept.ts';
import type { Line } from '../../../src/relay/line.ts';
import type { Client } from '../../../src/smtp/listener.ts';

const organization = 'clinic' as OrganizationName;
const client: Client = { ip: '192.0.2.1', helo: 'client.test', with: 'ESMTP' } as Client;
const envelope: Envelope = {
  reversePath: 'a@clinic.test',
  recipients: [{ address: 'b@there.test' as Address, dsn: {} }],
  dsn: {},
  smtpUtf8: false,
} as unknown as Envelope;

function lineWith(room: number) {
  const order: string[] = [];
  const written: Buffer[] = [];
  const durable = Promise.withResolvers<void>();
  const line = {
    queue: {
      accept: async (_verb: string, message: { id: string }) => {
        order.push('rows');
        return { id: message.id, repeated: false };
      },
      acknowledged: () => order.push('acknowledged'),
      abandon: async () => order.push('abandoned'),
    },
    bodies: {
      create: () => ({
        write: async (octets: Uint8Array) => {
          written.push(Buffer.from(octets));
          // A chunk belongs to the writer.
          octets.fill(0);
        },
        abort: async () => void order.push('aborted'),
        end: () => ({ ref: {}, size: 1, digest: new Uint8Array(), durable: durable.promise }),
      }),
    },
    ready: async () => {},
    settings: () => ({
      ...{ hostname: 'gw.test', node: 'n', maxHops: 9, lifetime: 1, smartHost: null, examineWaiting: room },
      organizations: [],
    }),
    load: { incoming: 0, examining: 0 },
    owner: 'test',
    clock: { now: Date.now },
    random: { bytes: (n: number) => new Uint8Array(n) },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    meter: { accepted: () => {}, refused: () => {} },
    wake: () => {},
  };
  return { line: line as unknown as Line, order, written, durable };
}

async function* data() {
  yield Buffer.from('From: a@clinic.test\r\n\r\nText\r\n');
}

const prove = () => ({ organization, priority: 'normal' as const, proof: [] });
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((wake) => setImmediate(wake));
};

test('with room to examine, rows and body are stored side by side', async () => {
  const { line, order, durable } = lineWith(1);
  const reply = acceptData(line, client, envelope, data(), prove);
  await turns(5);
  expect(order).toEqual(['rows']);
  durable.resolve();
  expect((await reply).code).toBe(250);
});

test('without room the row, which another run may take up at once, waits for its body', async () => {
  const { line, order, durable } = lineWith(0);
  const reply = acceptData(line, client, envelope, data(), prove);
  await turns(5);
  expect(order).toEqual([]);
  durable.resolve();
  expect((await reply).code).toBe(250);
  expect(order).toEqual(['rows', 'acknowledged']);
});

test('without room and body there is no row', async () => {
  const { line, order, durable } = lineWith(0);
  const reply = acceptData(line, client, envelope, data(), prove);
  durable.reject(new Error('disk'));
  expect((await reply).code).toBe(451);
  expect(order).toEqual([]);
});

test('where a signature has to say it, the body is shown to it as it came, and what it does not prove leaves nothing', async () => {
  const text = 'Text\r\nmore\r\n';
  async function* chunks() {
    for (const octet of Buffer.from(`From: a@clinic.test\r\n\r\n${text}`)) yield Buffer.of(octet);
  }
  for (const proves of [true, false]) {
    const { line, order, written, durable } = lineWith(1);
    durable.resolve();
    let seen = '';
    const refused = { code: 550, enhanced: '5.7.1', text: 'no' };
    const claim = () => ({
      ...{ organization, priority: 'normal' as const },
      body: (chunk: Uint8Array) => {
        seen += Buffer.from(chunk).toString();
      },
      end: async () => {
        expect([seen, order]).toEqual([text, []]);
        return proves ? prove() : { refused, because: 'DKIM' };
      },
    });
    expect((await acceptData(line, client, envelope, chunks(), claim)).code).toBe(proves ? 250 : 550);
    expect(order).toEqual(proves ? ['rows', 'acknowledged'] : ['aborted']);
    expect(Buffer.concat(written).toString()).toContain(text);
  }
});

test('a header section that comes octet by octet is whole, and takes no time with the square of its size', async () => {
  const { line, written, durable } = lineWith(1);
  durable.resolve();
  const whole = Buffer.from(`From: a@clinic.test\r\nX: ${'x'.repeat(900_000)}\r\n\r\nText\r\n`);
  async function* octets() {
    const one = Buffer.alloc(1);
    for (const [at, octet] of whole.entries()) {
      // So that the test's own time can run out.
      if (at % 1_000 === 0) await turns(1);
      one[0] = octet;
      yield one;
    }
  }
  expect((await acceptData(line, client, envelope, octets(), prove)).code).toBe(250);
  expect(Buffer.concat(written).equals(whole)).toBe(true);
});
