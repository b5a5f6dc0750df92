import type { BlobStream } from './store-driver';

/** No bytes: what a range of length 0 is. */
export function emptyStream(): BlobStream {
  const end = (): Promise<IteratorResult<Uint8Array, undefined>> =>
    Promise.resolve({ done: true, value: undefined });
  return {
    next: end,
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
