import { isDomainError } from '@glance/common';
import {
  blobMissing,
  rangeOutsideBlob,
  storeDuplicate,
  storeFull,
  storeUnavailable,
} from '../../store-errors';
import { parseBlobName } from '../../store-driver';
import { readOptions } from '../../store-options';
import type { StoreOptionTable, StoreOptions } from '../../store-options';
import type {
  AddRequest,
  AddedBlob,
  BlobStream,
  ByteRange,
  GetOptions,
  OpenedBlob,
  StoreContext,
  StoreDriver,
  StoredBlob,
  StoreType,
  UnfinishedBlob,
  UnfinishedFate,
  UploadName,
} from '../../store-driver';

const DEFAULT_CHUNK_BYTES = 512 * 1024;

const MEMORY_OPTIONS = {
  memory_store_capacity: {
    kind: 'integer',
    minimum: 0,
    description: 'Bytes after which the store is full. Unlimited unless set.',
  },
  memory_store_chunk_size: {
    kind: 'integer',
    minimum: 1,
    default: DEFAULT_CHUNK_BYTES,
    description: 'Bytes per chunk when reading.',
  },
} as const satisfies StoreOptionTable;

interface MemorySettings {
  capacityBytes?: number | undefined;
  chunkBytes?: number | undefined;
}

/** Blobs in the memory of one process: for tests and trials. Everything is lost on exit. */
export class MemoryDriver implements StoreDriver {
  readonly schemes = ['memory'];
  readonly capabilities = { add: true, delete: true, partialRead: true, list: true };
  readonly properties = {};

  private readonly blobs = new Map<string, Buffer>();
  private readonly unsettled = new Map<string, { name: UploadName; key: string; blob: Buffer }>();
  private readonly capacityBytes: number;
  private readonly chunkBytes: number;
  private outage: Error | undefined;
  private readers = 0;

  constructor(settings: MemorySettings = {}) {
    this.capacityBytes = settings.capacityBytes ?? Infinity;
    this.chunkBytes = settings.chunkBytes ?? DEFAULT_CHUNK_BYTES;
  }

  /** Streams that were neither read to their end nor given up. */
  get openReaders(): number {
    return this.readers;
  }

  /** The locations of all blobs. */
  get locations(): string[] {
    return [...this.blobs.keys()].map(toLocation);
  }

  /** Makes every operation fail with this cause, as on a dead device; undefined repairs it. */
  breakWith(outage: Error | undefined): void {
    this.outage = outage;
  }

  claims(locationUrl: string): boolean {
    return parseLocation(locationUrl) !== undefined;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    this.requireHealth();
    const { imageId, uploadId } = request;
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for await (const chunk of request.source) {
      this.requireHealth();
      sizeBytes += chunk.length;
      if (this.usedBytes() + sizeBytes > this.capacityBytes) throw storeFull();
      // A copy: the producer uses its buffer again.
      chunks.push(Buffer.from(chunk));
    }
    request.signal?.throwIfAborted();
    const own = `${imageId}.${uploadId}`;
    const names = request.firstAttempt === true ? [imageId, own] : [own];
    const key = names.find((name) => !this.blobs.has(name));
    if (key === undefined) throw storeDuplicate(imageId);
    const blob = Buffer.concat(chunks, sizeBytes);
    this.blobs.set(key, blob);
    this.unsettled.set(own, { name: { imageId, uploadId }, key, blob });
    return {
      locationUrl: toLocation(key),
      sizeBytes,
      metadata: {},
      settle: () => this.removeUnfinished(request, 'owned or unknown'),
      discard: () => this.removeUnfinished(request, 'abandoned'),
    };
  }

