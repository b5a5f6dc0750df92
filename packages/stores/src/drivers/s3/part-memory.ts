/** Bytes of all uploads of a process above which each has one part in memory. */
const SHARED_BYTES = 64 * 1024 * 1024;
/** Kept for the next upload. */
const MAX_SPARE = 2;

/**
 * The memory of parts on their way, one for the process. A part can be repeated only while its
 * bytes are here. Each upload always gets its first buffer, so that none waits for another; more
 * only while there is room.
 */
export class PartMemory {
  private usedBytes = 0;
  private spare: Buffer[] = [];

  constructor(private readonly limitBytes = SHARED_BYTES) {}

  take(sizeBytes: number): Buffer {
    this.usedBytes += sizeBytes;
    const index = this.spare.findIndex(({ length }) => length === sizeBytes);
    const [found] = index === -1 ? [] : this.spare.splice(index, 1);
    return found ?? Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** @returns undefined when all uploads have as much as there is. */
  takeMore(sizeBytes: number): Buffer | undefined {
    return this.usedBytes + sizeBytes <= this.limitBytes ? this.take(sizeBytes) : undefined;
  }

  /** @param reusable false while a broken connection may still look at it. */
  giveBack(buffer: Buffer, reusable = true): void {
    this.usedBytes -= buffer.length;
    if (!reusable) return;
    this.spare.push(buffer);
    if (this.spare.length > MAX_SPARE) this.spare.shift();
  }
}

export const PART_MEMORY = new PartMemory();
