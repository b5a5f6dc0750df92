import { SLOT_BYTES } from './protocol';
import type { ConnectedHelper } from './rbd-cluster';

/** Bytes on their way into the image of an upload, as many writes at a time as there are slots. */
export class ImageWriter {
  private sizeBytes = 0;
  private readonly running = new Set<Promise<void>>();
  private failure: { error: unknown } | undefined;

  constructor(
    private readonly helper: ConnectedHelper,
    /** The helper's number of it. */
    private readonly upload: number,
  ) {}

  /**
   * Copies a chunk, once there is room for it.
   * @throws as {@link ConnectedHelper.call}, for an earlier chunk too.
   */
  async write(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length; offset += SLOT_BYTES) {
      await this.start(chunk.subarray(offset, offset + SLOT_BYTES));
    }
  }

  /** Resolves when all is stored. */
  async end(): Promise<void> {
    await Promise.all(this.running);
    if (this.failure) throw this.failure.error;
  }

  private async start(bytes: Uint8Array): Promise<void> {
    const { memory } = this.helper;
    const slot = await memory.take();
    if (this.failure) {
      memory.giveBack(slot);
      throw this.failure.error;
    }
    memory.put(slot, bytes);
    const running = this.store(slot, bytes.length).finally(() => {
      memory.giveBack(slot);
      this.running.delete(running);
    });
    this.running.add(running);
  }

  private async store(slot: number, length: number): Promise<void> {
    const { helper, upload, sizeBytes: offset } = this;
    this.sizeBytes += length;
    try {
      await helper.call('write', { upload, slot, offset, length });
    } catch (error) {
      this.failure ??= { error };
    }
  }
}
