// What the trial knows: what was sent, what was acknowledged, what arrived. Kept in the trial's process, never in the one that is killed.

import { createHash } from 'node:crypto';
import type { Sunk } from '../support/sink.ts';

/** What becomes of a recipient: the sink takes it, puts it off once, or refuses it for good; or policy demands a hop whose certificate verifies.
 *  The first letter of its local part says which. */
export const KINDS = ['o', 't', 'p', 's'] as const;
export type Kind = (typeof KINDS)[number];

export type Numbered = { readonly number: number; readonly kinds: readonly Kind[]; readonly data: Buffer };
export type Totals = {
  readonly sent: number;
  readonly acknowledged: number;
  /** Recipients of acknowledged messages, and of them those that arrived or are named in a DSN. */
  readonly recipients: number;
  readonly arrived: number;
  readonly reported: number;
  /** Local parts of recipients that neither arrived nor are named in a DSN though their message was acknowledged. */
  readonly lost: readonly string[];
  /** Arrived with other octets than were sent. */
  readonly changed: number;
  /** Arrived without TLS though policy demands it. */
  readonly leaked: number;
  /** Second and later arrivals for a recipient. */
  readonly duplicates: number;
  /** Arrived though no 250 was seen: the gateway was killed between its commit and its reply, or while it replied. */
  readonly unacknowledged: number;
  /** Recipients that two different DSNs speak of. */
  readonly dsnDoubles: readonly string[];
};

export type Ledger = {
  sending(message: Numbered): void;
  acknowledged(number: number): void;
  /** A message at the sink of mail. */
  took(message: Sunk): void;
  /** A message at the sink that stands for the sender's own server. */
  tookReport(message: Sunk): void;
  isComplete(): boolean;
  totals(): Totals;
};

type Entry = {
  readonly kinds: readonly Kind[];
  readonly digest: string;
  acknowledged: boolean;
  readonly arrivals: number[];
  /** For each recipient, the Message-IDs of the DSNs that name it. */
  readonly reports: Set<string>[];
};

export function openLedger(): Ledger {
  const entries = new Map<number, Entry>();
  let changed = 0;
  let leaked = 0;
  const entryOf = (recipient: string): { entry: Entry; index: number } | null => {
    const [, number, index] = /[otps](\d+)\.(\d+)\.\w+@/.exec(recipient) ?? [];
    const entry = entries.get(Number(number));
    return entry === undefined ? null : { entry, index: Number(index) };
  };
  const missing = (entry: Entry): number[] =>
    entry.kinds.flatMap((kind, i) => {
      const done = kind === 'p' ? entry.reports[i]!.size > 0 : entry.arrivals[i]! > 0;
      return done ? [] : [i];
    });
  return {
    sending: ({ number, kinds, data }) => {
      const arrivals = kinds.map(() => 0);
      entries.set(number, {
        kinds,
        digest: digestOf(data),
        acknowledged: false,
        arrivals,
        reports: kinds.map(() => new Set()),
      });
    },
    acknowledged: (number) => {
      entries.get(number)!.acknowledged = true;
    },
    took: ({ recipients, data, tls }) => {
      for (const one of recipients) {
        const found = entryOf(one);
        if (found === null) changed += 1;
        else {
          found.entry.arrivals[found.index]! += 1;
          if (digestOf(withoutTrace(data)) !== found.entry.digest) changed += 1;
          if (found.entry.kinds[found.index] === 's' && !tls) leaked += 1;
        }
      }
    },
    tookReport: ({ data }) => {
      const text = data.toString('latin1');
      const id = /^Message-ID: *(<[^>]+>)/im.exec(text)?.[1] ?? '?';
      for (const [, address] of text.matchAll(/^Final-Recipient: *rfc822; *(\S+)/gim)) {
        const found = entryOf(address!);
        if (found !== null) found.entry.reports[found.index]!.add(id);
      }
    },
    isComplete: () => [...entries.values()].every((entry) => !entry.acknowledged || missing(entry).length === 0),
    totals: () => totalsOf(entries, missing, { changed, leaked }),
  };
}

function totalsOf(
  entries: ReadonlyMap<number, Entry>,
  missing: (entry: Entry) => readonly number[],
  wrong: { readonly changed: number; readonly leaked: number },
): Totals {
  const all = [...entries];
  const acknowledged = all.filter(([, entry]) => entry.acknowledged);
  const names = (of: (entry: Entry) => readonly number[]) =>
    acknowledged.flatMap(([number, entry]) => of(entry).map((i) => `${entry.kinds[i]}${number}.${i}`));
  const sum = (of: (entry: Entry) => number, from = acknowledged) =>
    from.reduce((total, [, entry]) => total + of(entry), 0);
  return {
    sent: entries.size,
    acknowledged: acknowledged.length,
    recipients: sum(({ kinds }) => kinds.length),
    arrived: sum(({ arrivals }) => arrivals.filter((count) => count > 0).length),
    reported: sum(({ reports }) => reports.filter(({ size }) => size > 0).length),
    lost: names(missing),
    ...wrong,
    duplicates: sum(({ arrivals }) => arrivals.reduce((more, count) => more + Math.max(0, count - 1), 0), all),
    unacknowledged: all.filter(([, entry]) => !entry.acknowledged && entry.arrivals.some((count) => count > 0)).length,
    dsnDoubles: all.flatMap(([number, entry]) =>
      entry.reports.flatMap(({ size }, i) => (size > 1 ? [`${entry.kinds[i]}${number}.${i}`] : [])),
    ),
  };
}

function digestOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('base64');
}

/** Without the one Received field that the gateway puts in front. */
function withoutTrace(data: Buffer): Buffer {
  const trace = /^Received: [^\r\n]*\r\n(?:[\t ][^\r\n]*\r\n)*/.exec(data.toString('latin1', 0, 4096));
  return data.subarray(trace?.[0].length ?? 0);
}
