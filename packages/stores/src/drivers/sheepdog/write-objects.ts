import type { ByteSource } from '../../store-driver';
import { storeFull } from '../../store-errors';
import { PART_MEMORY } from '../s3/part-memory';
import { PartReader } from '../s3/part-reader';
import type { SheepCluster } from './sheep-cluster';
import { entriesPart, MAX_IMAGE_BYTES, OBJECT_BYTES, sizePart } from './vdi';

const MAX_GROWTH_BYTES = 8 * 1024 ** 3;
const ZEROS = Buffer.alloc(64 * 1024);

interface WriteOptions {
  /** Size of the image now: that of the source, where it is known. */
  sizeBytes: number;
  expectedSizeBytes: number | undefined;
  objectsAtATime: number;
  signal?: AbortSignal | undefined;
}

/**
 * Writes a source into an empty image, several objects at a time; objects that are all zeros are
 * left out. The index names an object before it is there, and the image is larger than what the
 * index has: so whoever clears the index of what a dead process left has all of it.
 */
export class ObjectWriter {
  private imageBytes: number;
  private readonly running = new Set<Promise<void>>();
  private readonly failures: unknown[] = [];

  constructor(
    private readonly cluster: SheepCluster,
    private readonly vid: number,
    private readonly options: WriteOptions,
  ) {
    this.imageBytes = options.sizeBytes;
  }

  /** Requests that failed. */
  get failed(): readonly unknown[] {
    return this.failures;
  }

  /**
   * When this throws no request is under way any more.
   * @returns the number of bytes, all of which are stored.
   */
  async write(source: ByteSource): Promise<number> {
    const reader = new PartReader(source);
    try {
      for (let index = 0; ; index += 1) {
        const buffer = await this.takeBuffer(this.bytesOf(index));
        const length = await this.fill(reader, buffer);
        if (length === 0) PART_MEMORY.giveBack(buffer);
        else await this.start(index, buffer, length);
        if (length < buffer.length) break;
      }
      await Promise.all(this.running);
      this.requireNoFailure();
      return reader.sizeBytes;
    } catch (error) {
      reader.stop();
      await Promise.all(this.running);
      throw error;
    }
  }

  /** One byte more where all are there: the source has to say that it has ended. */
  private bytesOf(index: number): number {
    const { expectedSizeBytes = Infinity } = this.options;
    return Math.min(OBJECT_BYTES, Math.max(1, expectedSizeBytes - index * OBJECT_BYTES));
  }

  private async takeBuffer(sizeBytes: number): Promise<Buffer> {
    for (;;) {
      this.requireNoFailure();
      if (this.running.size === 0) return await PART_MEMORY.take(sizeBytes, this.options.signal);
      const mayMore = this.running.size < this.options.objectsAtATime;
      const more = mayMore ? PART_MEMORY.takeMore(sizeBytes) : undefined;
      if (more) return more;
      await Promise.race(this.running);
    }
  }

  private async fill(reader: PartReader, buffer: Buffer): Promise<number> {
    try {
      return await reader.fill(buffer);
    } catch (error) {
      PART_MEMORY.giveBack(buffer);
      throw error;
    }
  }

  /** Waits only until the image is large enough. */
  private async start(index: number, buffer: Buffer, length: number): Promise<void> {
    const data = buffer.subarray(0, length);
    try {
      await this.grow(index * OBJECT_BYTES + length);
    } catch (error) {
      PART_MEMORY.giveBack(buffer);
      throw error;
    }
    if (isZeros(data)) {
      PART_MEMORY.giveBack(buffer);
      return;
    }
    const work = async (): Promise<void> => {
      let reusable = false;
      try {
        await this.cluster.writeInode(this.vid, entriesPart(index, [this.vid]));
        await this.cluster.createData(this.vid, index, data);
        reusable = true;
      } catch (error) {
        this.failures.push(error);
      } finally {
        PART_MEMORY.giveBack(buffer, reusable);
      }
    };
    const running = work().finally(() => this.running.delete(running));
    this.running.add(running);
  }

  /** By as much as there is already, since nobody knows how much is to come. */
  private async grow(endBytes: number): Promise<void> {
    if (endBytes <= this.imageBytes) return;
    if (endBytes > MAX_IMAGE_BYTES) throw imageTooLarge();
    const growth = Math.min(Math.max(this.imageBytes, 4 * OBJECT_BYTES), MAX_GROWTH_BYTES);
    const target = Math.min(this.imageBytes + growth, MAX_IMAGE_BYTES);
    try {
      await this.cluster.writeInode(this.vid, sizePart(target));
    } catch (error) {
      this.failures.push(error);
      throw error;
    }
    this.imageBytes = target;
  }

  private requireNoFailure(): void {
    if (this.failures.length > 0) throw this.failures[0];
  }
}

export function imageTooLarge(): Error {
  return storeFull(new Error('Sheepdog: an image has at most 4 TiB'));
}

function isZeros(data: Buffer): boolean {
  for (let offset = 0; offset < data.length; offset += ZEROS.length) {
    const part = data.subarray(offset, offset + ZEROS.length);
    if (!part.equals(ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}
