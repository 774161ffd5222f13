// The worker's side of a variant: the stored body, taken apart, encrypted and sealed again, in one stream. It gets the data
// keys of the two objects and the signing key that it needs, and nothing else.

import { randomBytes } from 'node:crypto';
import type { Time } from '../domain/ids.ts';
import type { KeyKind } from '../domain/keys.ts';
import { type EntityOptions, entityOf, splitHead } from '../mail/entity.ts';
import type { MadeHandle, MadeSize } from '../store/bodies/made.ts';
import type { BodyHandle } from '../store/bodies/port.ts';
import { readSealed } from '../store/bodies/read.ts';
import { writeMade } from '../store/bodies/write-made.ts';

export type VariantInput = {
  readonly body: BodyHandle;
  readonly out: MadeHandle;
  readonly kind: KeyKind;
  /** Octets of public keys or certificates (domain/keys.ts). */
  readonly recipients: readonly Uint8Array[];
  readonly signer?: {
    readonly public: Uint8Array;
    readonly issuers: readonly Uint8Array[];
    readonly private: Uint8Array;
  };
  readonly entity: EntityOptions;
  readonly now: Time;
};

/** Throws BodyError of the stored body, PgpError, SmimeError, or the system's error of the file. */
export async function makeVariant(input: VariantInput): Promise<MadeSize> {
  const { head } = splitHead(readSealed(input.body));
  const { outside, inside } = entityOf(head, input.entity);
  const entity = (): Iterable<Buffer> => entityBody(input.body, inside);
  const message = input.kind === 'pgp' ? pgp(input, outside, entity()) : smime(input, outside, entity);
  return writeMade(input.out, message);
}

function* entityBody(body: BodyHandle, inside: Buffer): Generator<Buffer, void, void> {
  yield inside;
  yield* splitHead(readSealed(body)).rest;
}

async function* pgp(
  { recipients, signer, now }: VariantInput,
  outside: Buffer,
  entity: Iterable<Buffer>,
): AsyncGenerator<Uint8Array, void, void> {
  const { pgpMime } = await import('../crypto/pgp/protect.ts');
  const sealed = pgpMime(entity, {
    recipients,
    now,
    boundary: boundary(),
    ...(signer !== undefined && { signer: signer.private }),
  });
  yield head(outside, [`Content-Type: ${sealed.contentType}`]);
  yield* sealed.body;
}

async function* smime(
  { recipients, signer, now }: VariantInput,
  outside: Buffer,
  entity: () => Iterable<Buffer>,
): AsyncGenerator<Uint8Array, void, void> {
  const { smimeEnvelope } = await import('../crypto/smime/protect.ts');
  const sealed = smimeEnvelope(entity, {
    recipients,
    now,
    boundary: boundary(),
    random: randomBytes,
    ...(signer !== undefined && {
      signer: { certificate: signer.public, chain: signer.issuers, privateKey: signer.private },
    }),
  });
  yield head(outside, sealed.fields);
  yield* sealed.body;
}

function head(outside: Buffer, fields: readonly string[]): Buffer {
  const mime = ['MIME-Version: 1.0', ...fields].map((field) => `${field}\r\n`).join('');
  return Buffer.concat([outside, Buffer.from(`${mime}\r\n`)]);
}

function boundary(): string {
  return `=_${randomBytes(18).toString('base64url')}`;
}