  get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    return this.guarded(() => {
      const blob = this.blobAt(locationUrl);
      const wanted = range ?? { offset: 0, length: blob.length };
      if (wanted.offset + wanted.length > blob.length) throw rangeOutsideBlob();
      signal?.throwIfAborted();
      return { stream: this.read(blob, wanted, signal), sizeBytes: blob.length };
    });
  }

  sizeOf(locationUrl: string): Promise<number> {
    return this.guarded(() => this.blobAt(locationUrl).length);
  }

  delete(locationUrl: string): Promise<void> {
    return this.guarded(() => {
      this.blobAt(locationUrl);
      this.blobs.delete(parseLocation(locationUrl) ?? '');
    });
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    for (const [name, { length }] of await this.guarded(() => [...this.blobs])) {
      const parsed = parseBlobName(name);
      if (parsed === undefined) continue;
      yield { ...parsed, name, locationUrl: toLocation(name), sizeBytes: length, ageSeconds: 0 };
    }
  }

  /** Nothing survives the process: these are adds that succeeded and are not settled. */
  listUnfinished(): Promise<UnfinishedBlob[]> {
    return this.guarded(() =>
      [...this.unsettled.values()].map(({ name, blob }) => ({
        ...name,
        ageSeconds: 0,
        sizeBytes: blob.length,
      })),
    );
  }

  removeUnfinished({ imageId, uploadId }: UploadName, fate: UnfinishedFate): Promise<void> {
    return this.guarded(() => {
      const own = `${imageId}.${uploadId}`;
      const attempt = this.unsettled.get(own);
      if (!attempt) return;
      const { key, blob } = attempt;
      if (fate === 'abandoned' && this.blobs.get(key) === blob) this.blobs.delete(key);
      this.unsettled.delete(own);
    });
  }

  checkWritable(): Promise<void> {
    return this.guarded(() => undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private read(blob: Buffer, { offset, length }: ByteRange, signal?: AbortSignal): BlobStream {
    // Overwritten by each chunk, so that a consumer who keeps one notices in its tests.
    const buffer = Buffer.allocUnsafeSlow(Math.min(this.chunkBytes, length));
    const end = offset + length;
    let position = offset;
    let open = true;
    this.readers += 1;
    const close = (): void => {
      signal?.removeEventListener('abort', close);
      if (open) this.readers -= 1;
      open = false;
    };
    signal?.addEventListener('abort', close, { once: true });
    const next = (): Promise<IteratorResult<Uint8Array, undefined>> =>
      this.guarded(() => {
        signal?.throwIfAborted();
        if (!open || position === end) {
          close();
          return { done: true, value: undefined };
        }
        const copied = blob.copy(buffer, 0, position, Math.min(position + buffer.length, end));
        position += copied;
        return { done: false, value: buffer.subarray(0, copied) };
      });
    return {
      async next() {
        try {
          return await next();
        } catch (error) {
          close();
          throw error;
        }
      },
      return() {
        close();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  private blobAt(locationUrl: string): Buffer {
    const key = parseLocation(locationUrl);
    const blob = key === undefined ? undefined : this.blobs.get(key);
    if (blob === undefined) throw blobMissing();
    return blob;
  }

  private usedBytes(): number {
    let used = 0;
    for (const blob of this.blobs.values()) used += blob.length;
    return used;
  }

  private requireHealth(): void {
    if (this.outage === undefined) return;
    throw isDomainError(this.outage) ? this.outage : storeUnavailable(this.outage);
  }

  private async guarded<T>(work: () => T): Promise<T> {
    this.requireHealth();
    return Promise.resolve(work());
  }
}

export const memoryStore: StoreType = {
  options: MEMORY_OPTIONS,
  create(options: StoreOptions, context: StoreContext) {
    const values = readOptions(context.storeId, MEMORY_OPTIONS, options);
    return Promise.resolve(
      new MemoryDriver({
        capacityBytes: values.memory_store_capacity,
        chunkBytes: values.memory_store_chunk_size,
      }),
    );
  },
};

const LOCATION = /^memory:\/\/([0-9a-f-]{36}(?:\.[0-9a-f-]{36})?)$/;

function toLocation(key: string): string {
  return `memory://${key}`;
}

function parseLocation(locationUrl: string): string | undefined {
  return LOCATION.exec(locationUrl)?.[1];
}
