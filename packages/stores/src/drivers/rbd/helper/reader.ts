import type { RbdPlace } from '../protocol';
import { sizeOf } from './images';
import { CephError, EIO, ENOENT, given, hasErrno, librados, librbd } from './native';
import type { Handle } from './native';

/** Stands for the image itself where a snapshot is asked for. */
const NO_SNAPSHOT = 0xfffffffffffffffen;
const ID_BYTES = 128;
const SIZE_ANSWER_BYTES = 9;

/** An image that is open for reading, in the way that its removal does not wait for. */
export class Reader {
  private readonly running = new Set<Promise<unknown>>();
  private look: Promise<void> = Promise.resolve();
  private nextLook: Promise<void> | undefined;

  private constructor(
    private readonly io: Handle,
    private readonly image: Handle,
    private readonly header: string,
    private readonly snapshotId: bigint,
    readonly sizeBytes: number,
  ) {}

  static async open(io: Handle, { image: name, snapshot }: RbdPlace): Promise<Reader> {
    const image = await given((out) => librbd.openReadOnly(io, name, out, snapshot ?? null));
    try {
      const text = Buffer.alloc(ID_BYTES);
      await librbd.id(image, text, text.length);
      const id = text.toString('latin1').split('\0')[0] ?? '';
      const snapshotId =
        snapshot === undefined
          ? NO_SNAPSHOT
          : BigInt(String(await given((out) => librbd.snapshotId(image, snapshot, out), 0)));
      return new Reader(io, image, `rbd_header.${id}`, snapshotId, await sizeOf(image));
    } catch (error) {
      await librbd.close(image);
      throw error;
    }
  }

  /** Fills a buffer with the bytes from there on. */
  async read(offset: number, buffer: Buffer): Promise<void> {
    const work = async (): Promise<void> => {
      const count = await librbd.read(this.image, offset, buffer.length, buffer);
      if (count !== buffer.length) throw new CephError('rbd_read', EIO);
      await this.lookAgain();
    };
    const running = work();
    this.running.add(running);
    try {
      await running;
    } finally {
      this.running.delete(running);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.running);
    await librbd.close(this.image);
  }

  /** One look is for all reads that were done when it began. */
  private lookAgain(): Promise<void> {
    const begin = (): Promise<void> => {
      this.nextLook = undefined;
      return (this.look = this.requireStillThere());
    };
    return (this.nextLook ??= this.look.then(begin, begin));
  }

  /**
   * Data that is removed reads as zeros. A removal takes the snapshot away first, so bytes that were
   * read while that is in the header are true.
   */
  private async requireStillThere(): Promise<void> {
    const input = Buffer.alloc(8);
    input.writeBigUInt64LE(this.snapshotId);
    const output = Buffer.alloc(SIZE_ANSWER_BYTES);
    try {
      await librados.execute(
        this.io,
        this.header,
        'rbd',
        'get_size',
        input,
        input.length,
        output,
        output.length,
      );
    } catch (error) {
      if (!hasErrno(error, ENOENT)) throw error;
      throw new CephError('rbd_read of an image that is being removed', ENOENT);
    }
  }
}
