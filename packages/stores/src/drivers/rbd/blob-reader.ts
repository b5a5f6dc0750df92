import type { BlobStream, ByteRange } from '../../store-driver';
import { SLOT_BYTES } from './protocol';
import type { ConnectedHelper } from './rbd-cluster';
import { toStreamError } from './rbd-errors';
import { ReadBuffers } from './read-buffers';

type Chunk = IteratorResult<Uint8Array, undefined>;

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
  private readonly chunks: AsyncGenerator<Uint8Array, undefined>;
  private closing: Promise<void> | undefined;

  constructor(private readonly options: BlobReaderOptions) {
    const { signal } = options;
    this.chunks = readAhead(options);
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted === true) this.onAbort();
  }

  async next(): Promise<Chunk> {
    try {
      const result = await this.chunks.next();
      if (result.done === true) await this.close();
      return result;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  // A generator that was never started would not run a `finally`: the reader is closed out here.
  async return(): Promise<Chunk> {
    const result = await this.chunks.return(undefined);
    await this.close();
    return result;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private readonly onAbort = (): void => {
    void this.close();
  };

  private close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    const { helper, reader, signal, onClosed } = this.options;
    signal?.removeEventListener('abort', this.onAbort);
    // A helper that is gone has nothing open.
    await helper.call('closeReader', { reader }).catch(() => undefined);
    onClosed();
  }
}

/** A part on its way into a buffer. */
interface Asked {
  buffer: Buffer;
  reading: Promise<Uint8Array>;
}

async function* readAhead({
  helper,
  reader,
  range,
  signal,
}: BlobReaderOptions): AsyncGenerator<Uint8Array, undefined> {
  const end = range.offset + range.length;
  const buffers = new ReadBuffers(range.length);
  const asked: Asked[] = [];
  let position = range.offset;
  const askAhead = (): void => {
    while (position < end) {
      const buffer = buffers.take();
      if (buffer === undefined) return;
      const part = buffer.subarray(0, Math.min(buffer.length, SLOT_BYTES, end - position));
      const reading = readPart(helper, { reader, offset: position }, part);
      // It may fail while the consumer is busy with the chunk before; it is awaited later.
      reading.catch(() => undefined);
      asked.push({ buffer, reading });
      position += part.length;
    }
  };
  try {
    for (;;) {
      signal?.throwIfAborted();
      askAhead();
      const [next] = asked;
      if (next === undefined) return undefined;
      const chunk = await next.reading;
      signal?.throwIfAborted();
      yield chunk;
      asked.shift();
      buffers.giveBack(next.buffer);
    }
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : toStreamError(error);
  } finally {
    // Reads under way would write into what is another transfer's memory by then.
    void Promise.allSettled(asked.map(({ reading }) => reading)).then(() => {
      buffers.release();
    });
  }
}

/** Fills the part of a buffer with what is in the image from the offset on. */
async function readPart(
  { memory, call }: ConnectedHelper,
  { reader, offset }: { reader: number; offset: number },
  part: Buffer,
): Promise<Uint8Array> {
  const slot = await memory.take();
  try {
    await call('read', { reader, offset, slot, length: part.length });
    memory.get(slot, part);
    return part;
  } finally {
    memory.giveBack(slot);
  }
}
