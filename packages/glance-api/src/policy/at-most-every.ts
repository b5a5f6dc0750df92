/**
 * Runs the work for who asks, but begins it at most once in the interval: whoever asks in the
 * meantime waits for the run that began last, if that is not over.
 */
export function atMostEvery(intervalMs: number, work: () => Promise<void>): () => Promise<void> {
  let began = -Infinity;
  let running = Promise.resolve();
  return () => {
    const now = performance.now();
    if (now - began >= intervalMs) {
      began = now;
      running = work();
    }
    return running;
  };
}
