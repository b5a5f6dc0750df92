import type { BlobStream, ByteRange } from '../../store-driver';
import type { ConnectedHelper } from './rbd-cluster';
import { toStreamError } from './rbd-errors';

const READ_BYTES = 1024 * 1024;
const READS_AT_A_TIME = 4;

type Chunk = IteratorResult<Uint8Array, undefined>;
const END: Chunk = { done: true, value: undefined };

interface BlobReaderOptions {
  helper: ConnectedHelper;
  /** The helper's number of it. */
  reader: number;
  range: ByteRange;
  signal?: AbortSignal | undefined;
  /** Once the helper has closed it. */
  onClosed: () => void;
}

/** Bytes of an open image, asked for a little ahead once somebody reads. */
export class BlobReader implements BlobStream {
  private position: number;
  private readonly end: number;
  private readonly asked: Promise<Buffer[]>[] = [];
  private pieces: Buffer[] = [];
  private failure: Error | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly options: BlobReaderOptions) {
    this.position = options.range.offset;
    this.end = options.range.offset + options.range.length;
    options.signal?.addEventListener('abort', this.onAbort, { once: true });
    if (options.signal?.aborted === true) this.onAbort();
  }

  async next(): Promise<Chunk> {
    for (;;) {
      if (this.failure) throw this.failure;
      if (this.closing) return END;
      const piece = this.pieces.shift();
      if (piece) return { done: false, value: piece };
      this.askAhead();
      const reading = this.asked.shift();
      if (reading === undefined) {
        await this.close();
        return END;
      }
      try {
        this.pieces = await reading;
      } catch (error) {
        this.failure ??= toStreamError(error) as Error;
        await this.close();
      }
    }
  }

  async return(): Promise<Chunk> {
    await this.close();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private askAhead(): void {
    const { helper, reader } = this.options;
    while (this.asked.length < READS_AT_A_TIME && this.position < this.end) {
      const length = Math.min(READ_BYTES, this.end - this.position);
      const reading = helper
        .call('read', { reader, offset: this.position, length })
        .then(({ bytes }) => bytes);
      // Those that nobody waits for any more.
      reading.catch(() => undefined);
      this.asked.push(reading);
      this.position += length;
    }
  }

  private readonly onAbort = (): void => {
    this.failure ??= this.options.signal?.reason as Error;
    void this.close();
  };

  private close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    const { helper, reader, signal, onClosed } = this.options;
    signal?.removeEventListener('abort', this.onAbort);
    this.pieces = [];
    // A helper that is gone has nothing open.
    await helper.call('closeReader', { reader }).catch(() => undefined);
    onClosed();
  }
}
