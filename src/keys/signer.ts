// Which of an organization's own keys signs for a sender: the sender's own before that of the domain. None is no lack: what
// leaves is encrypted all the same.

import { normalAddress, type OrganizationName } from '../domain/ids.ts';
import type { KeyKind } from '../domain/keys.ts';
import type { AddressKey, KeyBook } from './book-port.ts';
import { covers, isUsable } from './judge.ts';
import type { Judge } from './lookup.ts';

export type Signer = (
  organization: OrganizationName,
  kind: KeyKind,
  sender: string | undefined,
) => Promise<AddressKey | null>;

export function createSigner({ book, judge }: { book: Pick<KeyBook, 'own'>; judge: Judge }): Signer {
  return async (organization, kind, sender) => {
    if (sender === undefined) return null;
    const address = normalAddress(sender);
    const good = (await book.own(organization, kind)).filter(
      (key) => covers(key.subject, address) && isUsable(judge(key, address)),
    );
    return good.find(({ subject }) => subject === address) ?? good[0] ?? null;
  };
}
