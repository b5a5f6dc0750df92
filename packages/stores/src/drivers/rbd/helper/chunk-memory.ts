/** Bytes of all uploads of a helper above which each has one chunk in memory. */
const SHARED_BYTES = 64 * 1024 * 1024;
/** Kept for the next upload. */
const MAX_SPARE = 2;

/**
 * The memory of chunks on their way. Each upload always gets its first buffer, so that none waits
 * for another, whose client may be slow; more only while there is room.
 */
export class ChunkMemory {
  private usedBytes = 0;
  private spare: Buffer[] = [];

  take(sizeBytes: number): Buffer {
    this.usedBytes += sizeBytes;
    const index = this.spare.findIndex(({ length }) => length === sizeBytes);
    const [found] = index === -1 ? [] : this.spare.splice(index, 1);
    return found ?? Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** @returns undefined when all uploads have as much as there is. */
  takeMore(sizeBytes: number): Buffer | undefined {
    return this.usedBytes + sizeBytes <= SHARED_BYTES ? this.take(sizeBytes) : undefined;
  }

  giveBack(buffer: Buffer): void {
    this.usedBytes -= buffer.length;
    this.spare.push(buffer);
    if (this.spare.length > MAX_SPARE) this.spare.shift();
  }
}
