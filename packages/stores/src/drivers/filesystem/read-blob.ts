import { blobCorrupt } from '../../store-errors';
import type { BlobStream, ByteRange } from '../../store-driver';
import {
  TRANSFER_MEMORY_BYTES,
  giveBackTransferMemory,
  takeTransferMemory,
} from '../../transfer-memory';
import { toReadError } from './system-errors';

/** Below this a transfer gets buffers of its own size. */
const SMALL_BYTES = 64 * 1024;

/** The part of a `FileHandle` that reading needs. */
export interface ReadableFile {
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/**
 * Streams a range of a file and closes it at the end, on an error, on `return()` and on an abort,
 * whichever comes first. Two buffers take turns: one is with the consumer while the other is being
 * filled.
 */
export function readBlob(
  file: ReadableFile,
  range: ByteRange,
  chunkBytes: number,
  signal?: AbortSignal,
): BlobStream {
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    signal?.removeEventListener('abort', closeOnAbort);
    return (closing ??= file.close());
  };
  const closeOnAbort = (): void => {
    close().catch(() => undefined);
  };
  signal?.addEventListener('abort', closeOnAbort, { once: true });
  const chunks = readAhead(file, range, chunkBytes, signal);

  return {
    async next() {
      try {
        const result = await chunks.next();
        if (result.done === true) await close();
        return result;
      } catch (error) {
        await close().catch(() => undefined);
        throw error;
      }
    },
    // A generator that was never started would not run a `finally`: the file is closed out here.
    async return() {
      const result = await chunks.return(undefined);
      await close();
      return result;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* readAhead(
  file: ReadableFile,
  { offset, length }: ByteRange,
  chunkBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, undefined> {
  const end = offset + length;
  let position = offset;
  const startRead = (buffer: Buffer): Promise<Uint8Array> => {
    const reading = readSome(file, buffer, position, Math.min(buffer.length, end - position));
    // It may fail while the consumer is busy with the chunk before; it is awaited later.
    reading.catch(() => undefined);
    return reading;
  };
  const buffers = takeBuffers(chunkBytes, length);
  let [filling, idle] = buffers.pair;
  let reading: Promise<Uint8Array> | undefined;
  try {
    signal?.throwIfAborted();
    reading = position < end ? startRead(filling) : undefined;
    while (reading) {
      const chunk: Uint8Array = await reading;
      signal?.throwIfAborted();
      position += chunk.length;
      [filling, idle] = [idle, filling];
      reading = position < end ? startRead(filling) : undefined;
      yield chunk;
      signal?.throwIfAborted();
    }
    return undefined;
  } finally {
    // A read under way would write into what is another transfer's memory by then.
    await reading?.catch(() => undefined);
    buffers.release();
  }
}

interface BufferPair {
  pair: [Buffer, Buffer];
  /** When neither is read or written any more. */
  release(): void;
}

function takeBuffers(chunkBytes: number, length: number): BufferPair {
  if (length <= SMALL_BYTES || chunkBytes > TRANSFER_MEMORY_BYTES / 2) {
    const bytes = Math.min(chunkBytes, length);
    const pair: BufferPair['pair'] = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)];
    return { pair, release: () => undefined };
  }
  const memory = takeTransferMemory();
  return {
    pair: [Buffer.from(memory, 0, chunkBytes), Buffer.from(memory, chunkBytes, chunkBytes)],
    release: () => giveBackTransferMemory(memory),
  };
}

async function readSome(
  file: ReadableFile,
  buffer: Buffer,
  position: number,
  length: number,
): Promise<Uint8Array> {
  try {
    const { bytesRead } = await file.read(buffer, 0, length, position);
    if (bytesRead > 0) return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw toReadError(error);
  }
  throw blobCorrupt('The stored image data ended early');
}
