import { SNAPSHOT } from '../protocol';
import type { UploadRequest } from '../protocol';
import { removeAttempt, UPLOAD_KEY } from './attempts';
import type { ChunkMemory } from './chunk-memory';
import { exists } from './images';
import { ownName, putMark } from './marks';
import type { Attempt } from './marks';
import { CephError, EEXIST, given, hasErrno, librbd } from './native';
import type { Handle } from './native';

const WRITES_AT_A_TIME = 4;
const MAX_GROWTH_BYTES = 8 * 1024 ** 3;
const FORMAT_OPTION = 0;
const ORDER_OPTION = 2;

/**
 * An upload into an image of its own, in writes as large as an object. The image is there for others
 * once it has its snapshot; until then, and until the attempt is settled, its mark is there too.
 */
export class Upload {
  private sizeBytes = 0;
  private imageBytes: number;
  private growthBytes: number;
  private part: Buffer | undefined;
  private filled = 0;
  private handle: Handle;
  private readonly running = new Set<Promise<void>>();
  private failure: Error | undefined;
  private readonly zeros: Buffer | undefined;

  private constructor(
    private readonly io: Handle,
    readonly attempt: Attempt,
    private readonly memory: ChunkMemory,
    private readonly partBytes: number,
    { sizeBytes = 0, thin }: UploadRequest,
  ) {
    this.imageBytes = sizeBytes;
    this.growthBytes = partBytes;
    this.zeros = thin ? Buffer.alloc(partBytes) : undefined;
  }

  /** @throws CephError: EEXIST when both names are taken. */
  static async begin(io: Handle, memory: ChunkMemory, request: UploadRequest): Promise<Upload> {
    const { imageId, uploadId, order } = request;
    const names = [...(request.firstAttempt ? [imageId] : []), ownName(request)];
    for (const image of names) {
      if (await exists(io, image)) continue;
      const attempt = { imageId, uploadId, image };
      await putMark(io, attempt);
      const upload = new Upload(io, attempt, memory, 2 ** order, request);
      try {
        await createImage(io, image, upload.imageBytes, order);
        await upload.open();
        return upload;
      } catch (error) {
        // Whoever was faster has the name; the mark stays until the attempt is settled.
        if (hasErrno(error, EEXIST)) continue;
        await upload.abandon();
        throw error;
      }
    }
    throw new CephError('rbd_create', EEXIST);
  }

  /** Copies bytes, and waits for room for them; bytes of one call after those of another. */
  async append(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      for (let offset = 0; offset < piece.length;) {
        this.part ??= await this.takePart();
        const count = Math.min(piece.length - offset, this.part.length - this.filled);
        this.part.set(piece.subarray(offset, offset + count), this.filled);
        this.filled += count;
        offset += count;
        if (this.filled === this.part.length) await this.writePart(this.sizeBytes + this.filled);
      }
    }
  }

  /** @returns the number of bytes, all of which are stored durably. */
  async finish(): Promise<number> {
    if (this.filled > 0) await this.writePart(this.sizeBytes + this.filled, true);
    await this.rest();
    await librbd.flush(this.handle);
    if (this.imageBytes !== this.sizeBytes) await librbd.resize(this.handle, this.sizeBytes);
    await librbd.createSnapshot(this.handle, SNAPSHOT);
    await librbd.protectSnapshot(this.handle, SNAPSHOT);
    await this.close();
    return this.sizeBytes;
  }

  /** Removes everything. What cannot be removed is left to a sweep, with its mark. */
  async abandon(): Promise<void> {
    try {
      await this.close();
      await removeAttempt(this.io, this.attempt, 'abandoned');
    } catch (error) {
      const { image } = this.attempt;
      console.error(
        `what is left of ${image} could not be removed, a sweep will: ${String(error)}`,
      );
    }
  }

  /** So that nobody is kept from removing the image. */
  async close(): Promise<void> {
    await Promise.allSettled(this.running);
    if (this.part) this.memory.giveBack(this.part);
    this.part = undefined;
    const handle = this.handle;
    this.handle = undefined;
    if (handle !== undefined) await librbd.close(handle);
  }

  private async open(): Promise<void> {
    const { image, imageId, uploadId } = this.attempt;
    this.handle = await given((out) => librbd.open(this.io, image, out, null));
    if (image === imageId) await librbd.setMetadata(this.handle, UPLOAD_KEY, uploadId);
  }

  private async takePart(): Promise<Buffer> {
    for (;;) {
      this.requireNoFailure();
      if (this.running.size === 0) return this.memory.take(this.partBytes);
      const more =
        this.running.size < WRITES_AT_A_TIME ? this.memory.takeMore(this.partBytes) : undefined;
      if (more) return more;
      await Promise.race(this.running);
    }
  }

  private async writePart(endBytes: number, last = false): Promise<void> {
    const { part, filled, sizeBytes: offset } = this;
    if (part === undefined) return;
    this.requireNoFailure();
    if (this.zeros?.subarray(0, filled).equals(part.subarray(0, filled)) === true) {
      this.memory.giveBack(part);
    } else {
      if (endBytes > this.imageBytes) await this.grow(endBytes, last);
      this.write(part, filled, offset);
    }
    this.part = undefined;
    this.filled = 0;
    this.sizeBytes = endBytes;
  }

  private write(part: Buffer, length: number, offset: number): void {
    const work = async (): Promise<void> => {
      try {
        await librbd.write(this.handle, offset, length, part);
      } catch (error) {
        this.failure ??= error as Error;
      } finally {
        this.memory.giveBack(part);
      }
    };
    const running = work().finally(() => this.running.delete(running));
    this.running.add(running);
  }

  /** By more each time, since nobody knows how much is to come. */
  private async grow(endBytes: number, last: boolean): Promise<void> {
    let target = endBytes;
    if (!last) {
      this.growthBytes = Math.min(2 * this.growthBytes, MAX_GROWTH_BYTES);
      target = Math.max(endBytes, this.imageBytes + this.growthBytes);
    }
    await librbd.resize(this.handle, target);
    this.imageBytes = target;
  }

  private async rest(): Promise<void> {
    await Promise.all(this.running);
    this.requireNoFailure();
  }

  private requireNoFailure(): void {
    if (this.failure) throw this.failure;
  }
}

/** With the features that the cluster's configuration wants (rbd_default_features). */
async function createImage(
  io: Handle,
  name: string,
  sizeBytes: number,
  order: number,
): Promise<void> {
  const options = await given((out) => Promise.resolve(librbd.newOptions(out)));
  try {
    librbd.setOption(options, FORMAT_OPTION, 2);
    librbd.setOption(options, ORDER_OPTION, order);
    await librbd.create(io, name, sizeBytes, options);
  } finally {
    librbd.releaseOptions(options);
  }
}
