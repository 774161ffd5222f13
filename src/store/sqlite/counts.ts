// What is counted beside the queue. Usage: what each organization sent in a month, kept in memory while a batch runs and
// written once per commit, so that it costs a row a batch and not one a message. Held: since when a delivery is.

import type Database from 'better-sqlite3';
import { monthOf } from '../../domain/months.ts';

export type Usage = {
  /** `what`: `accepted`, or the name of a protection. Counts may be negative, to take back. */
  count(at: number, organization: string, what: string, messages: number, recipients: number, octets: number): void;
  flush(): void;
  reload(): void;
};

type Counted = {
  readonly month: string;
  readonly organization: string;
  readonly what: string;
  messages: number;
  recipients: number;
  octets: number;
  at: number;
};

export function openUsage(db: Database.Database): Usage {
  const add = db.prepare(
    `INSERT INTO usage (month, organization, what, messages, recipients, octets, last_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients,
       octets = octets + excluded.octets, last_at = max(last_at, excluded.last_at)`,
  );
  const counted = new Map<string, Counted>();
  return {
    count(at, organization, what, messages, recipients, octets) {
      const month = monthOf(at);
      const key = `${month} ${what} ${organization}`;
      let one = counted.get(key);
      if (!one) {
        one = { month, organization, what, messages: 0, recipients: 0, octets: 0, at: 0 };
        counted.set(key, one);
      }
      one.messages += messages;
      one.recipients += recipients;
      one.octets += octets;
      one.at = Math.max(one.at, at);
    },
    flush() {
      for (const { month, organization, what, messages, recipients, octets, at } of counted.values()) {
        add.run(month, organization, what, messages, recipients, octets, at);
      }
      counted.clear();
    },
    reload: () => counted.clear(),
  };
}

export type Held = { move(delivery: number, from: string, to: string, at: number): void };

export function openHeld(db: Database.Database): Held {
  const begin = db.prepare('INSERT OR REPLACE INTO held (n, since) VALUES (?, ?)');
  const end = db.prepare('DELETE FROM held WHERE n = ?');
  return {
    move(delivery, from, to, at) {
      if (to === 'held') begin.run(delivery, at);
      else if (from === 'held') end.run(delivery);
    },
  };
}
