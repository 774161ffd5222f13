// Keys, operators, submission logins, and entries that change no queue row.

import { GATEWAY } from '../../../domain/ids.ts';
import type { CheckpointCall, EntryCall } from '../calls/audit.ts';
import type { KeyRowCall, StoredKey } from '../calls/keys.ts';
import { fromOctets, type Octets } from '../calls/octets.ts';
import { Refusal, type Workbench } from '../workbench.ts';

export function makeAdmin(w: Workbench) {
  const { db, ledger } = w;
  const addKeyRow = db.prepare(
    `INSERT INTO key (organization, purpose, generation, id, wrapped_by, box, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  );
  const key = db.prepare<[string, string, number], StoredKey>(
    'SELECT * FROM key WHERE organization = ? AND purpose = ? AND generation = ?',
  );
  const insertOperator = db.prepare('INSERT INTO operator (name, box) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const deleteOperator = db.prepare('DELETE FROM operator WHERE name = ?');
  const insertLogin = db.prepare('INSERT INTO login (name, organization, box) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const deleteLogin = db.prepare('DELETE FROM login WHERE name = ?');

  const drop = {
    operator: db.prepare("DELETE FROM operator WHERE name = ? AND box = ? RETURNING '-' AS organization").pluck(),
    submission: db.prepare('DELETE FROM login WHERE name = ? AND box = ? RETURNING organization').pluck(),
  };

  const lastCheckpoint = db.prepare<[], number>('SELECT coalesce(max(no), 0) FROM checkpoint').pluck();
  const insertCheckpoint = db.prepare(
    `INSERT INTO checkpoint (no, node, epoch, seq, hash, at, others, key, next, signature)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );

  const keepOutages = db.prepare("INSERT OR REPLACE INTO tally (name, value) VALUES ('outages', ?)");

  function record(at: number, organization: string, actor: string, event: string, detail: string, reason: Octets) {
    ledger.append(at, organization, null, null, actor, event, detail, fromOctets(reason));
  }

  return {
    append(entries: readonly EntryCall[], at: number): null {
      for (const [organization, message, delivery, actor, event, detail, boxed] of entries) {
        const box = boxed === null ? null : fromOctets(boxed);
        ledger.append(at, organization, message, delivery, actor, event, detail, box);
      }
      return null;
    },
    keepOutages([outages, event, detail]: readonly [string, string, string], at: number): null {
      keepOutages.run(outages);
      ledger.append(at, GATEWAY, null, null, 'gateway', event, detail, null);
      return null;
    },
    /** No entry tells of it: it would be one more to sign. */
    checkpoint([no, node, epoch, seq, hash, at, others, key, next, signature]: CheckpointCall): null {
      if (no !== lastCheckpoint.get()! + 1) throw new Refusal('wrong state', `checkpoint ${no} does not follow`);
      const keys = [fromOctets(key), next === null ? null : fromOctets(next)];
      insertCheckpoint.run(no, node, epoch, seq, fromOctets(hash), at, others, ...keys, fromOctets(signature));
      return null;
    },
    addKey(row: KeyRowCall, at: number): StoredKey {
      const [organization, purpose, generation, id, wrappedBy, box, createdAt] = row;
      const { changes } = addKeyRow.run(organization, purpose, generation, id, wrappedBy, fromOctets(box), createdAt);
      if (changes > 0) {
        const detail = JSON.stringify({ purpose, generation, id, wrappedBy });
        ledger.append(at, organization, null, null, 'gateway', 'key.created', detail, null);
      }
      return key.get(organization, purpose, generation) as StoredKey;
    },
    addOperator(
      [name, box, actor, detail, reason]: readonly [string, Octets, string, string, Octets],
      at: number,
    ): null {
      if (insertOperator.run(name, fromOctets(box)).changes === 0) {
        throw new Refusal('wrong state', `there is an operator ${name} already`);
      }
      record(at, GATEWAY, actor, 'operator.added', detail, reason);
      return null;
    },
    removeOperator([name, actor, reason]: readonly [string, string, Octets], at: number): null {
      if (deleteOperator.run(name).changes === 0) throw new Refusal('not found', `no operator ${name}`);
      record(at, GATEWAY, actor, 'operator.removed', JSON.stringify({ name }), reason);
      return null;
    },
    /** A row that is not as the audit says. False: it is another by now. */
    dropAccount([kind, name, box]: readonly ['operator' | 'submission', string, Octets], at: number): boolean {
      const organization = drop[kind].get(name, fromOctets(box)) as string | undefined;
      if (organization === undefined) return false;
      const detail = JSON.stringify({ name, was: 'put back' });
      ledger.append(at, organization, null, null, 'gateway', `${kind}.removed`, detail, null);
      return true;
    },
    addLogin(call: readonly [string, string, Octets, string, string, Octets], at: number): null {
      const [name, organization, box, actor, detail, reason] = call;
      if (insertLogin.run(name, organization, fromOctets(box)).changes === 0) {
        throw new Refusal('wrong state', `there is a submission login ${name} already`);
      }
      record(at, organization, actor, 'submission.added', detail, reason);
      return null;
    },
    removeLogin([name, organization, actor, reason]: readonly [string, string, string, Octets], at: number): null {
      if (deleteLogin.run(name).changes === 0) throw new Refusal('not found', `no submission login ${name}`);
      record(at, organization, actor, 'submission.removed', JSON.stringify({ name }), reason);
      return null;
    },
  };
}
