import { DomainError, invalidRequest, isCanonicalUuid, isDomainError } from '@glance/common';
import { withDeadline } from './deadline';
import { GuardedSource } from './guarded-source';
import { MeteredStream } from './metered-stream';
import { StoreMeter } from './store-metrics';
import type { StoreMetrics, StoreOperation } from './store-metrics';
import type {
  AddRequest,
  AddedBlob,
  CopyRequest,
  BlobAccess,
  ByteRange,
  GetOptions,
  OpenedBlob,
  StoreCapabilities,
  StoreDriver,
  StoreRoom,
  StoredBlob,
  UnfinishedBlob,
  UnfinishedFate,
  UploadName,
} from './store-driver';

export const DEFAULT_METADATA_TIMEOUT_MS = 30_000;
/** A store that did not answer is asked first again after this. */
const DOUBT_MS = 60_000;

export interface StoreIdentity {
  id: string;
  /** The configured type, such as `file`. */
  type: string;
  description?: string | undefined;
  /** Among several locations of an image, that of the heaviest store is read first. */
  weight?: number | undefined;
  /** Record the store's id in the metadata of its locations, as upstream's named stores do. */
  recordId?: boolean | undefined;
  /** Of everything but the transfer of bytes, unless the driver's own options set one. */
  metadataTimeoutMs?: number | undefined;
}

/**
 * A store as the rest of the service uses it: a driver with the checks, limits, counts and error
 * naming that are the same for all of them. What may be asked and thrown is said at `StoreDriver`;
 * every error of the store's own carries the store's id as detail `store`.
 */
export class InstrumentedStore {
  readonly id: string;
  readonly type: string;
  readonly description: string | undefined;
  readonly weight: number;

  private readonly meter = new StoreMeter();
  private readonly metadataTimeoutMs: number;
  /** On the clock of `performance.now`, since when the store has not answered anything. */
  private unavailableSince: number | undefined;

  constructor(
    private readonly driver: StoreDriver,
    private readonly identity: StoreIdentity,
  ) {
    this.id = identity.id;
    this.type = identity.type;
    this.description = identity.description;
    this.weight = identity.weight ?? 0;
    this.metadataTimeoutMs =
      driver.metadataTimeoutMs ?? identity.metadataTimeoutMs ?? DEFAULT_METADATA_TIMEOUT_MS;
  }

  get schemes(): readonly string[] {
    return this.driver.schemes;
  }

  get capabilities(): StoreCapabilities {
    return this.driver.capabilities;
  }

  get properties(): Readonly<Record<string, unknown>> {
    return this.driver.properties;
  }

  /** It did not answer when it was asked last, lately: others that have the same are asked first. */
  get isDoubtful(): boolean {
    const since = this.unavailableSince;
    return since !== undefined && performance.now() - since < DOUBT_MS;
  }

  /** Whether the server below decides who reads a blob, and is to be told. */
  get keepsAccess(): boolean {
    return this.driver.setAccess !== undefined;
  }

  claims(locationUrl: string): boolean {
    return this.driver.claims(locationUrl);
  }

  /**
   * @throws as the driver; `store_add_disabled`; `data_mismatch` when the source is longer or
   * shorter than announced; whatever the source throws and the signal's reason, unchanged.
   */
  async add(request: AddRequest): Promise<AddedBlob> {
    this.requireAdd();
    requireUploadName(request);
    requireSize('expectedSizeBytes', request.expectedSizeBytes ?? 0);
    const source = new GuardedSource(request.source, {
      expectedSizeBytes: request.expectedSizeBytes,
      signal: request.signal,
      onBytes: this.meter.countWritten,
    });
    const work = async (): Promise<AddedBlob> => {
      try {
        request.signal?.throwIfAborted();
        const added = await this.driver.add({ ...request, source });
        await this.requireWholeBlob(added, source);
        return added;
      } catch (error) {
        if (source.failure) throw source.failure;
        throw this.translate(error, request.signal);
      } finally {
        source.release();
      }
    };
    const added = await this.meter.measure('add', work, (error) =>
      error === source.failure && request.signal?.aborted !== true
        ? 'source_failed'
        : failureName(error, request.signal),
    );
    return this.named(added);
  }

