// What the portal has workers do with mail data, which strangers wrote: render a message, decode one of its attachments.

import type { Made } from '../store/bodies/made.ts';
import type { BodyHandle } from '../store/bodies/port.ts';
import type { Pool } from '../work/pool.ts';
import type { PortalDeps, Rendered } from './deps.ts';
import { ending } from './ending.ts';

const TIME = 30_000;
/** Octets that take as long again. */
const LARGE = 20 << 20;

/** Input of the job `attachment`, beside where its worker writes. */
export type AttachmentJob = { readonly body: BodyHandle; readonly part: number };

export function createJobs(makers: Pool, made: Made): Pick<PortalDeps, 'render' | 'attachment'> {
  const limit = (body: BodyHandle) => TIME * (1 + body.length / LARGE);
  const running = new Map<string, Promise<Rendered>>();
  /** Once at a time for each sealed message: its reader can ask as often as they like, and variants need the same workers. */
  const render = async (body: BodyHandle) => {
    const found = running.get(body.object) ?? makers.run<Rendered>('render', body, limit(body));
    running.set(body.object, found);
    try {
      return await found;
    } finally {
      if (running.get(body.object) === found) running.delete(body.object);
    }
  };
  return {
    render,
    attachment: async (body, part, reader) => {
      const view = (await render(body)).attachments.find((one) => one.part === part);
      if (view === undefined) return null;
      const name = `attachment ${body.object} ${part}`;
      const { organization, length: expected } = body;
      const decoded = await made.take({ use: 'download', name, organization, expected, reader }, (out) =>
        makers.run('attachment', { body, part, out }, limit(body)),
      );
      return { view: { ...view, size: decoded.size }, body: ending(decoded.open(), () => decoded.release(false)) };
    },
  };
}
