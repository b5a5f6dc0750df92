import { TRANSFER_MEMORY_BYTES, giveBackTransferMemory, takeTransferMemory } from '@glance/stores';

/**
 * Bytes per slab: what stores and hashing threads get at a time. Each slab wakes two threads and is
 * answered by both, which costs more than the work on a small one.
 */
export const SLAB_BYTES = 512 * 1024;
const SLABS_PER_TRANSFER = TRANSFER_MEMORY_BYTES / SLAB_BYTES;

export interface Slab {
  offset: number;
  /** Bytes in use. */
  length: number;
}

/**
 * The buffers of one transfer: a fixed number of slabs in shared memory that go round between the
 * socket, the hashing threads and the store. When none is free the socket is not read: that is the
 * whole back-pressure, and the bound on memory.
 */
export class SlabRing {
  readonly memory = takeTransferMemory();
  private readonly bytes = Buffer.from(this.memory);
  private readonly free: number[] = [];
  private readonly ready: (Slab | undefined)[] = [];
  private failure: Error | undefined;
  private wakeFiller: (() => void) | undefined;
  private wakeReader: (() => void) | undefined;

  constructor() {
    for (let index = 0; index < SLABS_PER_TRANSFER; index += 1) this.free.push(index * SLAB_BYTES);
  }

  view(slab: Slab): Buffer {
    return this.bytes.subarray(slab.offset, slab.offset + slab.length);
  }

  /** An empty slab, as soon as there is one. */
  async takeFree(): Promise<Slab> {
    for (;;) {
      if (this.failure) throw this.failure;
      const offset = this.free.pop();
      if (offset !== undefined) return { offset, length: 0 };
      await new Promise<void>((resolve) => {
        this.wakeFiller = resolve;
      });
    }
  }

  /** Copies as much of `piece` as fits. @returns the number of bytes taken. */
  append(slab: Slab, piece: Buffer): number {
    const taken = Math.min(SLAB_BYTES - slab.length, piece.length);
    const start = slab.offset + slab.length;
    // Into shared memory `copy` goes word by word; `fill` with as many bytes is one memcpy.
    this.bytes.fill(piece.subarray(0, taken), start, start + taken);
    slab.length += taken;
    return taken;
  }

  isFull(slab: Slab): boolean {
    return slab.length === SLAB_BYTES;
  }

  /** Hands a filled slab to the reader; undefined says that there are no more. */
  publish(slab: Slab | undefined): void {
    this.ready.push(slab);
    this.wakeReader?.();
  }

  /** The next filled slab in order; undefined after the last. */
  async takeReady(): Promise<Slab | undefined> {
    for (;;) {
      if (this.failure) throw this.failure;
      if (this.ready.length > 0) return this.ready.shift();
      await new Promise<void>((resolve) => {
        this.wakeReader = resolve;
      });
    }
  }

  giveBack(slab: Slab): void {
    this.free.push(slab.offset);
    this.wakeFiller?.();
  }

  /** Both sides reject with this from now on. */
  fail(error: Error): void {
    this.failure ??= error;
    this.wakeFiller?.();
    this.wakeReader?.();
  }

  /** Only when nobody reads or writes the memory any more. */
  recycle(): void {
    giveBackTransferMemory(this.memory);
  }
}
