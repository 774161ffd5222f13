// Absolute deadlines: a peer that sends one byte now and then gains nothing, because no traffic moves the end. Logs nothing.

import type { Duration } from '../domain/ids.ts';

/** `what` names the step: `DNS answer`, `TCP connection`. Holds no data of a message. */
export class DeadlineError extends Error {
  readonly what: string;
  constructor(what: string) {
    super(`${what}: time is up`);
    this.what = what;
  }
}

/**
 * Runs `work` with a signal that aborts after `ms` or when `outer` does; rejects with DeadlineError or the reason of
 * `outer` even if `work` ignores its signal.
 */
export async function within<T>(
  ms: Duration,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  outer?.throwIfAborted();
  const controller = new AbortController();
  const ended = Promise.withResolvers<never>();
  // The loser of the race below may reject with nobody listening.
  ended.promise.catch(() => undefined);
  const end = (reason: unknown): void => {
    controller.abort(reason);
    ended.reject(reason);
  };
  const timer = setTimeout(() => end(new DeadlineError(what)), ms);
  const onOuter = (): void => end(outer?.reason);
  outer?.addEventListener('abort', onOuter, { once: true });
  try {
    return await Promise.race([work(controller.signal), ended.promise]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onOuter);
  }
}
