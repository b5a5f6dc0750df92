import { IncomingMessage } from 'node:http';
import { DomainError } from '@glance/common';
import { ResponseStream } from '../../outbound/response-stream';
import { emptyStream } from '../../empty-stream';
import { blobCorrupt, blobMissing, rangeOutsideBlob } from '../../store-errors';
import { parseBlobName } from '../../store-driver';
import type {
  AddRequest,
  AddedBlob,
  ByteRange,
  CopyRequest,
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
import type { StoreOptions } from '../../store-options';
import { ageOf } from '../../remote/unfinished-marks';
import { listAttempts, removeAttempt } from './attempts';
import { COPY_LIMITS, copyBlob } from './copy-blob';
import type { CopyLimits } from './copy-blob';
import { PART_MEMORY } from './part-memory';
import { S3Bucket } from './s3-bucket';
import { S3Connection, type S3Timeouts } from './s3-connection';
import { bucketMissing, isNotFound, statusOf, toStoreError } from './s3-errors';
import { keyOf, SCHEMES, toArea, toLocation } from './s3-location';
import type { S3Area } from './s3-location';
import { readS3Options, S3_OPTIONS } from './s3-options';
import type { S3Settings } from './s3-options';
import { writeBlob } from './write-blob';
import type { WrittenBlob } from './write-blob';

/** Without a byte for so long a download has failed. */
const IDLE_MS = 60_000;

/**
 * Blobs as objects of one bucket, named by image id, readable by upstream and the other way round
 * (stores sheet §5).
 */
export class S3Driver implements StoreDriver {
  readonly schemes = SCHEMES;
  readonly capabilities = { add: true, delete: true, partialRead: true, list: true };
  readonly properties: Readonly<Record<string, unknown>>;
  private readonly area: S3Area;
  private readonly bucket: S3Bucket;

  private constructor(
    private readonly connection: S3Connection,
    private readonly settings: S3Settings,
    private readonly context: StoreContext,
    private readonly copyLimits: CopyLimits,
  ) {
    this.area = toArea(settings.endpoint, settings.bucket);
    this.bucket = new S3Bucket(connection, settings.bucket, settings.createBucket);
    this.properties = {
      s3_store_large_object_size: settings.largeObjectBytes,
      s3_store_large_object_chunk_size: settings.partBytes,
      s3_store_thread_pools: settings.partsAtATime,
    };
  }

  /**
   * Asks the server nothing: one that is down now may be there at the first upload.
   * @throws StoreConfigurationError
   */
  static async create(
    options: StoreOptions,
    context: StoreContext,
    { answerMs, ...copyLimits }: Partial<S3Timeouts & CopyLimits> = {},
  ): Promise<S3Driver> {
    const settings = readS3Options(options, context);
    const timeouts = answerMs === undefined ? undefined : { answerMs };
    const connection = await S3Connection.open(settings, timeouts);
    return new S3Driver(connection, settings, context, { ...COPY_LIMITS, ...copyLimits });
  }

  /** Sockets with a request, or an answer that is being read, on them. */
  get busySockets(): number {
    return this.connection.busySockets;
  }

  claims(locationUrl: string): boolean {
    return keyOf(locationUrl, this.area) !== undefined;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const blob = await writeBlob(this.bucket, request, {
      ...this.settings,
      memory: PART_MEMORY,
      warn: this.warn,
    });
    return this.added(blob);
  }

  async copy(locationUrl: string, request: CopyRequest): Promise<AddedBlob> {
    const key = this.requireKey(locationUrl);
    const original = { key, sizeBytes: await this.sizeAt(key, request.signal) };
    const { copyLimits, warn } = this;
    const { partsAtATime } = this.settings;
    const settings = { ...copyLimits, partsAtATime, warn };
    return this.added(await copyBlob(this.bucket, original, request, settings));
  }

  async get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    const key = this.requireKey(locationUrl);
    if (range?.length === 0) {
      const sizeBytes = await this.sizeAt(key, signal);
      if (range.offset > sizeBytes) throw rangeOutsideBlob();
      return { stream: emptyStream(), sizeBytes };
    }
    const { body, sizeBytes } = await this.open(key, range, signal);
    if (range && range.offset + range.length > sizeBytes) {
      body.destroy();
      throw rangeOutsideBlob();
    }
    return { stream: new ResponseStream(body, IDLE_MS, signal), sizeBytes };
  }

  async sizeOf(locationUrl: string): Promise<number> {
    return this.sizeAt(this.requireKey(locationUrl));
  }

  async delete(locationUrl: string): Promise<void> {
    const key = this.requireKey(locationUrl);
    // The server does not say whether there was anything to delete.
    await this.sizeAt(key);
    await this.bucket.remove(key);
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    for await (const { key, sizeBytes, modified } of this.bucket.list()) {
      const parsed = parseBlobName(key);
      if (parsed === undefined) continue;
      const locationUrl = toLocation(this.area, key);
      yield { ...parsed, name: key, locationUrl, sizeBytes, ageSeconds: ageOf(modified) };
    }
  }

  listUnfinished(): Promise<UnfinishedBlob[]> {
    return listAttempts(this.bucket);
  }

  removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    return removeAttempt(this.bucket, name, fate);
  }

  /** The question is the same: it writes nothing. */
  checkReadable(): Promise<void> {
    return this.checkWritable();
  }

  async checkWritable(): Promise<void> {
    if (!(await this.bucket.exists()) && !this.settings.createBucket) throw bucketMissing();
  }

  close(): Promise<void> {
    this.connection.close();
    return Promise.resolve();
  }

  private added(blob: WrittenBlob): AddedBlob {
    return {
      locationUrl: toLocation(this.area, blob.key),
      sizeBytes: blob.sizeBytes,
      metadata: {},
      settle: () => this.removeUnfinished(blob, 'owned or unknown'),
      discard: () => this.removeUnfinished(blob, 'abandoned'),
    };
  }

  private readonly warn = (message: string): void => {
    this.context.warn(`store ${this.context.storeId}: ${message}`);
  };

  private requireKey(locationUrl: string): string {
    const key = keyOf(locationUrl, this.area);
    if (key === undefined) throw blobMissing();
    return key;
  }

  private async sizeAt(key: string, signal?: AbortSignal): Promise<number> {
    const found = await this.bucket.find(key, { signal });
    if (!found) throw (await this.bucket.exists()) ? blobMissing() : bucketMissing();
    return found.sizeBytes;
  }

  private async open(
    key: string,
    range: ByteRange | undefined,
    signal?: AbortSignal,
  ): Promise<{ body: IncomingMessage; sizeBytes: number }> {
    const header = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    try {
      const { Body, ContentLength, ContentRange } = await this.bucket.open(key, header, signal);
      if (!(Body instanceof IncomingMessage)) throw new Error('S3 server: an answer without body');
      const total = range === undefined ? ContentLength : totalOf(ContentRange);
      if (total !== undefined) return { body: Body, sizeBytes: total };
      Body.destroy();
      throw blobCorrupt('The store does not say how much image data it has');
    } catch (error) {
      if (error instanceof DomainError || signal?.aborted === true) throw error;
      if (statusOf(error) === 416) throw rangeOutsideBlob();
      if (isNotFound(error)) throw blobMissing();
      throw toStoreError(error, 'read');
    }
  }
}

export const s3Store: StoreType = {
  options: S3_OPTIONS,
  create: (options, context) => S3Driver.create(options, context),
};

/** The size of the whole, from an answer with a part of it. */
function totalOf(contentRange: string | undefined): number | undefined {
  const total = /^bytes \d+-\d+\/(\d{1,15})$/.exec(contentRange ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}
