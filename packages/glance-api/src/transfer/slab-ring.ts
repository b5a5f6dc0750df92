/** Bytes per slab: what stores and hashing threads get at a time. */
export const SLAB_BYTES = 256 * 1024;
const SLABS_PER_TRANSFER = 4;

/** Memory of ended transfers kept for the next ones, so that it is not allocated again and again. */
const MAX_SPARE_RINGS = 8;
const spare: SharedArrayBuffer[] = [];

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
  readonly memory: SharedArrayBuffer;
  private readonly bytes: Buffer;
  private readonly free: number[] = [];
  private readonly ready: (Slab | undefined)[] = [];
  private failure: Error | undefined;
  private wakeFiller: (() => void) | undefined;
  private wakeReader: (() => void) | undefined;

  constructor() {
    this.memory = spare.pop() ?? new SharedArrayBuffer(SLAB_BYTES * SLABS_PER_TRANSFER);
    this.bytes = Buffer.from(this.memory);
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
    piece.copy(this.bytes, slab.offset + slab.length, 0, taken);
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
    if (spare.length < MAX_SPARE_RINGS) spare.push(this.memory);
  }
}
