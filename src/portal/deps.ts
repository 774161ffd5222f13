// What the portal needs of the rest, as one object that main.ts fills in.

import type { Vault } from '../crypto/vault.ts';
import type { Address, Time } from '../domain/ids.ts';
import type { Random } from '../domain/types.ts';
import type { Line } from '../relay/line.ts';
import type { Audit } from '../store/audit/port.ts';
import type { BodyHandle } from '../store/bodies/port.ts';
import type { Parcels } from '../store/parcels/port.ts';
import type { AttachmentView, MessageView } from './portal.ts';

/** What a worker makes of mail data; `date` is null where the header has none that can be read. */
export type Rendered = Omit<MessageView, 'date'> & { readonly date: Time | null };
export type Attachment = { readonly view: AttachmentView; readonly body: AsyncIterable<Uint8Array> };

export type PortalDeps = {
  readonly line: Pick<Line, 'queue' | 'bodies' | 'ready' | 'settings' | 'clock' | 'random' | 'wake' | 'log'>;
  readonly parcels: Parcels;
  readonly audit: Pick<Audit, 'trace'>;
  readonly vault: Pick<Vault, 'wrap' | 'open' | 'code'>;
  /** Makes keys and cookies: not the line's, which serves ids. */
  readonly random: Random;
  /** Both run elsewhere: they read what strangers sent. The handle's key is overwritten afterwards. */
  readonly render: (body: BodyHandle) => Promise<Rendered>;
  /** Null when there is no such part. The handle is good until `body` ends. */
  readonly attachment: (body: BodyHandle, part: number, reader: Address) => Promise<Attachment | null>;
};
