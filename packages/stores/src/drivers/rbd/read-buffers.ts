import {
  giveBackTransferMemory,
  takeTransferMemory,
  TRANSFER_MEMORY_BYTES,
} from '../../transfer-memory';

/** Below this a download gets a buffer of its own size. */
const SMALL_BYTES = 64 * 1024;
/** What a download reads ahead at most: the answers of a distant cluster take their time. */
const MOST_MEMORIES = 4;
/** What all downloads of the process have beyond the first of each, 16 MiB. */
const SHARED_MEMORIES = 16;
let sharedTaken = 0;

/** The buffers of one download, more than two as long as there are few downloads. */
export class ReadBuffers {
  private readonly free: Buffer[] = [];
  private readonly memories: SharedArrayBuffer[] = [];

  /** @param lengthBytes of the whole download. */
  constructor(private readonly lengthBytes: number) {
    if (lengthBytes <= SMALL_BYTES) this.free.push(Buffer.allocUnsafeSlow(lengthBytes));
    // In halves: one is with the client while the other is filled.
    else this.addMemory(TRANSFER_MEMORY_BYTES / 2);
  }

  /** @returns undefined when all are in use. */
  take(): Buffer | undefined {
    if (this.free.length === 0 && this.mayHaveMore()) {
      sharedTaken += 1;
      this.addMemory(TRANSFER_MEMORY_BYTES);
    }
    return this.free.shift();
  }

  giveBack(buffer: Buffer): void {
    this.free.push(buffer);
  }

  /** When nobody reads or writes any of them any more. */
  release(): void {
    sharedTaken -= Math.max(0, this.memories.length - 1);
    for (const memory of this.memories.splice(0)) giveBackTransferMemory(memory);
    this.free.length = 0;
  }

  private mayHaveMore(): boolean {
    const count = this.memories.length;
    return (
      count > 0 &&
      count < MOST_MEMORIES &&
      count * TRANSFER_MEMORY_BYTES < this.lengthBytes &&
      sharedTaken < SHARED_MEMORIES
    );
  }

  private addMemory(bufferBytes: number): void {
    const memory = takeTransferMemory();
    this.memories.push(memory);
    for (let offset = 0; offset < memory.byteLength; offset += bufferBytes) {
      this.free.push(Buffer.from(memory, offset, bufferBytes));
    }
  }
}
