// Opens S/MIME messages (RFC 8551): what comes from others, and in tests what we send. Signed, enveloped, or signed and then
// enveloped. Holds the whole message in memory. Not read: AuthEnvelopedData, CompressedData, an envelope in an envelope.

import type { Time } from '../../domain/ids.ts';
import { parseCertificate } from './certificate.ts';
import { childrenOf, type Element, explicit, oidOf, readWhole, TAG } from './der.ts';
import { decodedBody, type Entity, partsOf, readEntity } from './entity.ts';
import { openEnvelopedData } from './enveloped-data.ts';
import { SmimeError } from './error.ts';
import { CMS } from './oids.ts';
import { verifySignedData } from './verify.ts';

export type OpenOptions = {
  /** DER of a certificate, PKCS#8 DER of its key. */
  readonly keys: readonly { readonly certificate: Uint8Array; readonly privateKey: Uint8Array }[];
  /** DER of the certificates that signers must lead to. */
  readonly roots: readonly Uint8Array[];
  readonly now: Time;
};

export type Opened = {
  /** Header section, blank line and body of what was protected. */
  readonly entity: Buffer;
  /** `invalid`: rightly signed, by someone who cannot be trusted (chain, dates, usage, strength). `none` proves nothing. */
  readonly signed: 'valid' | 'invalid' | 'none';
  /** Addresses of the signer's certificate, lower case; that the sender is among them is the caller's to check. */
  readonly signer?: readonly string[];
};

const CMS_TYPES = ['application/pkcs7-mime', 'application/x-pkcs7-mime'];
const SIGNATURE_TYPES = ['application/pkcs7-signature', 'application/x-pkcs7-signature'];

/**
 * What an S/MIME message holds, or nothing. Nothing comes out when padding, MIME or a signature that is there is wrong.
 *
 * The envelope is encrypted with CBC and has no MAC. Inside a valid signature every change of the ciphertext is noticed.
 * Without one (`none`) it is noticed only where it breaks the padding or the MIME around the text: a changed octet in the
 * text makes 16 octets of noise and changes one more, and is released. Who knows a part of the text can do more (EFAIL), even
 * take a signed text out of its signature. So an entity with `none` must never be shown as HTML that loads anything, and who
 * expects a signature must ask for `valid`.
 *
 * @throws SmimeError `damaged`, `no key`, `unsupported` (also for a message that is no S/MIME).
 */
export function openSmime(message: Uint8Array, { keys, roots, now }: OpenOptions): Opened {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const outer = readEntity(bytes);
  const cms = cmsOf(outer);
  if (cms?.type !== CMS.envelopedData) {
    const signed = signedOf(outer, cms, roots, now);
    if (signed === null) throw new SmimeError('unsupported');
    return signed;
  }
  const own = keys.map(({ certificate, privateKey }) => ({ certificate: parseCertificate(certificate), privateKey }));
  const content = openEnvelopedData(cms.content, own);
  const inner = readEntity(content);
  return signedOf(inner, cmsOf(inner), roots, now) ?? { entity: content, signed: 'none' };
}

type Cms = { readonly type: string; readonly content: Element };

/** The ContentInfo (RFC 5652 §3) of an entity that is one. */
function cmsOf(entity: Entity): Cms | null {
  return CMS_TYPES.includes(entity.media.value) ? contentInfoOf(decodedBody(entity)) : null;
}

function contentInfoOf(octets: Buffer): Cms {
  const [type, content] = childrenOf(readWhole(octets), TAG.sequence);
  return { type: oidOf(type), content: explicit(content, 0) };
}

/** Null: an entity of another kind. A signature of another kind cannot be judged, so nothing is told of what it covers. */
function signedOf(entity: Entity, cms: Cms | null, roots: readonly Uint8Array[], now: Time): Opened | null {
  if (cms !== null) {
    if (cms.type !== CMS.signedData) throw new SmimeError('unsupported');
    return told(verifySignedData(cms.content, null, roots, now));
  }
  if (entity.media.value !== 'multipart/signed') return null;
  const [content, signature, ...more] = partsOf(entity.media, entity.body);
  if (!content || !signature || more.length > 0) throw new SmimeError('damaged');
  const part = readEntity(signature);
  if (!SIGNATURE_TYPES.includes(part.media.value)) throw new SmimeError('unsupported');
  const { type, content: signedData } = contentInfoOf(decodedBody(part));
  if (type !== CMS.signedData) throw new SmimeError('damaged');
  return told(verifySignedData(signedData, formsOf(content), roots, now));
}

function told({ content, trusted, signer }: ReturnType<typeof verifySignedData>): Opened {
  return { entity: content, signed: trusted ? 'valid' : 'invalid', signer };
}

/** RFC 8551 §3.1.1: signed with CR LF; some programs encrypt it with the line ends of their system. */
function* formsOf(text: Buffer): Iterable<Buffer> {
  yield text;
  yield Buffer.from(text.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}
