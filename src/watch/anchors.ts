// Anchors: signed checkpoints that leave this machine, by file and https every 15 minutes and by mail once a day, when there
// is something new; by file also when the gateway ends. What failed is tried again every minute. Logs the kind of anchor and a code, never a path, host or address.

import { constants, promises } from 'node:fs';
import type { Config } from '../config/schema.ts';
import type { Address, Duration, Time } from '../domain/ids.ts';
import { composeAnchor } from '../mail/anchor.ts';
import { type PostDeps, postJson } from '../net/post.ts';
import { checkpointText, type SignedCheckpoint } from '../record/checkpoint.ts';
import { codeOf, type Line } from '../relay/line.ts';
import { isStaff, newMessageId, toStaff, writeOwn } from '../relay/own-mail.ts';
import { verbId } from '../store/queue/port.ts';
import type { Checkpoints } from './checkpoints.ts';

type Targets = Config['anchors'];
type Kind = keyof Targets;

export type AnchorDeps = {
  readonly line: Line;
  readonly targets: () => Targets;
  readonly checkpoints: Pick<Checkpoints, 'latest' | 'atEnd'>;
  readonly post: PostDeps;
  /** Deliveries whose parcels were retracted after that moment. */
  readonly retracted: (since: Time) => Promise<readonly string[]>;
};

const MINUTE: Duration = 60_000;
const EVERY: Readonly<Record<Kind, Duration>> = { file: 15 * MINUTE, https: 15 * MINUTE, mail: 24 * 60 * MINUTE };
/** What was retracted so long before the first line of a process is in it; in each later one, what was since a minute before the
 *  line before: said twice does no harm. */
const BEFORE_START: Duration = 7 * 24 * 60 * MINUTE;
const POST: Duration = 10_000;

export type Anchors = { stop(): Promise<void> };

export function startAnchors(deps: AnchorDeps): Anchors {
  const { clock } = deps.line;
  const stopped = new AbortController();
  const anchor = makeAnchor(deps);
  deps.checkpoints.atEnd(() => anchor('file'));
  const done = (async () => {
    while (!stopped.signal.aborted) {
      await anchor();
      await clock.sleep(MINUTE, stopped.signal).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await done;
    },
  };
}

/** Sends what is due; with `only` what is new, that way and now. Never rejects. */
export function makeAnchor({
  line,
  targets,
  checkpoints,
  post,
  retracted,
}: AnchorDeps): (only?: Kind) => Promise<void> {
  const sent = new Map<string, { readonly no: number; readonly at: Time }>();
  const send: Record<Kind, (target: string, one: SignedCheckpoint, text: string) => Promise<void>> = {
    file: (path, _, text) => anchorToFile(path, text),
    https: (url, _, text) => postJson(post, url, text, POST),
    mail: (address, one, text) => anchorByMail(line, address as Address, one, text),
  };
  return async (only) => {
    const one = checkpoints.latest();
    if (one === null) return;
    const all = (Object.entries(targets()) as [Kind, string][]).filter(([kind]) => only === undefined || kind === only);
    await Promise.all(
      all.map(async ([kind, target]) => {
        const last = sent.get(`${kind} ${target}`);
        const now = line.clock.now();
        const isEarly = only === undefined && last !== undefined && Math.abs(now - last.at) < EVERY[kind];
        if (isEarly || last?.no === one.no) return;
        try {
          const since = last === undefined ? now - BEFORE_START : last.at - MINUTE;
          await send[kind](target, one, checkpointText(one, await retracted(since)));
          sent.set(`${kind} ${target}`, { no: one.no, at: now });
        } catch (error) {
          line.meter.alarm('anchor failed');
          line.log.error(
            { anchor: kind, code: codeOf(error) },
            'an anchor of the audit was not sent; it is tried again',
          );
        }
      }),
    );
  };
}

/** Adds a line, durable when it resolves. */
async function anchorToFile(path: string, text: string): Promise<void> {
  const { O_APPEND, O_CREAT, O_SYNC, O_WRONLY } = constants;
  const file = await promises.open(path, O_WRONLY | O_APPEND | O_CREAT | O_SYNC, 0o600);
  try {
    await file.write(`${text}\n`);
  } finally {
    await file.close();
  }
}

/** Accepts one mail a day for that address, whatever is restarted in between. */
async function anchorByMail(line: Line, to: Address, one: SignedCheckpoint, text: string): Promise<void> {
  const { organizations, hostname, node, lifetime } = line.settings();
  const organization = organizations.find((its) => isStaff(to, its));
  if (organization === undefined) throw Object.assign(new Error('of no organization'), { code: 'no organization' });
  const date = line.clock.now();
  const mail = { hostname, to, date, messageId: newMessageId(line), seq: one.seq, line: text };
  const cause = { kind: 'note of', key: `audit of ${node} ${new Date(date).toISOString().slice(0, 10)}` } as const;
  const { message, durable } = await writeOwn(line, {
    ...{ to: [toStaff(organization, to)], organization: organization.name, origin: 'note', cause },
    ...{ text: await composeAnchor(mail), expiresAt: date + lifetime },
  });
  await durable;
  await line.queue.accept(verbId(line), message, cause);
  line.wake('deliver');
}
