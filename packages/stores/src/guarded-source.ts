import { DomainError } from '@glance/common';
import type { ByteSource } from './store-driver';

interface GuardOptions {
  expectedSizeBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  onBytes?: (count: number) => void;
}

/**
 * The source as a driver sees it: it counts, fails with `data_mismatch` as soon as it is longer or
 * at its end shorter than announced, and fails with the signal's reason at once on an abort, even
 * while the producer says nothing. The producer is told to stop whenever reading ends early.
 */
export class GuardedSource implements AsyncIterable<Uint8Array> {
  receivedBytes = 0;
  /** True once the producer ended and the announced size agreed. */
  complete = false;
  /** What made the source fail, as thrown to the driver. */
  failure: Error | undefined;

  private readonly chunks: AsyncIterator<Uint8Array>;
  private rejectPending: ((reason: Error) => void) | undefined;

  constructor(
    source: ByteSource,
    private readonly options: GuardOptions = {},
  ) {
    this.chunks = source[Symbol.asyncIterator]();
    options.signal?.addEventListener('abort', this.abort, { once: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.next(),
      return: () => {
        this.stopProducer();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /** To be called when the driver is done, however that went. */
  release(): void {
    this.options.signal?.removeEventListener('abort', this.abort);
    if (!this.complete && !this.failure) this.stopProducer();
  }

  private async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.failure) throw this.failure;
    try {
      const result = await this.pull();
      if (result.done === true) {
        this.checkSize('at end');
        this.complete = true;
        return { done: true, value: undefined };
      }
      this.receivedBytes += result.value.length;
      this.checkSize('running');
      this.options.onBytes?.(result.value.length);
      return result;
    } catch (error) {
      this.failure = toError(error);
      this.stopProducer();
      throw this.failure;
    }
  }

  // One pending promise at a time and one abort listener for the whole transfer: racing each chunk
  // against a long-lived promise would keep a record per chunk until the transfer ends.
  private pull(): Promise<IteratorResult<Uint8Array, unknown>> {
    return new Promise((resolve, reject) => {
      if (this.options.signal?.aborted === true) {
        reject(toError(this.options.signal.reason));
        return;
      }
      this.rejectPending = reject;
      nextNonEmpty(this.chunks).then(resolve, reject);
    });
  }

  private readonly abort = (): void => {
    this.rejectPending?.(toError(this.options.signal?.reason));
  };

  private checkSize(when: 'running' | 'at end'): void {
    const expected = this.options.expectedSizeBytes;
    if (expected === undefined) return;
    const got = this.receivedBytes;
    if (got > expected) throw sizeMismatch('Size exceeds', expected, got);
    if (when === 'at end' && got < expected) throw sizeMismatch('Size mismatch', expected, got);
  }

  // Not awaited: a producer that hangs must not keep the driver from cleaning up.
  private stopProducer(): void {
    const stop = async (): Promise<void> => {
      await this.chunks.return?.();
    };
    stop().catch(() => undefined);
  }
}

async function nextNonEmpty(
  chunks: AsyncIterator<Uint8Array>,
): Promise<IteratorResult<Uint8Array, unknown>> {
  for (;;) {
    const result: IteratorResult<Uint8Array, unknown> = await chunks.next();
    if (result.done === true || result.value.length > 0) return result;
  }
}

function sizeMismatch(what: string, expectedBytes: number, receivedBytes: number): DomainError {
  return new DomainError(
    'data_mismatch',
    `${what}: expected ${expectedBytes} bytes, got ${receivedBytes} bytes`,
    { details: { expectedBytes, receivedBytes } },
  );
}

function toError(value: unknown): Error {
  return isErrorLike(value) ? value : new Error(String(value), { cause: value });
}

// By shape: a DOMException, the usual reason of a signal, is no native error.
function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value;
}
