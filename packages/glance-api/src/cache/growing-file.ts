import type { FileHandle } from 'node:fs/promises';
import { TRANSFER_MEMORY_BYTES, readBlob, type BlobStream } from '@glance/stores';

/** Bytes per read, as of a download from the file store. */
export const CHUNK_BYTES = TRANSFER_MEMORY_BYTES / 2;

/**
 * A file that one writes while others read it, each at its own speed: what a reader has not read
 * yet is on the disk, and takes no memory. The file is closed when its writer and all readers have
 * ended.
 */
export class GrowingFile {
  private readableBytes = 0;
  private failure: Error | undefined;
  private holders = 1;
  private readonly waiting = new Set<() => void>();

  /** @param sizeBytes that it will have in the end. */
  constructor(
    readonly file: FileHandle,
    private readonly sizeBytes: number,
  ) {}

  /** Readers may have what is before this. */
  publish(readableBytes: number): void {
    this.readableBytes = readableBytes;
    this.wake();
  }

  /** No more bytes come. Readers get this error, once they have read what there is. */
  fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }

  /** The writer has ended. */
  async release(): Promise<void> {
    this.holders -= 1;
    if (this.holders === 0) await this.file.close();
  }

  /** All of the data, as it comes; undefined when the file is closed already. */
  read(): BlobStream | undefined {
    if (this.holders === 0) return undefined;
    const ending = new AbortController();
    let isOpen = true;
    this.holders += 1;
    const reader = {
      read: async (buffer: Buffer, offset: number, length: number, position: number) => {
        while (this.readableBytes <= position) {
          if (this.failure) throw this.failure;
          if (!isOpen) throw new Error('the reader has ended');
          await new Promise<void>((resolve) => {
            this.waiting.add(resolve);
          });
        }
        const readable = Math.min(length, this.readableBytes - position);
        return await this.file.read(buffer, offset, readable, position);
      },
      close: async () => {
        isOpen = false;
        this.wake();
        await this.release();
      },
    };
    const range = { offset: 0, length: this.sizeBytes };
    const stream = readBlob(reader, range, CHUNK_BYTES, ending.signal);
    return {
      next: () => stream.next(),
      return: () => {
        // A read that waits for bytes of the writer ends at once.
        ending.abort();
        return stream.return();
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  private wake(): void {
    const woken = [...this.waiting];
    this.waiting.clear();
    for (const resolve of woken) resolve();
  }
}
