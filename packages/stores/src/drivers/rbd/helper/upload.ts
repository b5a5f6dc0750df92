import { SLOT_BYTES, SNAPSHOT } from '../protocol';
import type { UploadRequest } from '../protocol';
import { removeAttempt, UPLOAD_KEY } from './attempts';
import { exists } from './images';
import { ownName, putMark } from './marks';
import type { Attempt } from './marks';
import { CephError, EEXIST, given, hasErrno, librbd } from './native';
import type { Handle } from './native';

const MAX_GROWTH_BYTES = 8 * 1024 ** 3;
const FORMAT_OPTION = 0;
const ORDER_OPTION = 2;

/**
 * An upload into an image of its own, whose bytes come in any order. The image is there for others
 * once it has its snapshot; until then, and until the attempt is settled, its mark is there too.
 */
export class Upload {
  private sizeBytes = 0;
  private imageBytes: number;
  private growthBytes: number;
  private growing: Promise<void> | undefined;
  private handle: Handle;
  private readonly running = new Set<Promise<void>>();
  private failure: Error | undefined;
  private readonly zeros: Buffer | undefined;

  private constructor(
    private readonly io: Handle,
    readonly attempt: Attempt,
    { sizeBytes = 0, thin, order }: UploadRequest,
  ) {
    this.imageBytes = sizeBytes;
    this.growthBytes = 2 ** order;
    this.zeros = thin ? Buffer.alloc(SLOT_BYTES) : undefined;
  }

  /** @throws CephError: EEXIST when both names are taken. */
  static async begin(io: Handle, request: UploadRequest): Promise<Upload> {
    const { imageId, uploadId, order } = request;
    const names = [...(request.firstAttempt ? [imageId] : []), ownName(request)];
    for (const image of names) {
      if (await exists(io, image)) continue;
      const attempt = { imageId, uploadId, image };
      await putMark(io, attempt);
      const upload = new Upload(io, attempt, request);
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

  /** Stores bytes, which must stay as they are until then. */
  async write(offset: number, bytes: Buffer): Promise<void> {
    const running = this.store(offset, bytes);
    this.running.add(running);
    try {
      await running;
    } catch (error) {
      this.failure ??= error as Error;
      throw error;
    } finally {
      this.running.delete(running);
    }
  }

  /** @returns the number of bytes, all of which are stored durably. */
  async finish(): Promise<number> {
    await Promise.all(this.running);
    this.requireNoFailure();
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
    const handle = this.handle;
    this.handle = undefined;
    if (handle !== undefined) await librbd.close(handle);
  }

  private async open(): Promise<void> {
    const { image, imageId, uploadId } = this.attempt;
    this.handle = await given((out) => librbd.open(this.io, image, out, null));
    if (image === imageId) await librbd.setMetadata(this.handle, UPLOAD_KEY, uploadId);
  }

  private async store(offset: number, bytes: Buffer): Promise<void> {
    const end = offset + bytes.length;
    this.sizeBytes = Math.max(this.sizeBytes, end);
    if (this.zeros?.subarray(0, bytes.length).equals(bytes) === true) return;
    while (end > this.imageBytes) {
      this.growing ??= this.grow(end).finally(() => (this.growing = undefined));
      await this.growing;
    }
    this.requireNoFailure();
    await librbd.write(this.handle, offset, bytes.length, bytes);
  }

  /** By more each time, since nobody knows how much is to come. */
  private async grow(endBytes: number): Promise<void> {
    this.growthBytes = Math.min(2 * this.growthBytes, MAX_GROWTH_BYTES);
    const target = Math.max(endBytes, this.imageBytes + this.growthBytes);
    await librbd.resize(this.handle, target);
    this.imageBytes = target;
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
