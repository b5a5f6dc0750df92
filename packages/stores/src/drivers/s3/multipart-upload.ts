import { setMaxListeners } from 'node:events';
import type { CompletedPart } from '@aws-sdk/client-s3';
import type { PartMemory } from './part-memory';
import type { PartReader } from './part-reader';
import type { S3Bucket } from './s3-bucket';

/** By the S3 protocol. */
const MAX_PARTS = 10_000;
/** Of every part but the last, by the S3 protocol. */
export const MIN_PART_BYTES = 5 * 1024 * 1024;
/** Of a source of unknown size: after so many parts they become twice as large. */
const PARTS_OF_A_SIZE = 900;

/**
 * The size of a part, so that their number suffices whatever comes. Those of a source of unknown size
 * are as small as can be at first, since most end soon.
 */
export function partBytesAt(index: number, wantedBytes: number, expectedBytes?: number): number {
  if (expectedBytes !== undefined) {
    return Math.max(wantedBytes, Math.ceil(expectedBytes / MAX_PARTS));
  }
  return MIN_PART_BYTES * 2 ** Math.floor(index / PARTS_OF_A_SIZE);
}

interface PartsOptions {
  memory: PartMemory;
  partsAtATime: number;
  bytesOfPart: (index: number) => number;
  signal?: AbortSignal | undefined;
}

/**
 * Sends the first part, and what the reader still has, as the parts of a multipart upload. Parts go
 * at the same time as far as there is memory for them; one that fails is repeated from its buffer.
 * When this throws no request is under way any more.
 * @param first full; it is given back here.
 */
export async function uploadParts(
  bucket: S3Bucket,
  upload: { key: string; multipartId: string },
  first: Buffer,
  reader: PartReader,
  options: PartsOptions,
): Promise<CompletedPart[]> {
  const { memory, partsAtATime, bytesOfPart } = options;
  const parts: CompletedPart[] = [];
  const running = new Set<Promise<void>>();
  const stop = new AbortController();
  // All parts on their way listen, however many are configured.
  setMaxListeners(0, stop.signal);
  // The first failure is the reason of it.
  const fail = (error: unknown): void => {
    stop.abort(error);
  };
  const failed = (): boolean => stop.signal.aborted;
  const onAbort = (): void => fail(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });

  const send = (buffer: Buffer, length: number, index: number): void => {
    const work = async (): Promise<void> => {
      const body = buffer.subarray(0, length);
      try {
        const etag = await bucket.uploadPart(upload, index + 1, body, stop.signal);
        parts.push({ PartNumber: index + 1, ETag: etag });
        memory.giveBack(buffer);
      } catch (error) {
        memory.giveBack(buffer, false);
        fail(error);
      }
    };
    const sending = work().finally(() => running.delete(sending));
    running.add(sending);
  };

  const bufferFor = async (index: number): Promise<Buffer> => {
    const sizeBytes = bytesOfPart(index);
    for (;;) {
      if (running.size === 0) return await memory.take(sizeBytes, stop.signal);
      const more = running.size < partsAtATime ? memory.takeMore(sizeBytes) : undefined;
      if (more) return more;
      await Promise.race(running);
    }
  };

  try {
    options.signal?.throwIfAborted();
    send(first, first.length, 0);
    for (let index = 1; !failed(); index += 1) {
      const buffer = await bufferFor(index);
      let length: number;
      try {
        length = failed() ? 0 : await reader.fill(buffer);
      } catch (error) {
        memory.giveBack(buffer);
        throw error;
      }
      if (length === 0) memory.giveBack(buffer);
      else send(buffer, length, index);
      if (length < buffer.length) break;
    }
    await Promise.all(running);
    stop.signal.throwIfAborted();
    return parts.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
  } catch (error) {
    fail(error);
    await Promise.all(running);
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}
