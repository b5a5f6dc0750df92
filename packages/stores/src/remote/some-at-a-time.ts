import { setMaxListeners } from 'node:events';

/**
 * Does a piece of work for each number below a count, so many at a time. The first failure, or the
 * signal, stops the others.
 * @param work asked in order; its signal is aborted with the first failure.
 * @throws the first failure, or the signal's reason, when nothing is under way any more.
 */
export async function someAtATime(
  count: number,
  atATime: number,
  work: (index: number, stop: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  // All that is under way listens, however much is configured.
  setMaxListeners(0, stop.signal);
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count && !stop.signal.aborted) {
      const index = next;
      next += 1;
      await work(index, stop.signal).catch((error: unknown) => stop.abort(error));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(atATime, count) }, worker));
    stop.signal.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
