import { isCanonicalUuid } from '@glance/common';
import { markOf, MARK_PREFIX, type Attempt } from '../../../remote/unfinished-marks';
import { blobMissing } from '../../../store-errors';
import type {
  AddRequest,
  AddedBlob,
  BlobAccess,
  CopyRequest,
  GetOptions,
  OpenedBlob,
  StoreCaller,
  StoreContext,
  StoreDriver,
  StoredBlob,
  UnfinishedBlob,
  UnfinishedFate,
  UploadName,
} from '../../../store-driver';
import { listAttempts, removeAttempt, removeBlob } from '../attempts';
import type { AttemptRecord, FindContainer } from '../attempts';
import { readObject, requireObject, sizeOfObject } from '../read-object';
import type { ObjectPlace } from '../read-object';
import { copyBlob } from '../copy-blob';
import { listBlobsIn } from '../list-blobs';
import { listContainers } from '../listings';
import { removeObject } from '../remove-object';
import { SwiftContainer } from '../swift-container';
import { copyUnsupported, toStoreError } from '../swift-errors';
import { SwiftHttp } from '../swift-http';
import type { SwiftTransport } from '../swift-http';
import { SCHEMES } from '../swift-location';
import { createLogin } from '../swift-login';
import type { SwiftSettings } from '../swift-options';
import { writeBlob } from '../write-blob';
import type { AttemptPlace, WrittenBlob } from '../write-blob';
import { accessHeaders } from './access-headers';
import { TenantAccounts, accountUrl, isProjectId } from './tenant-accounts';
import type { AccountUrls } from './tenant-accounts';
import { projectOf, tenantContainer, tenantPlaceOf, toTenantLocation } from './tenant-location';

/** On a mark, the project whose account the attempt writes to. */
const PROJECT = 'x-object-meta-glance-project';

interface TenantObject extends ObjectPlace {
  imageId: string;
  /** Of the account. */
  storageUrl: string;
}

/**
 * Blobs in the accounts of the projects that upload them, each in a container of its own (stores
 * sheet §6). Uploads and downloads of callers are asked for with their tokens, so that Swift
 * decides as well; everything else is the service's own work, with its own user. Attempts are
 * marked in the account of that user: nobody could look for marks in the accounts of all projects.
 */
export class TenantDriver implements StoreDriver {
  readonly schemes = SCHEMES;
  readonly capabilities = {
    add: true,
    delete: true,
    partialRead: true,
    list: 'by project',
  } as const;
  readonly properties: Readonly<Record<string, unknown>>;
  private readonly http: SwiftHttp;
  private readonly accounts: TenantAccounts;

  constructor(
    private readonly settings: SwiftSettings,
    private readonly context: StoreContext,
    timeouts?: Pick<SwiftTransport, 'answerMs'>,
  ) {
    this.http = new SwiftHttp({ ...settings, ...timeouts });
    const { area } = settings;
    const user = area.references.get(area.defaultReference);
    if (user === undefined) throw new Error('the store has no user of its own');
    this.accounts = new TenantAccounts(createLogin(user, settings, this.http), this.http);
    this.properties = {
      container: area.container,
      large_object_size: settings.largeObjectBytes,
      large_object_chunk_size: settings.segmentBytes,
    };
  }

  /** Sockets with a request, or an answer that is being read, on them. */
  get busySockets(): number {
    return this.http.busySockets;
  }

  claims(locationUrl: string): boolean {
    const place = tenantPlaceOf(locationUrl, this.settings.area.container);
    const urls = this.accounts.urlsIfKnown;
    // Before the first login only the form of a location tells.
    return place !== undefined && (!urls || projectOf(place.storageUrl, urls) !== undefined);
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const { imageId, caller } = request;
    const urls = await this.urls('write');
    const projectId = caller?.projectId ?? urls.ownProjectId;
    const storageUrl = accountUrl(urls, projectId);
    const container = this.containerOf(storageUrl, imageId, caller);
    const attempts = this.attemptsOf(projectId, container);
    const settings = { ...this.settings, warn: this.warn };
    const blob = await writeBlob(container, attempts, request, settings);
    return this.added(storageUrl, { container, attempts }, blob);
  }

  /** Within the account of a project: no token reaches those of two. */
  async copy(locationUrl: string, request: CopyRequest): Promise<AddedBlob> {
    const { imageId, caller } = request;
    const place = await this.requirePlace(locationUrl, caller);
    const found = await requireObject(place, request.signal);
    const urls = await this.urls('write');
    const projectId = caller?.projectId ?? urls.ownProjectId;
    const storageUrl = accountUrl(urls, projectId);
    if (storageUrl !== place.storageUrl) throw copyUnsupported();
    const container = this.containerOf(storageUrl, imageId, caller);
    const to = { container, attempts: this.attemptsOf(projectId, container) };
    const blob = await copyBlob(to, place, found, request, { warn: this.warn });
    return this.added(storageUrl, to, blob);
  }

  async get(locationUrl: string, options: GetOptions = {}): Promise<OpenedBlob> {
    const place = await this.requirePlace(locationUrl, options.caller);
    return await readObject(place, options, this.settings.retryGetCount);
  }

  async sizeOf(locationUrl: string): Promise<number> {
    return await sizeOfObject(await this.requirePlace(locationUrl));
  }

  /** As the service: whoever may delete the image is asked before, and a sweep must be able to as well. */
  async delete(locationUrl: string): Promise<void> {
    const place = await this.requirePlace(locationUrl);
    const { container, object } = place;
    await removeObject(container, object, await requireObject(place));
    await this.removeContainer(place);
  }

  async setAccess(locationUrl: string, access: BlobAccess): Promise<void> {
    const { container } = await this.requirePlace(locationUrl);
    await container.describe(accessHeaders(access, this.settings.adminProjects ?? []));
  }

