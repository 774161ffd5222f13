// The composition root of a worker process: which jobs there are. A job gets the data keys of the objects that it reads and
// writes, for signing one private key, and nothing else. What is heavy is loaded by the job that needs it.

import { examine } from './dlp/examine.ts';
import type { KeyRead } from './domain/keys.ts';
import type { Examination } from './domain/types.ts';
import type { Rendered } from './mail/render.ts';
import type { AttachmentJob } from './portal/jobs.ts';
import { makeVariant } from './relay/make-variant.ts';
import type { MadeHandle, MadeSize } from './store/bodies/made.ts';
import type { BodyHandle } from './store/bodies/port.ts';
import { keptFile, readSealed } from './store/bodies/read.ts';
import { writeMade } from './store/bodies/write-made.ts';
import { serve } from './work/serve.ts';

export type ExamineInput = { readonly body: BodyHandle; readonly subjectTags: readonly string[] };
export type AttachmentInput = AttachmentJob & { readonly out: MadeHandle };
export type ReadKeysInput = { readonly file: Uint8Array; readonly passphrase?: string; readonly now: number };

const files = keptFile();

serve({
  examine: ({ body, subjectTags }: ExamineInput): Examination => examine(readSealed(body, files), { subjectTags }),
  variant: makeVariant,
  render: async (body: BodyHandle): Promise<Rendered> => {
    const { renderMessage } = await import('./mail/render.ts');
    return renderMessage(readSealed(body));
  },
  attachment: async ({ body, part, out }: AttachmentInput): Promise<MadeSize> => {
    const { attachmentBody } = await import('./mail/attachment.ts');
    return writeMade(out, attachmentBody(readSealed(body), part));
  },
  readPgpKeys: async ({ file, ...options }: ReadKeysInput): Promise<KeyRead[]> => {
    const { readPgpKeys } = await import('./crypto/pgp/read.ts');
    return readPgpKeys(file, options);
  },
  readCertificates: async ({ file, ...options }: ReadKeysInput): Promise<KeyRead[]> => {
    const { readCertificates } = await import('./crypto/smime/read.ts');
    return readCertificates(file, options);
  },
});
