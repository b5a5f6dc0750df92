import { parseBlobName } from '../../store-driver';
import type {
  AddRequest,
  AddedBlob,
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
import { withDeadline } from '../../deadline';
import { StoreConfigurationError } from '../../store-configuration-error';
import { blobMissing, rangeOutsideBlob, type StoreAction } from '../../store-errors';
import type { StoreOptions } from '../../store-options';
import { BlobReader } from './blob-reader';
import { SNAPSHOT } from './protocol';
import type { RbdCall, RbdCalls, RbdPlace } from './protocol';
import { mistakeOf, RbdCluster } from './rbd-cluster';
import type { ConnectedHelper } from './rbd-cluster';
import { toStoreError } from './rbd-errors';
import { placeOf, SCHEMES, toLocation } from './rbd-location';
import { RBD_OPTIONS, readRbdOptions } from './rbd-options';
import type { RbdSettings } from './rbd-options';
import { copyBlob, writeBlob } from './write-blob';
import type { OpenImage, WrittenBlob } from './write-blob';

/** A start does not wait longer for a cluster that says nothing. */
const START_MS = 10_000;

/**
 * Blobs as images of one pool of a Ceph cluster, readable by upstream and the other way round, each
 * with a protected snapshot to clone from (stores sheet §7). Ceph's libraries run in a process of
 * their own (ADR 8).
 */
export class RbdDriver implements StoreDriver {
  readonly schemes = SCHEMES;
  readonly capabilities = {
    add: true,
    delete: 'unless in use',
    partialRead: true,
    list: true,
  } as const;
  private readonly cluster: RbdCluster;
  private readers = 0;

  private constructor(
    private readonly settings: RbdSettings,
    private readonly context: StoreContext,
  ) {
    this.cluster = new RbdCluster(settings.connection, (line) => this.warn(`Ceph: ${line}`));
  }

  /**
   * A cluster that does not answer may do so at the first upload.
   * @throws StoreConfigurationError when it cannot be used as configured.
   */
  static async create(options: StoreOptions, context: StoreContext): Promise<RbdDriver> {
    const driver = new RbdDriver(readRbdOptions(options, context), context);
    try {
      await withDeadline(driver.cluster.connect(), { timeoutMs: START_MS });
    } catch (error) {
      const mistake = mistakeOf(error);
      if (mistake) {
        await driver.close();
        const problem = `store ${context.storeId}: option ${mistake.option}: ${mistake.message}`;
        throw new StoreConfigurationError([problem], { cause: error });
      }
      const reason = (error as Error).cause ?? error;
      driver.warn(
        `the Ceph cluster cannot be used now, each request tries again: ${String(reason)}`,
      );
    }
    return driver;
  }

  get properties(): Readonly<Record<string, unknown>> {
    return {
      chunk_size: this.settings.chunkBytes,
      pool: this.pool,
      thin_provisioning: this.settings.thin,
      fsid: this.cluster.fsid ?? null,
    };
  }

  /** Images that are open for downloads. */
  get openReaders(): number {
    return this.readers;
  }

  get helperPid(): number | undefined {
    return this.cluster.helperPid;
  }

  claims(locationUrl: string): boolean {
    return placeOf(locationUrl, { fsid: this.cluster.fsid, pool: this.pool }) !== undefined;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const helper = await this.connect();
    const written = await writeBlob(helper, request, this.settings, (message) =>
      this.warn(message),
    );
    return this.added(helper, request, written);
  }

  /** By the helper, which alone has the bytes. */
  async copy(locationUrl: string, request: CopyRequest): Promise<AddedBlob> {
    const { helper, place } = await this.find(locationUrl);
    const original = await this.open(helper, place);
    try {
      const written = await copyBlob(helper, original, request, this.settings, (message) =>
        this.warn(message),
      );
      return this.added(helper, request, written);
    } finally {
      await this.closeReader(helper, original.reader);
    }
  }

  async get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    const { helper, place } = await this.find(locationUrl);
    const { reader, sizeBytes } = await this.open(helper, place);
    const wanted = range ?? { offset: 0, length: sizeBytes };
    const stream = new BlobReader({
      helper,
      reader,
      range: wanted,
      signal,
      onClosed: () => (this.readers -= 1),
    });
    if (wanted.offset + wanted.length > sizeBytes) {
      await stream.return();
      throw rangeOutsideBlob();
    }
    return { stream, sizeBytes };
  }

  async sizeOf(locationUrl: string): Promise<number> {
    const { helper, place } = await this.find(locationUrl);
    const { reader, sizeBytes } = await this.open(helper, place);
    await this.closeReader(helper, reader);
    return sizeBytes;
  }

  async delete(locationUrl: string): Promise<void> {
    const { place } = await this.find(locationUrl);
    await this.call('remove', place, 'delete');
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    const { fsid } = await this.connect();
    for (const name of (await this.call('listImages', {}, 'read')).names) {
      const parsed = parseBlobName(name);
      if (parsed === undefined) continue;
      const { description } = await this.call('describe', { image: name }, 'read');
      if (description === null) continue;
      const place = { image: name, snapshot: SNAPSHOT };
      const locationUrl = toLocation({ fsid, pool: this.pool }, place);
      yield { ...parsed, name, locationUrl, ...description };
    }
  }

  async listUnfinished(): Promise<UnfinishedBlob[]> {
    return (await this.call('listAttempts', {}, 'read')).attempts;
  }

  async removeUnfinished({ imageId, uploadId }: UploadName, fate: UnfinishedFate): Promise<void> {
    await this.call('removeAttempt', { imageId, uploadId, fate }, 'delete');
  }

  async checkReadable(): Promise<void> {
    await this.connect();
  }

  async checkWritable(): Promise<void> {
    await this.call('checkWritable', {}, 'write');
  }

  close(): Promise<void> {
    return this.cluster.close();
  }

  private added(
    helper: ConnectedHelper,
    { imageId, uploadId }: UploadName,
    { image, sizeBytes }: WrittenBlob,
  ): AddedBlob {
    return {
      locationUrl: toLocation(
        { fsid: helper.fsid, pool: this.pool },
        { image, snapshot: SNAPSHOT },
      ),
      sizeBytes,
      metadata: {},
      settle: async () => {
        await this.call('settle', { imageId, uploadId }, 'write');
      },
      discard: () => this.removeUnfinished({ imageId, uploadId }, 'abandoned'),
    };
  }

  private get pool(): string {
    return this.settings.connection.pool;
  }

  private warn(message: string): void {
    this.context.warn(`store ${this.context.storeId}: ${message}`);
  }

  private async connect(): Promise<ConnectedHelper> {
    try {
      return await this.cluster.connect();
    } catch (error) {
      throw toStoreError(error, 'read');
    }
  }

  private async call<Call extends RbdCall>(
    call: Call,
    asked: RbdCalls[Call]['asked'],
    action: StoreAction,
  ): Promise<RbdCalls[Call]['answer']> {
    try {
      return await this.cluster.call(call, asked);
    } catch (error) {
      throw toStoreError(error, action);
    }
  }

  private async find(locationUrl: string): Promise<{ helper: ConnectedHelper; place: RbdPlace }> {
    if (!this.claims(locationUrl)) throw blobMissing();
    const helper = await this.connect();
    const place = placeOf(locationUrl, { fsid: helper.fsid, pool: this.pool });
    if (place === undefined) throw blobMissing();
    return { helper, place };
  }

  private async open(helper: ConnectedHelper, place: RbdPlace): Promise<OpenImage> {
    try {
      const opened = await helper.call('open', place);
      this.readers += 1;
      return opened;
    } catch (error) {
      throw toStoreError(error, 'read');
    }
  }

  private async closeReader(helper: ConnectedHelper, reader: number): Promise<void> {
    // A helper that is gone has nothing open.
    await helper.call('closeReader', { reader }).catch(() => undefined);
    this.readers -= 1;
  }
}

export const rbdStore: StoreType = {
  options: RBD_OPTIONS,
  create: (options, context) => RbdDriver.create(options, context),
};
