import { blobMissing } from '../../store-errors';
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
import type { StoreOptions } from '../../store-options';
import { listAttempts, marksIn, removeAttempt, removeBlob } from './attempts';
import { copyBlob } from './copy-blob';
import { removeObject } from './remove-object';
import { listBlobsIn } from './list-blobs';
import { listContainers } from './listings';
import { readObject, requireObject, sizeOfObject } from './read-object';
import type { ObjectPlace } from './read-object';
import { SwiftAccount } from './swift-account';
import { SwiftContainer } from './swift-container';
import { containerMissing, copyUnsupported } from './swift-errors';
import { SwiftHttp } from './swift-http';
import { containerOf, isContainerOf, placeOf, SCHEMES, toLocation } from './swift-location';
import { createLogin } from './swift-login';
import { SWIFT_OPTIONS } from './option-table';
import { readSwiftOptions } from './swift-options';
import type { SwiftSettings } from './swift-options';
import { TenantDriver } from './tenants/tenant-driver';
import { writeBlob } from './write-blob';
import type { WrittenBlob } from './write-blob';

export interface SwiftTimeouts {
  /** Milliseconds that the server may take to answer once it has the whole request. */
  answerMs: number;
}

/**
 * Blobs as objects of one account, plain or in segments, named by image id, readable by upstream
 * and the other way round (stores sheet §6).
 */
export class SwiftDriver implements StoreDriver {
  readonly schemes = SCHEMES;
  readonly capabilities = { add: true, delete: true, partialRead: true, list: true };
  readonly properties: Readonly<Record<string, unknown>>;
  private readonly http: SwiftHttp;
  /** By reference; made when a location needs it. */
  private readonly accounts = new Map<string, SwiftAccount>();

  constructor(
    private readonly settings: SwiftSettings,
    private readonly context: StoreContext,
    timeouts?: SwiftTimeouts,
  ) {
    this.http = new SwiftHttp({ ...settings, ...timeouts });
    this.properties = {
      container: settings.area.container,
      large_object_size: settings.largeObjectBytes,
      large_object_chunk_size: settings.segmentBytes,
    };
  }

  /**
   * Asks the server nothing: one that is down now may be there at the first upload.
   * @throws StoreConfigurationError
   */
  static create(
    options: StoreOptions,
    context: StoreContext,
    timeouts?: SwiftTimeouts,
  ): Promise<SwiftDriver> {
    const create = (): SwiftDriver =>
      new SwiftDriver(readSwiftOptions(options, context), context, timeouts);
    return new Promise((resolve) => resolve(create()));
  }

  /** Sockets with a request, or an answer that is being read, on them. */
  get busySockets(): number {
    return this.http.busySockets;
  }

  claims(locationUrl: string): boolean {
    return placeOf(locationUrl, this.settings.area) !== undefined;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const { area } = this.settings;
    const reference = area.defaultReference;
    const container = this.containerAt(reference, containerOf(area, request.imageId));
    const record = marksIn(container);
    const settings = { ...this.settings, warn: this.warn };
    return this.added(container, await writeBlob(container, record, request, settings));
  }

  async copy(locationUrl: string, request: CopyRequest): Promise<AddedBlob> {
    const { area } = this.settings;
    const place = this.requirePlace(locationUrl);
    const found = await requireObject(place, request.signal);
    // What another account has, only its own user may read.
    if (placeOf(locationUrl, area)?.reference !== area.defaultReference) throw copyUnsupported();
    const container = this.containerAt(area.defaultReference, containerOf(area, request.imageId));
    const to = { container, attempts: marksIn(container) };
    const copied = await copyBlob(to, place, found, request, { warn: this.warn });
    return this.added(container, copied);
  }

  async get(locationUrl: string, options: GetOptions = {}): Promise<OpenedBlob> {
    return await readObject(this.requirePlace(locationUrl), options, this.settings.retryGetCount);
  }

  async sizeOf(locationUrl: string): Promise<number> {
    return await sizeOfObject(this.requirePlace(locationUrl));
  }

  async delete(locationUrl: string): Promise<void> {
    const place = this.requirePlace(locationUrl);
    await removeObject(place.container, place.object, await requireObject(place));
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    const { area } = this.settings;
    const reference = area.defaultReference;
    for await (const container of this.containers()) {
      yield* listBlobsIn(container, (object) =>
        toLocation(area, { reference, container: container.name, object }),
      );
    }
  }

  async listUnfinished(): Promise<UnfinishedBlob[]> {
    const found: UnfinishedBlob[] = [];
    for await (const container of this.containers()) {
      const here = (): Promise<SwiftContainer> => Promise.resolve(container);
      for await (const attempt of listAttempts(container, here)) found.push(attempt);
    }
    return found;
  }

  async removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    for await (const container of this.containers()) {
      const here = (): Promise<SwiftContainer> => Promise.resolve(container);
      await removeAttempt(container, name, fate, here, marksIn(container));
    }
  }

  /** The question is the same: it writes nothing. */
  checkReadable(): Promise<void> {
    return this.checkWritable();
  }

  async checkWritable(): Promise<void> {
    const { area, createContainer } = this.settings;
    // With several containers any may be missing; the question is cheap, so the account answers.
    const container = this.containerAt(area.defaultReference, area.container);
    const isThere = await container.exists();
    if (!isThere && area.seed === 0 && !createContainer) throw containerMissing();
  }

  close(): Promise<void> {
    for (const account of this.accounts.values()) account.close();
    this.http.close();
    return Promise.resolve();
  }

  private added(container: SwiftContainer, { sizeBytes, ...attempt }: WrittenBlob): AddedBlob {
    const { area } = this.settings;
    const reference = area.defaultReference;
    const record = marksIn(container);
    return {
      locationUrl: toLocation(area, {
        reference,
        container: container.name,
        object: attempt.key,
      }),
      sizeBytes,
      metadata: {},
      settle: () => record.end(attempt, 'kept'),
      discard: async () => {
        await removeBlob(container, attempt);
        await record.end(attempt, 'removed');
      },
    };
  }

  private readonly warn = (message: string): void => {
    this.context.warn(`store ${this.context.storeId}: ${message}`);
  };

  private account(reference: string): SwiftAccount {
    let account = this.accounts.get(reference);
    if (account === undefined) {
      const found = this.settings.area.references.get(reference);
      if (found === undefined) throw blobMissing();
      account = new SwiftAccount(createLogin(found, this.settings, this.http), this.http);
      this.accounts.set(reference, account);
    }
    return account;
  }

  private containerAt(reference: string, name: string): SwiftContainer {
    return new SwiftContainer(this.account(reference), name, {
      create: this.settings.createContainer,
    });
  }

  /** Those that images are or were in, whatever the seed was then. */
  private async *containers(): AsyncGenerator<SwiftContainer, undefined> {
    const { area } = this.settings;
    const reference = area.defaultReference;
    for await (const name of listContainers(this.account(reference), area.container)) {
      if (isContainerOf(area, name)) yield this.containerAt(reference, name);
    }
  }

  private requirePlace(locationUrl: string): ObjectPlace {
    const place = placeOf(locationUrl, this.settings.area);
    if (place === undefined) throw blobMissing();
    return { container: this.containerAt(place.reference, place.container), object: place.object };
  }
}

export const swiftStore: StoreType = {
  options: SWIFT_OPTIONS,
  // Reading the settings may throw.
  // eslint-disable-next-line @typescript-eslint/require-await
  create: async (options, context) => {
    const settings = readSwiftOptions(options, context);
    return settings.adminProjects === undefined
      ? new SwiftDriver(settings, context)
      : new TenantDriver(settings, context);
  },
};
