/** What the parts of all uploads of a process may have; with what else they need it is 64 MiB. */
const SHARED_BYTES = 40 * 1024 * 1024;

/**
 * An upload waits no longer for its first part: what holds the memory is then a store that hangs or
 * a client that dawdles, and others must not wait for those.
 */
const PATIENCE_MS = 5000;

/** Kept for the next upload. */
const MAX_SPARE = 2;

interface Waiting {
  sizeBytes: number;
  grant: (buffer: Buffer) => void;
}

/**
 * The memory of parts on their way, one for the process. A part can be repeated only while its
 * bytes are here. Who has none waits for one in the order of asking, holds nothing meanwhile, and gets
 * one beyond the limit in the end. A part larger than everything there is may have it alone.
 */
export class PartMemory {
  private used = 0;
  private spare: Buffer[] = [];
  private readonly waiting: Waiting[] = [];

  constructor(
    private readonly limitBytes = SHARED_BYTES,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Of buffers that were taken and not given back. */
  get usedBytes(): number {
    return this.used;
  }

  /**
   * To be called by an upload that has no buffer.
   * @throws the reason of the signal.
   */
  async take(sizeBytes: number, signal?: AbortSignal): Promise<Buffer> {
    signal?.throwIfAborted();
    const buffer = this.takeMore(sizeBytes);
    if (buffer) return buffer;
    return await new Promise<Buffer>((resolve, reject) => {
      const entry: Waiting = {
        sizeBytes,
        grant: (granted) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', giveUp);
          resolve(granted);
        },
      };
      const leave = (): void => {
        clearTimeout(timer);
        this.waiting.splice(this.waiting.indexOf(entry), 1);
      };
      const giveUp = (): void => {
        leave();
        reject(signal?.reason as Error);
        // The next may want less.
        this.grantWaiting();
      };
      const timer = setTimeout(() => {
        leave();
        entry.grant(this.allocate(sizeBytes));
      }, this.patienceMs);
      signal?.addEventListener('abort', giveUp, { once: true });
      this.waiting.push(entry);
    });
  }

  /** @returns undefined when there is not enough, or somebody waits who has none. */
  takeMore(sizeBytes: number): Buffer | undefined {
    return this.waiting.length === 0 && this.fits(sizeBytes) ? this.allocate(sizeBytes) : undefined;
  }

  /** @param reusable false while a broken connection may still look at it. */
  giveBack(buffer: Buffer, reusable = true): void {
    this.used -= buffer.length;
    if (reusable) this.spare.push(buffer);
    this.grantWaiting();
    this.dropSpare();
  }

  private grantWaiting(): void {
    for (let next = this.waiting[0]; next && this.fits(next.sizeBytes); next = this.waiting[0]) {
      this.waiting.shift();
      next.grant(this.allocate(next.sizeBytes));
    }
  }

  private fits(sizeBytes: number): boolean {
    return this.used === 0 || this.used + sizeBytes <= this.limitBytes;
  }

  private allocate(sizeBytes: number): Buffer {
    this.used += sizeBytes;
    const index = this.spare.findIndex(({ length }) => length === sizeBytes);
    const [found] = index === -1 ? [] : this.spare.splice(index, 1);
    if (found) return found;
    this.dropSpare();
    return Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** What is kept for the next is within the limit, too. */
  private dropSpare(): void {
    let spareBytes = this.spare.reduce((sum, { length }) => sum + length, 0);
    while (
      this.spare.length > MAX_SPARE ||
      (spareBytes > 0 && this.used + spareBytes > this.limitBytes)
    ) {
      spareBytes -= this.spare.shift()?.length ?? 0;
    }
  }
}

export const PART_MEMORY = new PartMemory();
