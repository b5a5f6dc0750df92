import type { FileHandle } from 'node:fs/promises';

const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;

/**
 * Sends a growing file to the disk while the rest of it is still being received, so that the final
 * `fdatasync` finds little to do. It replaces none: durability is the caller's last sync.
 */
export class WriteBehind {
  private flushedBytes = 0;
  private running: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;

  constructor(private readonly file: Pick<FileHandle, 'datasync'>) {}

  /** @throws what an earlier flush failed with. */
  advance(writtenBytes: number): void {
    this.throwFailure();
    if (this.running || writtenBytes - this.flushedBytes < FLUSH_EVERY_BYTES) return;
    this.flushedBytes = writtenBytes;
    this.running = this.flush();
  }

  /**
   * Waits for a running flush. The kernel reports a lost page once only and a second sync would
   * succeed (reliability sheet §6), so a failure here is final.
   */
  async settle(): Promise<void> {
    await this.running;
    this.throwFailure();
  }

  private async flush(): Promise<void> {
    try {
      await this.file.datasync();
    } catch (error) {
      this.failure = { error };
    } finally {
      this.running = undefined;
    }
  }

  private throwFailure(): void {
    if (this.failure) throw this.failure.error as Error;
  }
}
