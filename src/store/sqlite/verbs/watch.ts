// alerted: what was told of alerts, so that a restart neither repeats it nor forgets to say that it is over.

import { GATEWAY } from '../../../domain/ids.ts';
import type { AlertedCall } from '../calls/watch.ts';
import type { Workbench } from '../workbench.ts';

export function makeWatch(w: Workbench) {
  const keep = w.db.prepare('INSERT OR REPLACE INTO alert (cause, at, state) VALUES (?, ?, ?)');
  const forget = w.db.prepare("DELETE FROM alert WHERE state <> 'standing' AND at < ?");
  const keepMail = w.db.prepare('INSERT OR REPLACE INTO alert_mail (organization, message, at) VALUES (?, ?, ?)');
  return {
    alerted([told, mails, before]: AlertedCall, at: number): null {
      for (const [cause, since, state] of told) keep.run(cause, since, state);
      for (const [organization, message, sent] of mails) keepMail.run(organization, message, sent);
      forget.run(before);
      const detail = JSON.stringify({
        told: told.map(([cause, , state]) => `${cause}: ${state}`),
        mails: mails.length,
      });
      w.ledger.append(at, GATEWAY, null, null, 'gateway watch', 'alert.told', detail, null);
      return null;
    },
  };
}
