import type { IncomingMessage } from 'node:http';
import { blobCorrupt, storeUnavailable } from '../store-errors';
import type { BlobStream } from '../store-driver';

type Chunk = IteratorResult<Uint8Array, undefined>;
const END: Chunk = { done: true, value: undefined };

/**
 * The body of an answer, read only when it is asked for. It ends cleanly only when the answer was
 * complete; a connection that breaks before, or is silent for too long, makes it fail.
 */
export class ResponseStream implements BlobStream {
  private failure: Error | undefined;
  private ended = false;
  private closed = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly response: IncomingMessage,
    private readonly idleMs: number,
    private readonly signal?: AbortSignal,
  ) {
    response.on('readable', this.onProgress);
    response.on('end', this.onEnd);
    response.on('close', this.onClose);
    // Stays: a connection may break once more after it was given up.
    response.on('error', this.onError);
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted === true) this.onAbort();
    // It may have broken before anybody listened.
    else if (response.destroyed) this.fail(endedEarly());
  }

  async next(): Promise<Chunk> {
    for (;;) {
      if (this.failure) throw this.failure;
      if (this.closed) return END;
      const chunk = this.response.read() as Buffer | null;
      if (chunk) return { done: false, value: chunk };
      if (this.ended) {
        this.close();
        return END;
      }
      await this.waitForSource();
    }
  }

  return(): Promise<Chunk> {
    this.close();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private async waitForSource(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        const reason = new Error(`nothing came for ${this.idleMs / 1000} s`);
        this.fail(storeUnavailable(reason));
      }, this.idleMs);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
    });
  }

  private readonly onProgress = (): void => this.wake?.();
  private readonly onEnd = (): void => {
    this.ended = this.response.complete;
    if (this.ended) this.wake?.();
    else this.fail(endedEarly());
  };
  private readonly onClose = (): void => {
    if (!this.ended && !this.closed) this.fail(endedEarly());
  };
  private readonly onError = (error: Error): void => {
    if (!this.closed) this.fail(endedEarly(error));
  };
  private readonly onAbort = (): void => this.fail(this.signal?.reason as Error);

  private fail(error: Error): void {
    this.failure ??= error;
    this.close();
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.signal?.removeEventListener('abort', this.onAbort);
    this.response.off('readable', this.onProgress);
    this.response.destroy();
    this.wake?.();
  }
}

function endedEarly(cause?: Error): Error {
  return blobCorrupt('The image data broke off before its end', cause);
}
