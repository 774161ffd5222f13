// What one operator asked for and another confirms: rows that move on, each with its entry. What may follow on what was judged
// by who opened the box; here the box must still be the one that was judged.

import { GATEWAY } from '../../../domain/ids.ts';
import type { ApproveCall, AskCall } from '../calls/approvals.ts';
import { fromOctets } from '../calls/octets.ts';
import { Refusal, type Workbench } from '../workbench.ts';

export function makeApprovals({ db, ledger }: Workbench) {
  const insert = db.prepare('INSERT INTO approval (id, state, asked_at, until, box) VALUES (?, ?, ?, ?, ?)');
  const move = db.prepare('UPDATE approval SET state = ?, box = ? WHERE id = ? AND box = ?');
  return {
    ask([id, state, actor, until, box, event, detail]: AskCall, at: number): null {
      insert.run(id, state, at, until, fromOctets(box));
      ledger.append(at, GATEWAY, null, null, actor, event, detail, null);
      return null;
    },
    approve([id, before, box, state, actor, event, detail, reason]: ApproveCall, at: number): null {
      const { changes } = move.run(state, fromOctets(box), id, fromOctets(before));
      if (changes === 0) throw new Refusal('wrong state', `${id} was changed meanwhile`);
      ledger.append(at, GATEWAY, null, null, actor, event, detail, fromOctets(reason));
      return null;
    },
  };
}
