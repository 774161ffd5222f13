// The composition root of a worker process: which jobs there are. A job gets one object's data key and nothing else.

import { examine } from './dlp/examine.ts';
import type { Examination } from './domain/types.ts';
import type { BodyHandle } from './store/bodies/port.ts';
import { readSealed } from './store/bodies/read.ts';
import { serve } from './work/serve.ts';

export type ExamineInput = { readonly body: BodyHandle; readonly subjectTags: readonly string[] };

serve({
  examine: ({ body, subjectTags }: ExamineInput): Examination => examine(readSealed(body), { subjectTags }),
});
