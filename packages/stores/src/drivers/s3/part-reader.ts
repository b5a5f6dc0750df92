import type { ByteSource } from '../../store-driver';

/** Copies a source into buffers, one after the other. */
export class PartReader {
  /** All bytes so far. */
  sizeBytes = 0;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array | undefined;

  constructor(source: ByteSource) {
    this.chunks = source[Symbol.asyncIterator]();
  }

  /** @returns how much of the buffer was filled: less than all of it only when the source ended. */
  async fill(buffer: Buffer): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      // What is left of a chunk is used before the next is asked for: its memory is used again then.
      const chunk = this.rest ?? (await this.next());
      if (chunk === undefined) break;
      const used = Math.min(chunk.length, buffer.length - filled);
      buffer.set(chunk.subarray(0, used), filled);
      filled += used;
      this.rest = used < chunk.length ? chunk.subarray(used) : undefined;
    }
    this.sizeBytes += filled;
    return filled;
  }

  /** Tells the producer to stop; not waited for, it may hang. */
  stop(): void {
    const stopping = async (): Promise<void> => {
      await this.chunks.return?.();
    };
    stopping().catch(() => undefined);
  }

  private async next(): Promise<Uint8Array | undefined> {
    const result: IteratorResult<Uint8Array, unknown> = await this.chunks.next();
    return result.done === true ? undefined : result.value;
  }
}
