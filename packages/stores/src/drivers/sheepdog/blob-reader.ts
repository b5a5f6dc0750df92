import type { BlobStream, ByteRange } from '../../store-driver';
import {
  giveBackTransferMemory,
  takeTransferMemory,
  TRANSFER_MEMORY_BYTES,
} from '../../transfer-memory';
import type { SheepCluster } from './sheep-cluster';
import { removedWhileRead, toStreamError } from './sheep-errors';
import type { Vdi } from './vdi';

const BUFFERS = 4;
const READ_BYTES = TRANSFER_MEMORY_BYTES / BUFFERS;

type Chunk = IteratorResult<Uint8Array, undefined>;
const END: Chunk = { done: true, value: undefined };

interface BlobReaderOptions {
  cluster: SheepCluster;
  vdi: Vdi;
  /** Within the image, not empty. */
  range: ByteRange;
  /** Of the data objects of the range, from its first on. */
  owners: Uint32Array;
  signal?: AbortSignal | undefined;
  /** Once, when nothing is asked for any more. */
  onClosed: () => void;
}

/** Bytes of an image, asked for a little ahead once somebody reads. */
export class BlobReader implements BlobStream {
  private position: number;
  private readonly end: number;
  private readonly firstObject: number;
  private memory: SharedArrayBuffer | undefined;
  private free: Buffer[] = [];
  private lent: Buffer | undefined;
  private asked: Promise<Uint8Array>[] = [];
  private failure: Error | undefined;
  private closed = false;

  constructor(private readonly options: BlobReaderOptions) {
    const { range, vdi, signal } = options;
    this.position = range.offset;
    this.end = range.offset + range.length;
    this.firstObject = Math.floor(range.offset / vdi.objectBytes);
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted === true) this.onAbort();
  }

  async next(): Promise<Chunk> {
    if (!this.closed) {
      if (this.lent) this.free.push(this.lent);
      this.lent = undefined;
      try {
        this.askAhead();
        const bytes = await this.asked[0];
        if (bytes && !this.isClosed) return await this.deliver(bytes);
      } catch (error) {
        this.failure ??= toStreamError(error) as Error;
      }
    }
    await this.release();
    if (this.failure) throw this.failure;
    return END;
  }

  async return(): Promise<Chunk> {
    await this.release();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The last bytes only where all were those of the image: a removal makes holes. */
  private async deliver(bytes: Uint8Array): Promise<Chunk> {
    if (this.asked.length === 1 && this.position === this.end) await this.requireUntouched();
    if (this.isClosed) return this.next();
    void this.asked.shift();
    this.lent = Buffer.from(bytes.buffer, bytes.byteOffset, READ_BYTES);
    return { done: false, value: bytes };
  }

  private askAhead(): void {
    if (this.memory === undefined) {
      const memory = (this.memory = takeTransferMemory());
      this.free = Array.from({ length: BUFFERS }, (_, index) =>
        Buffer.from(memory, index * READ_BYTES, READ_BYTES),
      );
    }
    while (this.position < this.end) {
      const buffer = this.free.pop();
      if (buffer === undefined) return;
      const reading = this.ask(buffer);
      // It may fail while somebody is busy with the bytes before it; it is awaited later.
      reading.catch(() => undefined);
      this.asked.push(reading);
    }
  }

  private async ask(buffer: Buffer): Promise<Uint8Array> {
    const { cluster, vdi, owners } = this.options;
    const index = Math.floor(this.position / vdi.objectBytes);
    const offset = this.position % vdi.objectBytes;
    const length = Math.min(READ_BYTES, this.end - this.position, vdi.objectBytes - offset);
    this.position += length;
    const into = buffer.subarray(0, length);
    const owner = owners[index - this.firstObject] ?? 0;
    if (owner === 0) into.fill(0);
    else await cluster.readData(owner, index, offset, into);
    return into;
  }

  private async requireUntouched(): Promise<void> {
    const { cluster, vdi } = this.options;
    const now = await cluster.read(vdi.vid);
    const same = now?.name === vdi.name && now.created.getTime() === vdi.created.getTime();
    if (!same || now.removing) throw removedWhileRead();
  }

  private readonly onAbort = (): void => {
    this.failure ??= this.options.signal?.reason as Error;
    this.close();
  };

  /** What changes while something is awaited. */
  private get isClosed(): boolean {
    return this.closed;
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.options.onClosed();
  }

  /**
   * Gives the memory back once nobody writes into it any more. Not on an abort alone: whoever reads
   * still has a chunk then.
   */
  private async release(): Promise<void> {
    this.close();
    const { memory, asked } = this;
    this.memory = undefined;
    this.asked = [];
    this.lent = undefined;
    await Promise.allSettled(asked);
    if (memory) giveBackTransferMemory(memory);
  }
}
