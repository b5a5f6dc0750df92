import { open, type FileHandle } from 'node:fs/promises';
import { DomainError } from '@glance/common';

export interface SpoolOptions {
  /** Refuses more bytes than this (`too_large`). */
  maxBytes: number;
  /** Sees every byte, valid until it returns. */
  watch?: (piece: Buffer) => void;
}

const ZEROES = Buffer.alloc(64 * 1024);

/**
 * Writes data to a file that is not there yet; where the data is nothing but zeroes the file has a
 * hole.
 * @returns bytes
 * @throws DomainError `too_large`, `store_full`, and whatever the data throws
 */
export async function spool(
  data: AsyncIterable<Uint8Array>,
  file: string,
  { maxBytes, watch }: SpoolOptions,
): Promise<number> {
  const handle = await open(file, 'wx', 0o600);
  try {
    let sizeBytes = 0;
    for await (const chunk of data) {
      const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      if (sizeBytes + piece.length > maxBytes) {
        const text = `The data is larger than the ${maxBytes} bytes that an image may have`;
        throw new DomainError('too_large', text);
      }
      watch?.(piece);
      await writeSparsely(handle, piece, sizeBytes);
      sizeBytes += piece.length;
    }
    await handle.truncate(sizeBytes);
    return sizeBytes;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    throw new DomainError('store_full', 'The work area of imports is full', { cause: error });
  } finally {
    await handle.close();
  }
}

async function writeSparsely(handle: FileHandle, piece: Buffer, position: number): Promise<void> {
  for (let start = 0; start < piece.length;) {
    const length = Math.min(ZEROES.length, piece.length - start);
    const part = piece.subarray(start, start + length);
    if (!part.equals(ZEROES.subarray(0, length))) {
      for (let done = 0; done < length;) {
        const { bytesWritten } = await handle.write(
          part,
          done,
          length - done,
          position + start + done,
        );
        done += bytesWritten;
      }
    }
    start += length;
  }
}
