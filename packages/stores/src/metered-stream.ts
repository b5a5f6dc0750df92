import { blobCorrupt } from './store-errors';
import type { BlobStream } from './store-driver';

interface StreamObserver {
  /** How many bytes a clean end means. */
  expectedBytes: number;
  signal?: AbortSignal | undefined;
  onBytes(count: number): void;
  /** Once, when the stream ended, failed, was given up or aborted. */
  onClose(): void;
  translate(error: unknown): Error;
}

type Chunk = IteratorResult<Uint8Array, undefined>;

/**
 * The driver's stream, counted. It fails at once on an abort, even while the driver waits for a
 * hung device. A stream that would end cleanly with another number of bytes than promised ends with
 * `store_blob_corrupt` instead (reliability sheet, P8).
 */
export class MeteredStream implements BlobStream {
  private readBytes = 0;
  private closed = false;
  private rejectPending: ((reason: unknown) => void) | undefined;

  constructor(
    private readonly stream: BlobStream,
    private readonly observer: StreamObserver,
  ) {
    observer.signal?.addEventListener('abort', this.abort, { once: true });
  }

  async next(): Promise<Chunk> {
    try {
      const result = await this.pull();
      if (result.done === true) {
        if (!this.closed && this.readBytes < this.observer.expectedBytes) {
          throw blobCorrupt('The stored image data ended early');
        }
        this.close();
        return result;
      }
      this.readBytes += result.value.length;
      if (this.readBytes > this.observer.expectedBytes) {
        throw blobCorrupt('The stored image data is longer than it should be');
      }
      this.observer.onBytes(result.value.length);
      return result;
    } catch (error) {
      if (!this.closed) {
        this.close();
        await this.stream.return().catch(() => undefined);
      }
      throw this.observer.translate(error);
    }
  }

  async return(): Promise<Chunk> {
    this.close();
    try {
      return await this.stream.return();
    } catch (error) {
      throw this.observer.translate(error);
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private pull(): Promise<Chunk> {
    return new Promise((resolve, reject) => {
      this.rejectPending = reject;
      this.stream.next().then(resolve, reject);
    });
  }

  // The driver heeds the signal too, and frees what it holds by itself.
  private readonly abort = (): void => {
    this.close();
    this.rejectPending?.(this.observer.signal?.reason);
  };

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.observer.signal?.removeEventListener('abort', this.abort);
    this.observer.onClose();
  }
}
