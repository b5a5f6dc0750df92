import { ageOf } from '../../remote/unfinished-marks';
import { emptyStream } from '../../empty-stream';
import { parseBlobName } from '../../store-driver';
import type {
  AddRequest,
  AddedBlob,
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
import { blobCorrupt, blobMissing, rangeOutsideBlob, type StoreAction } from '../../store-errors';
import type { StoreOptions } from '../../store-options';
import { listAttempts, removeAttempt } from './attempts';
import { BlobReader } from './blob-reader';
import { removeVdi } from './remove-vdi';
import { SheepCluster } from './sheep-cluster';
import type { SheepTimeouts } from './sheep-connection';
import { toStoreError } from './sheep-errors';
import { SheepPool } from './sheep-pool';
import { nameOf, SCHEMES, toLocation } from './sheepdog-location';
import { readSheepdogOptions, SHEEPDOG_OPTIONS } from './sheepdog-options';
import type { SheepdogSettings } from './sheepdog-options';
import { isVisible } from './vdi';
import type { Vdi } from './vdi';
import { writeBlob } from './write-blob';

const TIMEOUTS: SheepTimeouts = { connectMs: 5000, answerMs: 30_000 };

/**
 * Blobs as images of a Sheepdog cluster, named by image id, readable by upstream and the other way
 * round (stores sheet §8).
 */
export class SheepdogDriver implements StoreDriver {
  readonly schemes = SCHEMES;
  readonly capabilities = { add: true, delete: true, partialRead: true, list: true };
  readonly properties = {};
  private readonly cluster: SheepCluster;
  private readers = 0;

  private constructor(
    private readonly settings: SheepdogSettings,
    private readonly context: StoreContext,
    timeouts: SheepTimeouts,
  ) {
    this.cluster = new SheepCluster(new SheepPool(settings.address, timeouts));
  }

  /**
   * Asks the cluster nothing: one that is down now may be there at the first upload.
   * @throws StoreConfigurationError
   */
  static create(
    options: StoreOptions,
    context: StoreContext,
    timeouts: SheepTimeouts = TIMEOUTS,
  ): Promise<SheepdogDriver> {
    const settings = readSheepdogOptions(options, context);
    return Promise.resolve(new SheepdogDriver(settings, context, timeouts));
  }

  /** Downloads that have not ended. */
  get openReaders(): number {
    return this.readers;
  }

  claims(locationUrl: string): boolean {
    return nameOf(locationUrl, this.settings.address) !== undefined;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const { name, sizeBytes } = await writeBlob(this.cluster, request, {
      objectsAtATime: this.settings.objectsAtATime,
      warn: (message) => this.context.warn(`store ${this.context.storeId}: ${message}`),
    });
    return {
      locationUrl: toLocation(this.settings.address, name),
      sizeBytes,
      metadata: {},
      settle: () => this.removeUnfinished(request, 'owned or unknown'),
      discard: () => this.removeUnfinished(request, 'abandoned'),
    };
  }

  async get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    const vdi = await this.findVisible(locationUrl);
    const { sizeBytes, objectBytes } = vdi;
    const wanted = range ?? { offset: 0, length: sizeBytes };
    const end = wanted.offset + wanted.length;
    if (end > sizeBytes) throw rangeOutsideBlob();
    if (wanted.length === 0) return { stream: emptyStream(), sizeBytes };
    if (vdi.isHyperVolume) throw blobCorrupt('The store cannot read images of this form');
    const first = Math.floor(wanted.offset / objectBytes);
    const count = Math.ceil(end / objectBytes) - first;
    const owners = await this.named('read', this.cluster.readEntries(vdi.vid, first, count));
    this.readers += 1;
    const onClosed = (): void => void (this.readers -= 1);
    const { cluster } = this;
    const stream = new BlobReader({ cluster, vdi, range: wanted, owners, signal, onClosed });
    return { stream, sizeBytes };
  }

  async sizeOf(locationUrl: string): Promise<number> {
    return (await this.findVisible(locationUrl)).sizeBytes;
  }

  async delete(locationUrl: string): Promise<void> {
    const vdi = await this.find(locationUrl, 'delete');
    if (vdi.attempt?.state === 'writing') throw blobMissing();
    await this.named('delete', removeVdi(this.cluster, vdi));
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    try {
      for await (const { name, attempt, sizeBytes, created } of this.cluster.list()) {
        const parsed = parseBlobName(name);
        // One whose removal was interrupted is listed, so that somebody ends it.
        if (parsed === undefined || attempt?.state === 'writing') continue;
        const locationUrl = toLocation(this.settings.address, name);
        yield { ...parsed, name, locationUrl, sizeBytes, ageSeconds: ageOf(created) };
      }
    } catch (error) {
      throw toStoreError(error, 'read');
    }
  }

  listUnfinished(): Promise<UnfinishedBlob[]> {
    return this.named('read', listAttempts(this.cluster));
  }

  removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    return this.named('delete', removeAttempt(this.cluster, name, fate));
  }

  checkReadable(): Promise<void> {
    return this.checkWritable();
  }

  /** Any question will do: a cluster that cannot be written now does not answer it. */
  async checkWritable(): Promise<void> {
    await this.named('write', this.cluster.findVid('glance-check'));
  }

  close(): Promise<void> {
    this.cluster.close();
    return Promise.resolve();
  }

  private async findVisible(locationUrl: string): Promise<Vdi> {
    const vdi = await this.find(locationUrl, 'read');
    if (!isVisible(vdi)) throw blobMissing();
    return vdi;
  }

  private async find(locationUrl: string, action: StoreAction): Promise<Vdi> {
    const name = nameOf(locationUrl, this.settings.address);
    if (name === undefined) throw blobMissing();
    const vdi = await this.named(action, this.cluster.find(name));
    if (vdi === undefined) throw blobMissing();
    return vdi;
  }

  private async named<T>(action: StoreAction, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw toStoreError(error, action);
    }
  }
}

export const sheepdogStore: StoreType = {
  options: SHEEPDOG_OPTIONS,
  create: (options, context) => SheepdogDriver.create(options, context),
};
