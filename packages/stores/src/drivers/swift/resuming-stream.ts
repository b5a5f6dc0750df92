import { isDomainError } from '@glance/common';
import type { BlobStream } from '../../store-driver';

type Chunk = IteratorResult<Uint8Array, undefined>;

/**
 * A stream that goes on where it was when it breaks off, for some times. The bytes before and after
 * are of one object: whoever opens the rest makes sure of that.
 */
export class ResumingStream implements BlobStream {
  private readBytes = 0;
  private closed = false;

  /** @param openRest gives the stream from so many bytes on. */
  constructor(
    private stream: BlobStream,
    private readonly openRest: (readBytes: number) => Promise<BlobStream>,
    private retries: number,
    private readonly signal?: AbortSignal,
  ) {}

  async next(): Promise<Chunk> {
    for (;;) {
      try {
        const result = await this.stream.next();
        if (result.done !== true) this.readBytes += result.value.length;
        return result;
      } catch (error) {
        this.signal?.throwIfAborted();
        if (this.closed || this.retries === 0 || !isDomainError(error)) throw error;
        this.retries -= 1;
        const rest = await this.openRest(this.readBytes);
        this.stream = rest;
        // Given up meanwhile.
        if (this.isClosed()) await rest.return();
      }
    }
  }

  private isClosed(): boolean {
    return this.closed;
  }

  async return(): Promise<Chunk> {
    this.closed = true;
    return await this.stream.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
