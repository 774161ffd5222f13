// Connections that finished a transaction and may carry the next one. A key says for whom; how strong a connection is gets
// judged anew by whoever takes it. Logs nothing.

import type { Duration } from '../domain/ids.ts';
import type { Clock } from '../domain/types.ts';
import type { Hop } from '../route/resolve.ts';
import { type Connection, QUIT_MS } from './connection.ts';

export type PoolLimits = {
  readonly messages: number;
  readonly idle: Duration;
  readonly life: Duration;
};

export const DEFAULT_LIMITS: PoolLimits = { messages: 100, idle: 5_000, life: 600_000 };

/** How long a delivery waits for the end of a connection that it was the last of: who answers promptly stays who does. */
const SPENT_MS: Duration = 500;

export type Pool = {
  /** An idle connection for the key that `fits`, or null. */
  readonly take: (key: string, fits: (connection: Connection) => boolean) => Connection | null;
  /** Keeps it, or takes leave of it when it is used up: then it resolves when it is closed, so that the next one is none more. */
  readonly give: (key: string, connection: Connection) => Promise<void>;
  /** No more than so many stay, the oldest go first: at once, since another takes its place. */
  readonly trim: (most: number) => void;
  readonly idle: () => number;
  readonly close: () => void;
};

/**
 * All that must be equal for two deliveries to share a connection: our side (name, source address), the peer's address,
 * and the names and trust that it is judged by.
 */
export function poolKey(hop: Hop, helo: string, localAddress = ''): string {
  const names = hop.references.map(({ name, source }) => `${source}=${name}`);
  return [localAddress, helo, hop.address, hop.port, hop.mx, ...names].join('\n');
}

type Kept = { readonly key: string; readonly connection: Connection; readonly timer: NodeJS.Timeout };

export function createPool(deps: { readonly clock: Pick<Clock, 'now'>; readonly limits: PoolLimits }): Pool {
  const { clock, limits } = deps;
  // In order of becoming idle.
  const kept = new Set<Kept>();
  let closed = false;

  const remove = (entry: Kept): Connection => {
    clearTimeout(entry.timer);
    entry.connection.dialog.whenEnded(null);
    kept.delete(entry);
    return entry.connection;
  };
  const isSpent = (connection: Connection): boolean =>
    connection.messages >= limits.messages || clock.now() - connection.since >= limits.life;

  return {
    take: (key, fits) => {
      for (const entry of kept) {
        if (entry.key !== key) continue;
        if (isSpent(entry.connection)) remove(entry).dialog.quit(QUIT_MS);
        else if (fits(entry.connection)) return remove(entry);
      }
      return null;
    },
    give: async (key, connection) => {
      if (connection.dialog.ended !== null) return;
      if (closed || isSpent(connection)) return connection.dialog.quit(SPENT_MS);
      const timer = setTimeout(() => remove(entry).dialog.quit(QUIT_MS), limits.idle).unref();
      const entry: Kept = { key, connection, timer };
      kept.add(entry);
      connection.dialog.whenEnded(() => remove(entry));
    },
    trim: (most) => {
      for (const oldest of kept) {
        if (kept.size <= most) break;
        remove(oldest).dialog.quit(0);
      }
    },
    idle: () => kept.size,
    close: () => {
      closed = true;
      for (const entry of [...kept]) remove(entry).dialog.quit(QUIT_MS);
    },
  };
}
