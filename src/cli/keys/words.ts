// How keys are shown to people.

import type { KeyView } from '../../control/key-views.ts';
import { mark, plain, print, printPairs, timeText } from '../output.ts';

/** `9C1F 0D3A …`: as people compare it, four digits at a time. */
export function inGroups(fingerprint: string): string {
  return (fingerprint.toUpperCase().match(/.{1,4}/g) ?? []).join(' ');
}

export function kindText({ kind, own }: Pick<KeyView, 'kind' | 'own'>): string {
  const name = kind === 'pgp' ? 'PGP' : 'S/MIME';
  return own ? `${name}, own` : name;
}

const SAYS_ITSELF: ReadonlySet<string> = new Set(['expiring', 'expired', 'not yet valid', 'untrusted']);

/** `usable: valid until 2027-03-01`. */
export function stateText({ state, why }: Pick<KeyView, 'state' | 'why'>): string {
  return SAYS_ITSELF.has(state) || why.startsWith(state) ? why : `${state}: ${why}`;
}

export function stateMark({ state }: Pick<KeyView, 'state'>): string {
  if (state === 'usable') return mark('ok');
  return mark(state === 'expiring' ? 'warning' : 'problem');
}

/** One line with its mark, and the fingerprint below it. */
export async function printKey(key: KeyView, said: string): Promise<void> {
  const pinned = key.pinned ? ', pinned' : '';
  await print(
    `${stateMark(key)} ${key.key}  ${plain(`${said} for ${key.for} (${kindText(key)}, ${key.algorithm}${pinned})`)}`,
  );
  await print(`  ${inGroups(key.fingerprint)}`);
  await print(`  ${plain(stateText(key))}`);
}

export async function showKey(key: KeyView): Promise<void> {
  await printPairs([
    ['key', key.key],
    ['organization', key.organization],
    ['for', key.for],
    ['kind', kindText(key)],
    ['state', stateText(key)],
    ['pinned', key.pinned ? 'yes' : 'no'],
    ['algorithm', key.algorithm],
    ['fingerprint', inGroups(key.fingerprint)],
    ['names', key.addresses.join(', ') || '-'],
    ['valid', `${timeText(key.validFrom)} to ${key.validUntil === null ? 'no end' : timeText(key.validUntil)}`],
    ...(key.kind === 'smime' ? ([['issuers', `${key.issuers} came with it`]] as const) : []),
    ['added', `${timeText(key.added)} by ${key.addedBy}`],
    ...(key.revoked === null
      ? []
      : ([['revoked here', `${timeText(key.revoked)}: ${key.revokedBecause ?? ''}`]] as const)),
  ]);
}