  private named(added: AddedBlob): AddedBlob {
    return {
      ...added,
      metadata:
        this.identity.recordId === true ? { ...added.metadata, store: this.id } : added.metadata,
      settle: () => this.metadataCall('settle', () => added.settle()),
      discard: () => this.metadataCall('discard', () => added.discard()),
    };
  }

  /** Whether it may be able to add a blob that has the bytes of another one without reading them. */
  get canCopy(): boolean {
    return this.driver.copy !== undefined;
  }

  /** @throws as the driver; `store_add_disabled`; `store_get_unsupported` where it cannot copy. */
  async copy(locationUrl: string, request: CopyRequest): Promise<AddedBlob> {
    this.requireAdd();
    requireUploadName(request);
    const { driver } = this;
    if (!driver.copy) {
      throw this.ownError('store_get_unsupported', 'This store copies no images.');
    }
    const copy = driver.copy.bind(driver);
    const work = async (): Promise<AddedBlob> => {
      try {
        request.signal?.throwIfAborted();
        return await copy(locationUrl, request);
      } catch (error) {
        throw this.translate(error, request.signal);
      }
    };
    const fail = (error: unknown): string => failureName(error, request.signal);
    return this.named(await this.meter.measure('copy', work, fail));
  }

  /** @throws as the driver; `store_get_unsupported` for a range the store cannot serve. */
  async get(locationUrl: string, options: GetOptions = {}): Promise<OpenedBlob> {
    const { range, signal } = options;
    if (range) {
      requireRange(range);
      if (!this.capabilities.partialRead) throw this.rangeUnsupported(range);
    }
    const opened = await this.metadataCall('get', () => this.driver.get(locationUrl, options), {
      signal,
      onLate: (late) => {
        late.stream.return().catch(() => undefined);
      },
    });
    this.meter.readerOpened();
    return {
      sizeBytes: opened.sizeBytes,
      stream: new MeteredStream(opened.stream, {
        expectedBytes: range?.length ?? opened.sizeBytes,
        signal,
        onBytes: this.meter.countRead,
        onClose: () => {
          this.meter.readerClosed();
        },
        translate: (error) => this.translate(error, signal),
      }),
    };
  }

  sizeOf(locationUrl: string): Promise<number> {
    return this.metadataCall('sizeOf', () => this.driver.sizeOf(locationUrl));
  }

  /** @throws as the driver; `store_delete_denied` also when the store cannot delete at all. */
  async delete(locationUrl: string): Promise<void> {
    if (!this.capabilities.delete) {
      throw this.ownError(
        'store_delete_denied',
        'Deleting images from this store is not supported.',
      );
    }
    await this.metadataCall('delete', () => this.driver.delete(locationUrl));
  }

  /** @throws as the driver. Nothing to do where the store keeps no access of its own. */
  async setAccess(locationUrl: string, access: BlobAccess): Promise<void> {
    await this.metadataCall(
      'setAccess',
      async () => await this.driver.setAccess?.(locationUrl, access),
    );
  }

  /**
   * Every step has the time of a metadata call and counts as one.
   * @throws as the driver; `store_get_unsupported` where the store cannot tell.
   */
  async *listBlobs(projectId?: string): AsyncGenerator<StoredBlob, undefined> {
    if (!this.capabilities.list) {
      throw this.ownError('store_get_unsupported', 'Listing this store is not supported.');
    }
    const blobs = this.driver.listBlobs(projectId)[Symbol.asyncIterator]();
    let failed = false;
    try {
      for (;;) {
        const next = await this.metadataCall('listBlobs', () => blobs.next());
        if (next.done === true) return;
        yield next.value;
      }
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      // After a failure it is closed, or hangs.
      if (!failed) await blobs.return?.();
    }
  }

