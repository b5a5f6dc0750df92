import type { IncomingMessage } from 'node:http';
import { isDomainError } from '@glance/common';
import { emptyStream } from '../../empty-stream';
import { ResponseStream } from '../../outbound/response-stream';
import { totalOf } from '../../remote/content-range';
import { ageOf } from '../../remote/unfinished-marks';
import { blobCorrupt, blobMissing, rangeOutsideBlob } from '../../store-errors';
import { parseBlobName } from '../../store-driver';
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
import type { StoreOptions } from '../../store-options';
import { listAttempts, removeAttempt, removeBlob, settleAttempt } from './attempts';
import { removeObject } from './remove-object';
import { ResumingStream } from './resuming-stream';
import { SwiftAccount } from './swift-account';
import { listContainers, SwiftContainer, toFound } from './swift-container';
import type { FoundObject } from './swift-container';
import { containerMissing, statusOf, toStoreError } from './swift-errors';
import { SwiftHttp } from './swift-http';
import { containerOf, isContainerOf, placeOf, SCHEMES, toLocation } from './swift-location';
import type { SwiftPlace } from './swift-location';
import { createLogin } from './swift-login';
import { readSwiftOptions, SWIFT_OPTIONS } from './swift-options';
import type { SwiftSettings } from './swift-options';
import { writeBlob } from './write-blob';

/** Without a byte for so long a download has failed. */
const IDLE_MS = 60_000;

export interface SwiftTimeouts {
  /** Milliseconds that the server may take to answer once it has the whole request. */
  answerMs: number;
}

/** A blob whose answer has begun. */
interface OpenedObject {
  body: IncomingMessage;
  sizeBytes: number;
  etag: string | undefined;
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

  private constructor(
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
    const { sizeBytes, ...attempt } = await writeBlob(container, request, {
      ...this.settings,
      warn: (message) => this.context.warn(`store ${this.context.storeId}: ${message}`),
    });
    return {
      locationUrl: toLocation(area, {
        reference,
        container: container.name,
        object: attempt.key,
      }),
      sizeBytes,
      metadata: {},
      settle: () => settleAttempt(container, attempt),
      discard: async () => {
        await removeBlob(container, attempt);
        await settleAttempt(container, attempt);
      },
    };
  }

  async get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    const { container, object } = this.requirePlace(locationUrl);
    if (range?.length === 0) {
      const sizeBytes = requireWhole(await this.require(container, object, signal));
      if (range.offset > sizeBytes) throw rangeOutsideBlob();
      return { stream: emptyStream(), sizeBytes };
    }
    const { body, sizeBytes, etag } = await this.open(container, object, range, signal);
    if (range && range.offset + range.length > sizeBytes) {
      body.destroy();
      throw rangeOutsideBlob();
    }
    const { offset, length } = range ?? { offset: 0, length: sizeBytes };
    const openRest = async (readBytes: number): Promise<BlobStream> => {
      const rest = { offset: offset + readBytes, length: length - readBytes };
      if (rest.length === 0) return emptyStream();
      const next = await this.open(container, object, rest, signal);
      if (next.etag !== etag || next.sizeBytes !== sizeBytes) {
        next.body.destroy();
        throw blobCorrupt('The image data is not what it was when the download began');
      }
      return new ResponseStream(next.body, IDLE_MS, signal);
    };
    const stream = new ResponseStream(body, IDLE_MS, signal);
    const retries = this.settings.retryGetCount;
    return { stream: new ResumingStream(stream, openRest, retries, signal), sizeBytes };
  }

  async sizeOf(locationUrl: string): Promise<number> {
    const { container, object } = this.requirePlace(locationUrl);
    return requireWhole(await this.require(container, object));
  }

  async delete(locationUrl: string): Promise<void> {
    const { container, object } = this.requirePlace(locationUrl);
    await removeObject(container, object, await this.require(container, object));
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    const { area } = this.settings;
    const reference = area.defaultReference;
    for await (const container of this.containers()) {
      for await (const { key, sizeBytes, modified } of container.list()) {
        const parsed = parseBlobName(key);
        if (parsed === undefined) continue;
        // A manifest has no bytes of its own.
        const found = sizeBytes > 0 ? { sizeBytes } : await container.find(key);
        if (found === undefined) continue;
        yield {
          ...parsed,
          name: key,
          locationUrl: toLocation(area, { reference, container: container.name, object: key }),
          sizeBytes: found.sizeBytes,
          ageSeconds: ageOf(modified),
        };
      }
    }
  }

  async listUnfinished(): Promise<UnfinishedBlob[]> {
    const found: UnfinishedBlob[] = [];
    for await (const container of this.containers()) {
      for await (const attempt of listAttempts(container)) found.push(attempt);
    }
    return found;
  }

  async removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    for await (const container of this.containers()) await removeAttempt(container, name, fate);
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
    return new SwiftContainer(this.account(reference), name, this.settings.createContainer);
  }

  /** Those that images are or were in, whatever the seed was then. */
  private async *containers(): AsyncGenerator<SwiftContainer, undefined> {
    const { area } = this.settings;
    const reference = area.defaultReference;
    for await (const name of listContainers(this.account(reference), area.container)) {
      if (isContainerOf(area, name)) yield this.containerAt(reference, name);
    }
  }

  private requirePlace(
    locationUrl: string,
  ): Pick<SwiftPlace, 'object'> & { container: SwiftContainer } {
    const place = placeOf(locationUrl, this.settings.area);
    if (place === undefined) throw blobMissing();
    return { container: this.containerAt(place.reference, place.container), object: place.object };
  }

  private async require(
    container: SwiftContainer,
    object: string,
    signal?: AbortSignal,
  ): Promise<FoundObject> {
    const found = await container.find(object, signal);
    if (found) return found;
    throw await container.missing(blobMissing);
  }

  private async open(
    container: SwiftContainer,
    object: string,
    range: ByteRange | undefined,
    signal?: AbortSignal,
  ): Promise<OpenedObject> {
    const header = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    try {
      const body = await container.open(object, header, signal);
      try {
        return { body, sizeBytes: sizeIn(body, range), etag: body.headers.etag };
      } catch (error) {
        body.destroy();
        throw error;
      }
    } catch (error) {
      if (isDomainError(error) || signal?.aborted === true) throw error;
      if (statusOf(error) === 416) throw rangeOutsideBlob();
      if (statusOf(error) === 404) throw await container.missing(() => blobMissing(error));
      throw toStoreError(error, 'read');
    }
  }
}

export const swiftStore: StoreType = {
  options: SWIFT_OPTIONS,
  create: (options, context) => SwiftDriver.create(options, context),
};

/** The size of the whole blob, whatever part of it the answer has. */
function sizeIn({ statusCode, headers }: IncomingMessage, range: ByteRange | undefined): number {
  if (range === undefined) return requireWhole(toFound(headers));
  const total = statusCode === 206 ? totalOf(headers['content-range']) : undefined;
  if (total === undefined) throw new Error('Swift server: no part of the blob for a Range');
  return requireWhole({ ...toFound(headers), sizeBytes: total });
}

function requireWhole({
  sizeBytes,
  recordedBytes = sizeBytes,
}: Pick<FoundObject, 'sizeBytes' | 'recordedBytes'>): number {
  if (sizeBytes === recordedBytes) return sizeBytes;
  throw blobCorrupt('Segments of the stored image data are not there');
}
