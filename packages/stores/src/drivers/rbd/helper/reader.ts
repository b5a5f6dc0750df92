import type { RbdPlace } from '../protocol';
import { sizeOf } from './images';
import { CephError, EIO, ENOENT, given, hasErrno, librados, librbd } from './native';
import type { Handle } from './native';

/** Stands for the image itself where a snapshot is asked for. */
const NO_SNAPSHOT = 0xfffffffffffffffen;
const ID_BYTES = 128;
const SIZE_ANSWER_BYTES = 9;
/** Buffers kept for the next reads. */
const MAX_SPARE = 16;
const spare: Buffer[] = [];

/** An image that is open for reading, in the way that its removal does not wait for. */
export class Reader {
  private readonly running = new Set<Promise<unknown>>();

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

  /** Reads exactly these bytes, which `use` may have until it is done. */
  async read(
    offset: number,
    length: number,
    use: (bytes: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const work = async (): Promise<void> => {
      const buffer = takeBuffer(length);
      try {
        const bytes = buffer.subarray(0, length);
        const count = await librbd.read(this.image, offset, length, bytes);
        if (count !== length) throw new CephError('rbd_read', EIO);
        await this.requireStillThere();
        await use(bytes);
      } finally {
        giveBack(buffer);
      }
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

function takeBuffer(length: number): Buffer {
  const index = spare.findIndex((buffer) => buffer.length >= length);
  const [found] = index === -1 ? [] : spare.splice(index, 1);
  return found ?? Buffer.allocUnsafeSlow(length);
}

function giveBack(buffer: Buffer): void {
  spare.push(buffer);
  if (spare.length > MAX_SPARE) spare.shift();
}
