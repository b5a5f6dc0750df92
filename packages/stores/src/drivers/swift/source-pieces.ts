import type { ByteSource } from '../../store-driver';

/** A source, cut into bodies one after the other without a copy of its bytes. */
export class SourcePieces {
  /** All bytes so far. */
  sizeBytes = 0;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array | undefined;

  constructor(source: ByteSource) {
    this.chunks = source[Symbol.asyncIterator]();
  }

  /** Whether there are no more bytes: the source has ended then, and well. */
  async isEnded(): Promise<boolean> {
    while (this.rest === undefined || this.rest.length === 0) {
      const result: IteratorResult<Uint8Array, unknown> = await this.chunks.next();
      if (result.done === true) return true;
      this.rest = result.value;
    }
    return false;
  }

  /** The next bytes, so many or what there is. Giving it up early leaves the source as it is. */
  async *piece(sizeBytes: number): AsyncGenerator<Uint8Array, undefined> {
    let left = sizeBytes;
    while (left > 0 && !(await this.isEnded())) {
      const { rest = new Uint8Array() } = this;
      const used = rest.subarray(0, left);
      // What is left of a chunk is used before the next is asked for: its memory is used again then.
      this.rest = rest.subarray(used.length);
      left -= used.length;
      this.sizeBytes += used.length;
      yield used;
    }
  }

  /** Tells the producer to stop; not waited for, it may hang. */
  stop(): void {
    const stopping = async (): Promise<void> => {
      await this.chunks.return?.();
    };
    stopping().catch(() => undefined);
  }
}
