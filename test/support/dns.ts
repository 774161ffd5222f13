// A DNS server on loopback, UDP and TCP on one port, that answers from a table as a recursive resolver would.

import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import * as packet from 'dns-packet';

export type Records = {
  readonly MX?: readonly (readonly [preference: number, exchange: string])[];
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly CNAME?: string;
  readonly TXT?: readonly string[];
  /** Instead of an answer. `silent`: none at all. `lowercase`: answers, but not in the letters asked, over UDP. */
  readonly fault?: 'SERVFAIL' | 'REFUSED' | 'silent' | 'truncated' | 'lowercase' | 'garbage' | 'other question';
  readonly ttl?: number;
  /** Answers over UDP come so late, ms. */
  readonly late?: number;
};
/** By name in lower case; a name that is not in the table, nor above one that is (RFC 8020), does not exist. */
export type Zones = Readonly<Record<string, Records>>;

export type DnsServer = {
  /** `127.0.0.1:port`. */
  readonly server: string;
  /** Questions in order: `udp MX example.test`. */
  readonly asked: string[];
  readonly zones: Record<string, Records>;
  readonly close: () => Promise<void>;
};

const RCODES: Readonly<Record<string, number>> = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };
const NEGATIVE: packet.Answer = {
  type: 'SOA',
  name: 'test',
  ttl: 60,
  data: { mname: 'ns.test', rname: 'root.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 },
};

/** `authenticated`: sets the AD bit. */
export async function startDns(given: Zones, options: { readonly authenticated?: boolean } = {}): Promise<DnsServer> {
  const zones: Record<string, Records> = { ...given };
  const asked: string[] = [];
  const answer = (bytes: Buffer, over: 'udp' | 'tcp'): Buffer | null => {
    const query = packet.decode(bytes);
    const question = query.questions?.[0];
    if (question === undefined) return null;
    asked.push(`${over} ${question.type} ${question.name.toLowerCase()}`);
    return respond(zones, query.id ?? 0, question, over, options.authenticated ?? false);
  };
  for (;;) {
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
    const { port } = udp.address();
    const sockets = new Set<Socket>();
    const tcp = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
      socket.on('data', (data) => {
        const reply = answer(data.subarray(2), 'tcp');
        if (reply === null) return;
        const length = Buffer.from([reply.length >> 8, reply.length & 255]);
        socket.write(Buffer.concat([length, reply]));
      });
    });
    const bound = await new Promise<boolean>((resolve) => {
      tcp.once('error', () => resolve(false));
      tcp.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!bound) {
      udp.close();
      continue;
    }
    udp.on('message', (bytes, from) => {
      const reply = answer(bytes, 'udp');
      const name = packet.decode(bytes).questions?.[0]?.name.toLowerCase() ?? '';
      const { late } = zones[name] ?? {};
      const send = () => reply !== null && udp.send(reply, from.port, from.address);
      if (late === undefined) send();
      else setTimeout(send, late);
    });
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await Promise.all([new Promise<void>((done) => udp.close(done)), new Promise((done) => tcp.close(done))]);
    };
    return { server: `127.0.0.1:${port}`, asked, zones, close };
  }
}

function respond(
  zones: Zones,
  id: number,
  question: packet.Question,
  over: 'udp' | 'tcp',
  authenticated: boolean,
): Buffer | null {
  const records = zones[question.name.toLowerCase()];
  const fault = over === 'udp' || records?.fault !== 'truncated' ? records?.fault : undefined;
  if (fault === 'silent') return null;
  const chain = follow(zones, question.name.toLowerCase(), question.type);
  const rcode = RCODES[fault ?? ''] ?? (chain.exists ? 0 : 3);
  const lower = { ...question, name: question.name.toLowerCase() };
  const flags = (1 << 8) | (1 << 7) | rcode | (authenticated ? packet.AUTHENTIC_DATA : 0);
  const reply = packet.encode({
    type: 'response',
    id,
    flags: fault === 'truncated' ? flags | packet.TRUNCATED_RESPONSE : flags,
    questions: [
      fault === 'other question'
        ? { ...lower, name: 'other.test' }
        : fault === 'lowercase' && over === 'udp'
          ? lower
          : question,
    ],
    answers: fault === 'truncated' || rcode === 2 ? [] : chain.answers,
    authorities: chain.answers.some((each) => each.type === question.type) ? [] : [NEGATIVE],
  });
  return fault === 'garbage' ? Buffer.concat([reply.subarray(0, 12), Buffer.alloc(20, 0xff)]) : reply;
}

function follow(zones: Zones, name: string, type: string): { answers: packet.Answer[]; exists: boolean } {
  const answers: packet.Answer[] = [];
  let at = name;
  for (let i = 0; i < 4; i++) {
    const records = zones[at];
    if (records === undefined) return { answers, exists: Object.keys(zones).some((one) => one.endsWith(`.${at}`)) };
    const base = { name: at, ttl: records.ttl ?? 300 };
    if (records.CNAME !== undefined) {
      answers.push({ type: 'CNAME', ...base, data: records.CNAME });
      at = records.CNAME.toLowerCase();
      continue;
    }
    if (type === 'MX')
      for (const [preference, exchange] of records.MX ?? [])
        answers.push({ type, ...base, data: { preference, exchange } });
    if (type === 'A' || type === 'AAAA') for (const data of records[type] ?? []) answers.push({ type, ...base, data });
    // A string of a record has 255 octets at most.
    if (type === 'TXT')
      for (const text of records.TXT ?? []) answers.push({ type, ...base, data: text.match(/.{1,255}/gs) ?? [''] });
    return { answers, exists: true };
  }
  return { answers, exists: true };
}
