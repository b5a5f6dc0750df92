import { storeUnavailable } from './store-errors';

interface DeadlineOptions<T> {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Gets the result that comes after the caller was already refused, to free what it holds. */
  onLate?: (result: T) => void;
}

/**
 * The result of the work, `store_unavailable` when it takes longer than the deadline, or the
 * signal's reason. The work itself is not stopped: a call to a hung file system cannot be.
 */
export function withDeadline<T>(work: Promise<T>, options: DeadlineOptions<T>): Promise<T> {
  const { timeoutMs, signal, onLate } = options;
  return new Promise<T>((resolve, reject) => {
    let refused = false;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const refuse = (reason: Error): void => {
      refused = true;
      settle();
      reject(reason);
    };
    const timer = setTimeout(() => {
      refuse(
        storeUnavailable(
          new Error(
            `Operation timed out after ${timeoutMs / 1000}s. Check storage health and connectivity.`,
          ),
        ),
      );
    }, timeoutMs);
    const onAbort = (): void => {
      refuse(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    work.then(
      (result) => {
        if (refused) onLate?.(result);
        else {
          settle();
          resolve(result);
        }
      },
      (error: unknown) => {
        refuse(error as Error);
      },
    );
    if (signal?.aborted === true) onAbort();
  });
}
