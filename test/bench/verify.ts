// `node test/bench/verify.ts`: fills an audit with the entries of messages that came, were examined, decided and delivered, by the ledger that writes
// it in the gateway, and verifies it as `sealrelay log verify --offline` does.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { DELIVERIES } from '../../src/store/sqlite/calls/queue.ts';
import { migrate, openWriting } from '../../src/store/sqlite/database.ts';
import { type Ledger, openLedger } from '../../src/store/sqlite/ledger.ts';
import { verifyStored } from '../../src/store/sqlite/offline.ts';
import { readOptions, whole } from '../support/options.ts';

/** Entries a second (`issue 5`: "Load"). */
const BOUND = 200_000;
const ORGANIZATION = 'Riverside Clinic';
const START = Date.UTC(2026, 0, 5);
/** Messages in one commit. */
const BATCH = 1_000;

type Rows = { message(n: number, id: string, at: number, recipients: number): void };

/** What the queue keeps of a message that was delivered, as far as verification looks at it. */
function openRows(db: Database.Database): Rows {
  const message = db.prepare(
    `INSERT INTO message (n, id, organization, stage, origin, size, digest, accepted_at, accepted_by, cause, smtp_utf8, body, deliveries, open,
       fixed, finished_at, bodied) VALUES (?, ?, ?, 'bodiless', 'relayed', 4096, ?, ?, 'gw', ?, 0, '', ?, 0, ?, ?, 0)`,
  );
  const delivery = db.prepare(
    `INSERT INTO delivery (n, lane, destination, domain, priority, state, expires_at, ended_at, may_tell, decision)
     VALUES (?, 1, 'partner.example', 'partner.example', 'normal', 'delivered', ?, ?, 0, ?)`,
  );
  return {
    message(n, id, at, recipients) {
      message.run(n, id, ORGANIZATION, randomBytes(32), at, `smtp ${id}`, recipients, randomBytes(427), at);
      for (let i = 0; i < recipients; i++) delivery.run(n * DELIVERIES + i, at, at, randomBytes(260));
    },
  };
}

/** The entries of one message; sizes as they were seen in a gateway. */
function record(ledger: Ledger, id: string, at: number, recipients: number): void {
  const accepted = `{"size":4291,"recipients":${recipients},"origin":"relayed","with":"ESMTP"}`;
  const decided =
    '{"action":"deliver","list":["tls: may"],"rule":"everything may leave","policy":"7d3f2c1a90b4","engine":"1"}';
  const delivered = `{"attempt":1,"step":0,"host":"mx1.partner.example","level":"verify","protocol":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384","certificate":"${'ab'.repeat(32)}","status":"2.0.0"}`;
  ledger.append(at, ORGANIZATION, id, null, 'gateway accept', 'message.accepted', accepted, randomBytes(427));
  ledger.append(at, ORGANIZATION, id, null, 'gateway', 'message.examined', '{}', randomBytes(157));
  for (let i = 0; i < recipients; i++) {
    const to = `${id}.${i}`;
    ledger.append(at, ORGANIZATION, id, to, 'gateway', 'delivery.decided', decided, randomBytes(260));
    ledger.append(at, ORGANIZATION, id, to, 'gateway', 'delivery.attempted', '{"attempt":1}', null);
    ledger.append(at, ORGANIZATION, id, to, 'gateway', 'delivery.delivered', delivered, randomBytes(465));
  }
  ledger.append(at, ORGANIZATION, id, null, 'gateway', 'message.finished', '{}', null);
  ledger.append(at, ORGANIZATION, id, null, 'gateway', 'message.swept', '{}', null);
}

function fill(path: string, entries: number): void {
  const db = openWriting(path);
  migrate(db);
  const ledger = openLedger(db, 'gw');
  const rows = openRows(db);
  for (let n = 1; ledger.count() < entries; ) {
    db.transaction(() => {
      for (const end = n + BATCH; n < end && ledger.count() < entries; n++) {
        const id = `06h${n.toString(32).padStart(5, '0')}${randomBytes(8).toString('hex')}`;
        const recipients = 1 + (n % 2);
        rows.message(n, id, START + n, recipients);
        record(ledger, id, START + n, recipients);
      }
      ledger.flush();
    })();
    db.pragma('wal_checkpoint(PASSIVE)');
  }
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

async function main(): Promise<number> {
  const options = readOptions({
    usage: 'node test/bench/verify.ts',
    about:
      'Fills an audit with the entries of messages that came and were delivered, and verifies it as `sealrelay log verify --offline` does. Prints entries a second beside the bound.',
    options: { entries: whole(1_000_000, 'of the audit'), rounds: whole(3, 'of verification; their median counts') },
    example: 'node test/bench/verify.ts --entries 300000',
    exits: { 0: 'as fast as the bound', 1: 'slower' },
  });
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-verify-'));
  try {
    const database = join(folder, 'queue.db');
    fill(database, options.entries);
    const rates: number[] = [];
    let words = '';
    for (let round = 0; round < options.rounds; round++) {
      const cpu = process.cpuUsage();
      const begun = performance.now();
      const { entries, intact, lost } = await verifyStored(folder, () => {});
      const seconds = (performance.now() - begun) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      if (!intact || lost.count > 0) throw new Error('it does not verify');
      rates.push(entries / seconds);
      words = `${entries} entries, ${(statSync(database).size / 1e6).toFixed(0)} MB`;
      const perEntry = (user + system) / entries;
      console.log(`round ${round + 1}: ${seconds.toFixed(1)} s, ${perEntry.toFixed(2)} µs of CPU an entry`);
    }
    const median = [...rates].sort((a, b) => a - b)[Math.floor(rates.length / 2)]!;
    const good = median >= BOUND;
    console.log(
      `log verify, ${words}: ${Math.round(median / 1000)} k entries/s; bound ${BOUND / 1000} k: ${good ? 'ok' : 'BELOW'} (load ${loadavg()[0]!.toFixed(1)})`,
    );
    return good ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
