// The way of each delivery: the first item of its list that is possible now, and what is said of those before.

import type { Delivery, Protection, ProtectionName } from '../../../src/domain/types.ts';
import type { KeyAnswer } from '../../../src/keys/book-port.ts';
import { choose } from '../../../src/relay/choose.ts';
import type { Line } from '../../../src/relay/line.ts';

const key = (id: string) => ({ id, facts: { kind: 'pgp' } }) as never;
const ANSWERS: Readonly<Record<string, KeyAnswer>> = {
  'pgp carol@x.test': { kind: 'found', key: key('carol') },
  'pgp @shared.test': { kind: 'found', key: key('shared') },
  'pgp late@x.test': { kind: 'none', why: 'expired 2026-03-01' },
  'smime away@x.test': { kind: 'not now', why: 'the keys cannot be read now' },
};

function lineOf(built: readonly ProtectionName[]): Line {
  return {
    settings: () => ({ built }),
    lookUpKey: async (_: string, recipient: string, kind: string) =>
      ANSWERS[`${kind} ${recipient}`] ??
      ANSWERS[`${kind} ${recipient.slice(recipient.indexOf('@'))}`] ?? { kind: 'none', why: 'no key known' },
  } as unknown as Line;
}

const LIST: readonly Protection[] = [
  { name: 'smime', level: 'encrypt' },
  { name: 'pgp', level: 'encrypt' },
  { name: 'tls', level: 'verify' },
  { name: 'portal', level: 'encrypt' },
];

function delivery(recipient: string, step = 0, protections: readonly Protection[] = LIST): Delivery {
  const decision = { action: { kind: 'deliver', protections } };
  return {
    id: `m.${recipient}`,
    recipient,
    step,
    stepSince: 5,
    stepAttempts: 2,
    because: '',
    decision,
  } as unknown as Delivery;
}

const ALL: readonly ProtectionName[] = ['tls', 'pgp', 'smime', 'portal'];

test.each<[string, string, number, string, number, string[]]>([
  ['a key is known', 'carol@x.test', 0, 'variant', 1, ['smime: no key known']],
  ['no key: TLS', 'nobody@x.test', 0, 'message', 2, ['smime: no key known', 'pgp: no key known']],
  ['an expired key says so', 'late@x.test', 1, 'message', 2, ['pgp: expired 2026-03-01']],
  ['TLS was found to lack: the portal', 'nobody@x.test', 3, 'portal', 3, []],
  ['keys that cannot be read are waited for', 'away@x.test', 0, 'none', 0, []],
])('%s', async (_, recipient, from, way, step, passed) => {
  const [group] = await choose(lineOf(ALL), [delivery(recipient, from)]);
  expect(group?.way.kind).toBe(way);
  expect(group?.chosen[0]).toMatchObject({ passed, delivery: { step } });
});

test('a step that is reached anew begins its clock anew; one that is kept goes on', async () => {
  const [moved] = await choose(lineOf(ALL), [delivery('nobody@x.test', 0)]);
  expect(moved?.chosen[0]?.delivery).toMatchObject({ stepSince: null, stepAttempts: 0 });
  const [kept] = await choose(lineOf(ALL), [delivery('nobody@x.test', 2)]);
  expect(kept?.chosen[0]?.delivery).toMatchObject({ stepSince: 5, stepAttempts: 2 });
});

test('keys that cannot be read now do not give way to what is plainer', async () => {
  const [group] = await choose(lineOf(ALL), [delivery('away@x.test')]);
  expect(group?.way).toMatchObject({ kind: 'none', outcome: { kind: 'unreached' } });
});

test('nothing left: a lack at once, with why in words', async () => {
  const [group] = await choose(lineOf(['tls']), [delivery('nobody@x.test', 3)]);
  expect(group?.way).toMatchObject({
    kind: 'none',
    outcome: { kind: 'lacking', atOnce: true, reason: 'not available at this gateway' },
  });
  const beyond = await choose(lineOf(ALL), [delivery('nobody@x.test', 4)]);
  expect(beyond[0]?.way).toMatchObject({ kind: 'none', outcome: { reason: 'nothing is left to try' } });
});

test('deliveries go together when way and key are the same', async () => {
  const recipients = ['a@shared.test', 'b@shared.test', 'carol@x.test', 'n@x.test', 'o@x.test'];
  const groups = await choose(
    lineOf(ALL),
    recipients.map((one) => delivery(one)),
  );
  expect(groups.map((one) => one.chosen.map(({ delivery }) => delivery.recipient))).toEqual([
    ['a@shared.test', 'b@shared.test'],
    ['carol@x.test'],
    ['n@x.test', 'o@x.test'],
  ]);
});

test('deliveries that a changed row put together are not sent by the demand of the first', async () => {
  const may: readonly Protection[] = [{ name: 'tls', level: 'may' }];
  const verify: readonly Protection[] = [{ name: 'tls', level: 'verify' }];
  const groups = await choose(lineOf(ALL), [delivery('a@x.test', 0, may), delivery('b@x.test', 0, verify)]);
  expect(groups.map(({ chosen }) => chosen.length)).toEqual([1, 1]);
});