  async *listBlobs(projectId?: string): AsyncGenerator<StoredBlob, undefined> {
    const urls = await this.urls('read');
    // Asked for without one.
    if (projectId === urls.ownProjectId) return;
    if (projectId !== undefined && !isProjectId(projectId)) return;
    const storageUrl = accountUrl(urls, projectId ?? urls.ownProjectId);
    const prefix = tenantContainer(this.settings.area.container, '');
    for await (const name of listContainers(this.accounts.of(storageUrl), prefix)) {
      const imageId = name.slice(prefix.length);
      if (!isCanonicalUuid(imageId)) continue;
      const container = this.containerOf(storageUrl, imageId);
      const locationOf = (object: string): string =>
        toTenantLocation({ storageUrl, container: name, imageId, object });
      for await (const blob of listBlobsIn(container, locationOf)) {
        if (blob.imageId === imageId) yield blob;
      }
    }
  }

  async listUnfinished(): Promise<UnfinishedBlob[]> {
    const found: UnfinishedBlob[] = [];
    const marks = this.marks();
    for await (const attempt of listAttempts(marks, await this.findContainer(marks))) {
      found.push(attempt);
    }
    return found;
  }

  async removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    const marks = this.marks();
    const find = await this.findContainer(marks);
    const attempts: AttemptRecord = {
      begin: () => Promise.reject(new Error('an attempt that ended does not begin')),
      end: async (attempt, outcome) => {
        const container = await find(markOf(attempt), attempt);
        // The image may have been deleted since, and its container be all that is left.
        const isGone = (await container?.find(attempt.key)) === undefined;
        await this.endAttempt(attempt, isGone ? 'removed' : outcome, container);
      },
    };
    await removeAttempt(marks, name, fate, find, attempts);
  }

  /** The question is the same: it writes nothing. */
  checkReadable(): Promise<void> {
    return this.checkWritable();
  }

  async checkWritable(): Promise<void> {
    await this.urls('write');
    // Made with the first mark: what counts is that the server answers.
    await this.marks().exists();
  }

  close(): Promise<void> {
    this.accounts.close();
    this.http.close();
    return Promise.resolve();
  }

  private added(
    storageUrl: string,
    { container, attempts }: AttemptPlace,
    { sizeBytes, ...attempt }: WrittenBlob,
  ): AddedBlob {
    const { imageId, key: object } = attempt;
    return {
      locationUrl: toTenantLocation({ storageUrl, container: container.name, imageId, object }),
      sizeBytes,
      metadata: {},
      settle: () => attempts.end(attempt, 'kept'),
      discard: async () => {
        await removeBlob(container, attempt);
        await attempts.end(attempt, 'removed');
      },
    };
  }

  private readonly warn = (message: string): void => {
    this.context.warn(`store ${this.context.storeId}: ${message}`);
  };

  private async urls(action: 'read' | 'write'): Promise<AccountUrls> {
    try {
      return await this.accounts.urls();
    } catch (error) {
      throw toStoreError(error, action);
    }
  }

  private marks(): SwiftContainer {
    return new SwiftContainer(this.accounts.own(), this.settings.area.container, {
      ...{ create: true, isEmptyWhenMissing: true },
    });
  }

  private containerOf(storageUrl: string, imageId: string, caller?: StoreCaller): SwiftContainer {
    const name = tenantContainer(this.settings.area.container, imageId);
    return new SwiftContainer(this.accounts.of(storageUrl, caller), name, {
      ...{ create: true, isEmptyWhenMissing: true },
    });
  }

  private attemptsOf(projectId: string, container: SwiftContainer): AttemptRecord {
    return {
      begin: async (attempt) => {
        const mark = markOf(attempt);
        await this.marks().putMark(mark, { [PROJECT]: projectId });
        try {
          await container.create();
        } catch (error) {
          await this.marks()
            .remove(mark)
            .catch(() => undefined);
          throw error;
        }
      },
      end: (attempt, outcome) => this.endAttempt(attempt, outcome, container),
    };
  }

  private async endAttempt(
    attempt: Attempt,
    outcome: 'kept' | 'removed',
    container: SwiftContainer | undefined,
  ): Promise<void> {
    const { imageId } = attempt;
    if (outcome === 'removed' && container !== undefined) {
      await this.removeContainer({ container, imageId, except: markOf(attempt) });
    }
    await this.marks().remove(markOf(attempt));
  }

  /** The container of an image goes with the last that is in it, unless another attempt is to write to it. */
  private async removeContainer({
    container,
    imageId,
    except,
  }: Pick<TenantObject, 'container' | 'imageId'> & { except?: string }): Promise<void> {
    for await (const { key } of this.marks().list(`${MARK_PREFIX}${imageId}.`)) {
      if (key !== except) return;
    }
    await container.removeIfEmpty();
  }

  private async findContainer(marks: SwiftContainer): Promise<FindContainer> {
    const urls = await this.urls('read');
    return async (mark, { imageId }) => {
      const projectId = await marks.metadataOf(mark, PROJECT);
      if (projectId === undefined) return undefined;
      return this.containerOf(accountUrl(urls, projectId), imageId);
    };
  }

  private async requirePlace(locationUrl: string, caller?: StoreCaller): Promise<TenantObject> {
    const place = tenantPlaceOf(locationUrl, this.settings.area.container);
    if (place === undefined) throw blobMissing();
    const { storageUrl, imageId, object } = place;
    // No token goes to a host that a location chose.
    if (projectOf(storageUrl, await this.urls('read')) === undefined) throw blobMissing();
    const container = this.containerOf(storageUrl, imageId, caller);
    return { container, imageId, object, storageUrl };
  }
}
