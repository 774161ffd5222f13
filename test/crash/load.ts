// Sessions that send numbered messages without pause, and go on sending when the gateway goes away and comes back.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/domain/types.ts';
import { openSession, type Session } from '../support/session.ts';
import { KINDS, type Kind, type Ledger, type Numbered } from './ledger.ts';

export const SENDER = 'staff@clinic.crash.example';
export const RECIPIENT_DOMAIN = 'partner.crash.example';
/** Policy demands verified TLS of it. */
export const SECRET_DOMAIN = 'secret.crash.example';
/** Stand in each subject, body and recipient, and must stand in no file or log of the gateway. */
export const CANARIES = {
  subject: 'kolibrischnabel',
  body: 'zwergflusspferd',
  recipient: 'murmeltierbau',
} as const;

export type Load = {
  /** Replies other than those hoped for, to a connection, a command or the final dot → how often. */
  readonly refused: () => ReadonlyMap<number, number>;
  /** Each session ends the message in hand and waits for `resume`. */
  pause(): void;
  resume(): void;
  /** Ends after the messages in hand; waits for them. */
  stop(): Promise<void>;
};

export function startLoad(port: number, sessions: number, random: Random, ledger: Ledger): Load {
  let last = 0;
  const refused = new Map<number, number>();
  let stopped = false;
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const one = async (): Promise<void> => {
    let session: Session | null = null;
    for (;;) {
      await gate.promise;
      if (stopped) break;
      try {
        session ??= await openSession({ port, deadline: 20_000 });
        last += 1;
        const message = compose(last, random);
        ledger.sending(message);
        const code = await send(session, message);
        if (code === 250) ledger.acknowledged(message.number);
        else {
          refused.set(code, (refused.get(code) ?? 0) + 1);
          await session.command('RSET');
          await sleep(50);
        }
      } catch {
        session?.destroy();
        session = null;
        await sleep(30);
      }
    }
    await session?.quit();
  };
  const running = Array.from({ length: sessions }, one);
  return {
    refused: () => refused,
    pause: () => {
      gate = Promise.withResolvers();
    },
    resume: () => gate.resolve(),
    stop: async () => {
      stopped = true;
      gate.resolve();
      await Promise.all(running);
    },
  };
}

/** The reply that refused it, or 250. */
async function send(session: Session, { number, kinds, data }: Numbered): Promise<number> {
  if (session.greeting.code !== 220) return session.greeting.code;
  const lines = [`MAIL FROM:<${SENDER}>`, ...kinds.map((kind, i) => `RCPT TO:<${addressOf(kind, number, i)}>`)];
  for (const line of lines) {
    const { code } = await session.command(line);
    if (code !== 250) return code;
  }
  const { code } = await session.command('DATA');
  return code === 354 ? (await session.data(data)).code : code;
}

function addressOf(kind: Kind, number: number, index: number): string {
  return `${kind}${number}.${index}.${CANARIES.recipient}@${kind === 's' ? SECRET_DOMAIN : RECIPIENT_DOMAIN}`;
}

/** One to three recipients; mostly a few kB, some of 75 kB, few so large that the body gets a file of its own. */
function compose(number: number, random: Random): Numbered {
  const kinds = Array.from({ length: 1 + Math.floor(random.fraction() * 3) }, () => kindOf(random.fraction()));
  const chance = random.fraction();
  const size = chance < 0.8 ? 500 + chance * 5_000 : chance < 0.98 ? 75_000 : 3_000_000;
  const line = `${Buffer.from(random.bytes(54)).toString('base64')}\r\n`;
  const head = [
    `From: <${SENDER}>`,
    `To: <someone@${RECIPIENT_DOMAIN}>`,
    `Subject: ${CANARIES.subject} ${number}`,
    `Message-ID: <${number}@clinic.crash.example>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
  ];
  return {
    number,
    kinds,
    data: Buffer.from(`${head.join('\r\n')}\r\n\r\n${CANARIES.body}\r\n${line.repeat(Math.ceil(size / line.length))}`),
  };
}

function kindOf(chance: number): Kind {
  return KINDS[chance < 0.7 ? 0 : chance < 0.8 ? 1 : chance < 0.9 ? 2 : 3];
}
