// DNS answers over the wire, changed: what comes out are names and addresses that may reach a socket, or a lookup that failed.

import { createSocket } from 'node:dgram';
import { createServer, isIP } from 'node:net';
import * as packet from 'dns-packet';
import { isHostName } from '../../../src/net/names.ts';
import { createResolver } from '../../../src/net/resolver.ts';
import { seeded } from '../../support/random.ts';
import { claim, numberOf, type Target } from '../target.ts';

const NAME = 'clinic.example';

/** Behind the question, which is put in front anew: header counts, then records. */
function answerOf(answers: packet.Answer[], more: object = {}): Buffer {
  const questions = [{ type: 'MX', name: NAME, class: 'IN' }] as packet.Question[];
  return packet.encode({ type: 'response', id: 0, flags: 0x8180, questions, answers, ...more });
}

const BASE = { name: NAME, ttl: 300 };
const SEEDS = [
  answerOf([{ type: 'MX', ...BASE, data: { preference: 10, exchange: 'mx.clinic.example' } }]),
  answerOf([{ type: 'MX', ...BASE, data: { preference: 0, exchange: '.' } }]),
  answerOf([
    { type: 'CNAME', ...BASE, data: 'other.example' },
    { type: 'MX', name: 'other.example', ttl: 5, data: { preference: 1, exchange: 'a.other.example' } },
  ]),
  answerOf([
    { type: 'A', ...BASE, data: '192.0.2.1' },
    { type: 'AAAA', ...BASE, data: '2001:db8::1' },
  ]),
  answerOf([], {
    authorities: [
      {
        type: 'SOA',
        name: 'example',
        ttl: 60,
        data: { mname: 'ns.example', rname: 'r.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 },
      },
    ],
  }),
  answerOf([
    { type: 'TXT', ...BASE, data: ['v=STSv1; id=1'] },
    { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never,
  ]),
  answerOf([
    {
      type: 'RRSIG',
      ...BASE,
      data: {
        typeCovered: 'MX',
        algorithm: 8,
        labels: 2,
        originalTTL: 300,
        expiration: 1,
        inception: 1,
        keyTag: 1,
        signersName: 'example',
        signature: Buffer.alloc(9),
      },
    } as never,
  ]),
];

export async function open(): Promise<Target> {
  let present: Buffer = Buffer.alloc(0);
  const reply = (query: Buffer): Buffer => {
    // The id and, in most, the question are right: else nothing behind them is ever looked at.
    const copy = Buffer.from(present.length < 12 ? Buffer.concat([present, Buffer.alloc(12)]) : present);
    query.copy(copy, 0, 0, 2);
    if (numberOf(present) % 16 !== 0) query.copy(copy, 12, 12, Math.min(12 + NAME.length + 6, copy.length));
    return copy;
  };
  const udp = createSocket('udp4');
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const answer = reply(data.subarray(2));
      const length = Buffer.from([answer.length >> 8, answer.length & 255]);
      socket.write(Buffer.concat([length, answer]), () => socket.resetAndDestroy());
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as { port: number };
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  udp.on('message', (bytes, from) => udp.send(reply(bytes), from.port, from.address));
  return {
    seeds: SEEDS,
    tokens: [
      '\xc0\x0c',
      '\xc0\x00',
      '\xc0\xff',
      '\x3f',
      '\x40',
      '\x00\x0f\x00\x01',
      '\x00\x05\x00\x01',
      '\x00\x01\x00\x01',
      '\x00\x1c\x00\x01',
      '\x00\x29',
      '\x07a.b\x00c\x20d',
      '\x01.',
      '\xff\xff',
    ],
    check: async (input) => {
      present = input.subarray(0, 60_000);
      const random = seeded(numberOf(input));
      const resolver = createResolver({
        clock: { now: () => 0 },
        random,
        servers: [`127.0.0.1:${port}`],
        tries: 1,
        tryMs: 2_000,
        cacheSize: 10,
      });
      const which = numberOf(input) % 3 === 0;
      if (which) {
        const found = await resolver.addresses(NAME);
        if (found.kind === 'found')
          for (const { family, address } of found.records) claim(isIP(address) === family, `address ${address}`);
        return;
      }
      const found = await resolver.mx(NAME);
      if (found.kind !== 'found') return claim(['none', 'nxdomain', 'failed'].includes(found.kind), 'no answer');
      claim(found.records.length > 0, 'found nothing');
      for (const { exchange, preference } of found.records) {
        claim(
          exchange === '' || (isHostName(exchange) && isIP(exchange) === 0),
          `exchange ${JSON.stringify(exchange)}`,
        );
        claim(Number.isInteger(preference) && preference >= 0 && preference < 65_536, `preference ${preference}`);
      }
    },
    close: async () => {
      udp.close();
      tcp.close();
    },
  };
}
