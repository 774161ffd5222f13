// What the adapters of the ports share: the two threads, typed; the vault, which opens only after the keyring works.

import type { Vault } from '../../crypto/vault.ts';
import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { Clock, Random } from '../../domain/types.ts';
import type { WriterVerb, WriterVerbs } from './protocol.ts';
import { LostAnswer, type Thread } from './thread.ts';

export type Access = {
  readonly clock: Clock;
  readonly random: Random;
  readonly vault: () => Vault;
  /** Something needs a person: words without addresses. */
  readonly alarm: (what: string) => void;
  /** Transaction size for what is leased with its decision. */
  readonly recipients: number;
  write<K extends WriterVerb>(verb: K, id: string, args: WriterVerbs[K]['args']): Promise<WriterVerbs[K]['answer']>;
  read<T>(query: string, args: unknown): Promise<T>;
};

/** Times a call is made when its answers get lost; only one with an id can be made again. */
const TRIES = 5;

export function accessOf(
  deps: Omit<Access, 'write' | 'read'>,
  threads: { readonly writer: Thread; readonly reader: Thread },
): Access {
  const { writer, reader } = threads;
  return {
    ...deps,
    async write(verb, id, args) {
      for (let tried = 1; ; tried++) {
        try {
          return await writer.call(verb, id, deps.clock.now(), args);
        } catch (error) {
          // Done or not: nobody is told before it is known (src/README.md).
          if (!(error instanceof LostAnswer) || id === '' || tried === TRIES) throw error;
        }
      }
    },
    read: (query, args) => reader.call(query, '', 0, args),
  };
}

/** The vault with the organization's keys of this month in place. */
export async function readyVault(access: Access, organization: OrganizationName, at: Time): Promise<Vault> {
  const vault = access.vault();
  await vault.ready(organization, at);
  return vault;
}

/** Search tags of an address in every organization asked for that this store knows; null when none was asked for. */
export async function tagsOf(
  access: Access,
  column: 'sender' | 'recipient',
  address: string | undefined,
  organization: OrganizationName | undefined,
): Promise<Uint8Array[] | undefined> {
  if (address === undefined) return undefined;
  const known = await access.read<string[]>('organizations', null);
  const wanted = organization === undefined ? known : known.filter((name) => name === organization);
  const at = access.clock.now();
  const tags: Uint8Array[] = [];
  for (const name of wanted) {
    const vault = await readyVault(access, name, at);
    // A copy: a view of a pooled buffer would take its whole pool along to the other thread.
    tags.push(Uint8Array.from(vault.tag(name, column, address.toLowerCase())));
  }
  return tags;
}
