// Tells by mail what needs a person, and that it is over. What was told is kept in the store: a restart neither repeats it
// nor forgets it. An alert goes as all our mail to staff does; while the last one to an organization has not ended (its way
// back is down, so that it is held), another is made a day later at the earliest: alerts about held alerts do not pile up. One
// organization whose mail cannot be made keeps nobody else from being told; it hears of what still stands a day later. Logs codes.

import type { Address, Duration, OrganizationName, QueueId } from '../domain/ids.ts';
import { isEnded } from '../domain/states.ts';
import { composeAlert } from '../mail/alert.ts';
import { codeOf, type Line, type OrganizationSettings } from '../relay/line.ts';
import { isStaff, newMessageId, toStaff, writeOwn } from '../relay/own-mail.ts';
import { verbId } from '../store/queue/port.ts';
import type { AlertMail, ToldAlert, WatchStore } from '../store/watch/port.ts';
import { ALARMS } from './alarms.ts';
import { type Cause, keyOf, type Plan, plan } from './plan.ts';

export type AlertDeps = {
  readonly line: Line;
  readonly store: Pick<WatchStore, 'alerts' | 'alerted'>;
  /** Who is told. */
  readonly to: () => readonly Address[];
};

const HOUR: Duration = 3_600_000;
const DAY: Duration = 24 * HOUR;

/** Keys of the events that were told: to one organization at least. Those of no mail at all are told at the next look. */
export async function tell(
  deps: AlertDeps,
  events: readonly Cause[],
  standing: readonly Cause[],
): Promise<ReadonlySet<string>> {
  const { line, store } = deps;
  const now = line.clock.now();
  const { told, mails } = await store.alerts();
  const planned = plan(now, events, standing, told);
  const keys = [...planned.events, ...planned.standing].map(keyOf);
  if (keys.length + planned.over.length === 0) return new Set();
  const sent: AlertMail[] = [];
  for (const [organization, to] of addressees(deps)) {
    try {
      const last = mails.find((one) => one.organization === organization.name);
      if (await isUnderWay(line, last)) continue;
      const message = await send(line, organization, to, planned, [...keys, ...planned.over]);
      sent.push({ organization: organization.name, message, at: now });
    } catch (error) {
      line.meter.alarm('stage failed');
      line.log.error(
        { stage: 'alerts', organization: organization.name, code: codeOf(error) },
        'an alert could not be made for an organization; the others are told',
      );
    }
  }
  if (sent.length === 0) return new Set();
  const kept: ToldAlert[] = [
    ...planned.events.map((one): ToldAlert => ({ cause: keyOf(one), at: now, state: 'event' })),
    ...planned.standing.map((one): ToldAlert => ({ cause: keyOf(one), at: now, state: 'standing' })),
    ...planned.over.map((cause): ToldAlert => ({ cause, at: now, state: 'over' })),
  ];
  await store.alerted(verbId(line), kept, sent, now - 2 * HOUR);
  line.log.info({ alerts: keys.length, over: planned.over.length }, 'alerts told by mail');
  line.wake('deliver');
  return new Set(planned.events.map(keyOf));
}

function addressees({ line, to }: AlertDeps): Map<OrganizationSettings, Address[]> {
  const found = new Map<OrganizationSettings, Address[]>();
  for (const address of to()) {
    const organization = line.settings().organizations.find((one) => isStaff(address, one));
    // Refused when the configuration is read.
    if (organization === undefined) continue;
    found.set(organization, [...(found.get(organization) ?? []), address]);
  }
  return found;
}

async function isUnderWay(line: Line, last: AlertMail | undefined): Promise<boolean> {
  if (last === undefined || Math.abs(line.clock.now() - last.at) >= DAY) return false;
  const found = await line.queue.message(last.message);
  return found?.deliveries.some(({ state }) => !isEnded(state)) ?? false;
}

/** Accepts the mail; the same of the same hour once, whatever is restarted in between. */
async function send(
  line: Line,
  organization: OrganizationSettings,
  to: readonly Address[],
  { events, standing, over }: Plan,
  keys: readonly string[],
): Promise<QueueId> {
  const { hostname, node } = line.settings();
  const date = line.clock.now();
  const hour = new Date(date).toISOString().slice(0, 13);
  const name: OrganizationName = organization.name;
  const cause = { kind: 'note of', key: `alert of ${node} to ${name} ${hour}: ${keys.join(', ')}` } as const;
  const raised = [...events, ...standing].map((one) => ({ ...ALARMS[one.name], name: keyOf(one), value: one.value }));
  const text = await composeAlert({ hostname, to, date, messageId: newMessageId(line), raised, over });
  const { message, durable } = await writeOwn(line, {
    ...{ to: to.map((address) => toStaff(organization, address)), organization: name, origin: 'note', cause, text },
    expiresAt: date + DAY,
  });
  await durable;
  const { id } = await line.queue.accept(verbId(line), message, cause);
  return id;
}
