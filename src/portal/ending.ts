// A body that must be given back by who takes it. A generator that was never begun runs no `finally`: who goes away before the
// first octet would keep it for good.

export type EndingBody = AsyncIterableIterator<Uint8Array, undefined, void> & {
  return(): Promise<IteratorResult<Uint8Array, undefined>>;
};

/** Calls `end` once: when `body` was read or failed, or is not wanted any more, begun or not. */
export function ending(body: AsyncIterable<Uint8Array>, end: () => unknown): EndingBody {
  const chunks = body[Symbol.asyncIterator]();
  let ended = false;
  const over = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    await end();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const one = await chunks.next();
        if (!one.done) return one;
      } catch (error) {
        await over();
        throw error;
      }
      await over();
      return { done: true, value: undefined };
    },
    async return() {
      try {
        await chunks.return?.();
      } finally {
        await over();
      }
      return { done: true, value: undefined };
    },
  };
}

/** Gives a body back that is not wanted. */
export async function giveBack(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}
