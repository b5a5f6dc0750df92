import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { storeFull } from '../../store-errors';

const READ_BYTES = 256 * 1024;

/**
 * A file without a name that holds one segment, so that it can be sent again. Whatever happens to
 * this process, the file goes with it.
 */
export class SegmentSpool {
  private constructor(
    private readonly file: FileHandle,
    readonly sizeBytes: number,
  ) {}

  /** @throws `store_full` when the directory is; what the chunks throw. */
  static async fill(directory: string, chunks: AsyncIterable<Uint8Array>): Promise<SegmentSpool> {
    const name = join(directory, `glance-swift-${randomUUID()}`);
    const file = await open(name, 'wx+', 0o600);
    try {
      await unlink(name);
      let sizeBytes = 0;
      for await (const chunk of chunks) {
        await writeWhole(file, chunk, sizeBytes);
        sizeBytes += chunk.length;
      }
      return new SegmentSpool(file, sizeBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async *chunks(): AsyncGenerator<Uint8Array, undefined> {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (let position = 0; position < this.sizeBytes;) {
      const { bytesRead } = await this.file.read(buffer, 0, READ_BYTES, position);
      if (bytesRead === 0) throw new Error('a buffered segment became shorter');
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

async function writeWhole(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  try {
    for (let done = 0; done < chunk.length;) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
      done += bytesWritten;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw storeFull(new Error('swift_upload_buffer_dir is full', { cause: error }));
  }
}