  listUnfinished(): Promise<UnfinishedBlob[]> {
    return this.metadataCall('listUnfinished', () => this.driver.listUnfinished());
  }

  async removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    requireUploadName(name);
    await this.metadataCall('removeUnfinished', () => this.driver.removeUnfinished(name, fate));
  }

  async checkWritable(): Promise<void> {
    this.requireAdd();
    await this.metadataCall('checkWritable', () => this.driver.checkWritable());
  }

  /** Writes nothing. @throws as the driver. Nothing to do where making the store was proof enough. */
  async checkReadable(): Promise<void> {
    await this.metadataCall('checkReadable', async () => await this.driver.checkReadable?.());
  }

  /** None where the store is not on file systems of this host. @throws what the system says. */
  async room(): Promise<StoreRoom[]> {
    return (await this.driver.room?.()) ?? [];
  }

  metrics(): StoreMetrics {
    return this.meter.snapshot(this.id, this.type);
  }

  async close(): Promise<void> {
    await this.driver.close();
  }

  private metadataCall<T>(
    operation: StoreOperation,
    call: () => Promise<T>,
    options: { signal?: AbortSignal | undefined; onLate?: (late: T) => void } = {},
  ): Promise<T> {
    const work = async (): Promise<T> => {
      try {
        options.signal?.throwIfAborted();
        const answer = await withDeadline(call(), {
          ...options,
          timeoutMs: this.metadataTimeoutMs,
        });
        this.unavailableSince = undefined;
        return answer;
      } catch (error) {
        const failure = this.translate(error, options.signal);
        if (isDomainError(failure, 'store_unavailable')) this.unavailableSince = performance.now();
        throw failure;
      }
    };
    return this.meter.measure(operation, work, (error) => failureName(error, options.signal));
  }

  private requireAdd(): void {
    if (this.capabilities.add) return;
    throw this.ownError('store_add_disabled', 'Adding images to this store is disabled.');
  }

  private rangeUnsupported(range: ByteRange): DomainError {
    return this.ownError(
      'store_get_unsupported',
      'Getting images randomly from this store is not supported. ' +
        `Offset: ${range.offset}, length: ${range.length}`,
    );
  }

  // A driver that stopped reading early, or counted wrongly, must not lead to an image without its
  // bytes.
  private async requireWholeBlob(added: AddedBlob, source: GuardedSource): Promise<void> {
    if (source.complete && added.sizeBytes === source.receivedBytes) return;
    await added.discard();
    throw new Error(`driver stored ${added.sizeBytes} of ${source.receivedBytes} bytes`);
  }

  private ownError(code: DomainError['code'], message: string): DomainError {
    return new DomainError(code, message, { details: { store: this.id } });
  }

  private translate(error: unknown, signal?: AbortSignal): Error {
    if (signal?.aborted === true && error === signal.reason) return error as Error;
    if (isDomainError(error)) {
      return new DomainError(error.code, error.message, {
        cause: error.cause ?? error,
        details: { ...error.details, store: this.id },
      });
    }
    return new DomainError('store_failed', 'The image store failed.', {
      cause: error,
      details: { store: this.id },
    });
  }
}

function failureName(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted === true && error === signal.reason) return 'aborted';
  return isDomainError(error) ? error.code : 'store_failed';
}

function requireUploadName({ imageId, uploadId }: UploadName): void {
  if (!isCanonicalUuid(imageId)) throw invalidRequest('The image id is not a canonical UUID');
  if (!isCanonicalUuid(uploadId)) throw invalidRequest('The upload id is not a canonical UUID');
}

function requireSize(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidRequest(`${name} is not a number of bytes`);
  }
}

function requireRange(range: ByteRange): void {
  requireSize('range.offset', range.offset);
  requireSize('range.length', range.length);
  requireSize('end of range', range.offset + range.length);
}
