// One DNS question to one server: UDP with random id, port and letter case, TCP when the answer is truncated or its
// question comes back altered. Knows the wire, not the meaning (resolver.ts). Logs nothing.

import { createSocket } from 'node:dgram';
import { connect, isIP } from 'node:net';
import * as packet from 'dns-packet';
import type { Duration } from '../domain/ids.ts';
import type { Random } from '../domain/types.ts';
import { within } from './deadline.ts';

export type Server = { readonly address: string; readonly port: number };
export type QuestionType = 'MX' | 'A' | 'AAAA' | 'TXT' | 'TLSA';
export type DnsDeps = { readonly random: Random };

/** Rejected questions: the answer was for another question, malformed or unreadable. */
export class DnsError extends Error {}

const RECURSION_DESIRED = packet.RECURSION_DESIRED;
// RFC 6840 §5.7: AD in a question asks for the AD bit in the answer.
const AUTHENTIC_DATA = packet.AUTHENTIC_DATA;
// What survives every path without fragments (DNS flag day 2020).
const UDP_SIZE = 1232;
const TCP_LIMIT = 65_535;

/** Asks `server`; the answer is checked to belong to the question. Rejects with DnsError, DeadlineError or a socket error. */
export async function exchange(
  deps: DnsDeps,
  server: Server,
  name: string,
  type: QuestionType,
  ms: Duration,
): Promise<packet.DecodedPacket> {
  return within(ms, 'DNS answer', async (signal) => {
    const asked = mixCase(deps.random, name);
    const id = randomId(deps.random);
    const answer = await overUdp(server, encode(id, asked, type), id, signal);
    // A question with other letters may be an answer from off the path: ask again where nobody can guess in.
    if (!answer.flag_tc && answer.questions?.[0]?.name === asked && belongs(answer, name, type)) return answer;
    const tcpId = randomId(deps.random);
    const certain = await overTcp(server, encode(tcpId, name, type), signal);
    if (certain.id !== tcpId || !belongs(certain, name, type)) throw new DnsError('answer to another question');
    return certain;
  });
}

function encode(id: number, name: string, type: QuestionType): Buffer {
  return packet.encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_SIZE,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: packet.DNSSEC_OK,
        flag_do: true,
        options: [],
      },
    ],
  });
}

function belongs(answer: packet.DecodedPacket, name: string, type: QuestionType): boolean {
  const question = answer.questions?.[0];
  return (
    answer.type === 'response' &&
    answer.questions?.length === 1 &&
    question?.type === type &&
    question.name.toLowerCase() === name.toLowerCase()
  );
}

function randomId(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2);
  return (high << 8) | low;
}

/** Draft 0x20: letters of the question in random case, which a forger must guess too. */
function mixCase(random: Random, name: string): string {
  const bits = random.bytes(Math.ceil(name.length / 8));
  return [...name]
    .map((char, i) => (((bits[i >> 3] ?? 0) >> (i & 7)) & 1 ? char.toUpperCase() : char.toLowerCase()))
    .join('');
}

function overUdp(server: Server, query: Buffer, id: number, signal: AbortSignal): Promise<packet.DecodedPacket> {
  return new Promise((resolve, reject) => {
    const family = isIP(server.address) === 6 ? 6 : 4;
    // A socket of its own for each question: the port is random too. The lookup answers itself, dns.lookup is never run.
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, done) => done(null, host, family),
    });
    const end = (action: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.close();
      action();
    };
    const onAbort = (): void => end(() => reject(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (bytes) => {
      // What does not carry our id is not an answer to us; go on waiting for the one that does.
      if (bytes.length < 12 || bytes.readUInt16BE(0) !== id) return;
      end(() => decode(bytes, resolve, reject));
    });
    // A connected socket takes datagrams of this server only.
    socket.connect(server.port, server.address, () => socket.send(query));
  });
}

function overTcp(server: Server, query: Buffer, signal: AbortSignal): Promise<packet.DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port, signal, noDelay: true });
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (action: () => void): void => {
      socket.destroy();
      action();
    };
    socket.on('error', (error) => end(() => reject(signal.aborted ? signal.reason : error)));
    socket.on('close', () => reject(new DnsError('connection ended before the answer')));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size < 2) return;
      const all = Buffer.concat(chunks);
      const wanted = all.readUInt16BE(0) + 2;
      if (size >= wanted) end(() => decode(all.subarray(2, wanted), resolve, reject));
      else if (size > TCP_LIMIT + 2) end(() => reject(new DnsError('answer too long')));
    });
  });
}

function decode(
  bytes: Buffer,
  resolve: (answer: packet.DecodedPacket) => void,
  reject: (error: unknown) => void,
): void {
  try {
    resolve(packet.decode(bytes));
  } catch {
    reject(new DnsError('malformed answer'));
  }
}
