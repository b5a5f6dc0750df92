import { constants } from 'node:fs';
import { lstat, open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { StoreConfigurationError } from '../../store-configuration-error';
import { blobMissing, rangeOutsideBlob } from '../../store-errors';
import type {
  AddRequest,
  AddedBlob,
  CopyRequest,
  GetOptions,
  OpenedBlob,
  StoreContext,
  StoreDriver,
  StoreRoom,
  StoredBlob,
  StoreType,
  UnfinishedBlob,
  UnfinishedFate,
  UploadName,
} from '../../store-driver';
import type { StoreOptions } from '../../store-options';
import {
  SCHEMES,
  asMissing,
  findDirectory,
  locateBlob,
  parseLocation,
  toLocation,
} from './blob-location';
import type { BlobPlace } from './blob-location';
import { chooseDirectory, findDataDirectory, prepareDataDirectory, roomOf } from './data-directory';
import type { DataDirectory } from './data-directory';
import { FILESYSTEM_OPTIONS, readFilesystemOptions } from './filesystem-options';
import type { FilesystemSettings } from './filesystem-options';
import { listDirectory } from './list-directory';
import { metadataFor, readMountMetadata } from './mount-metadata';
import type { MountMetadata } from './mount-metadata';
import { listParts, partDirectory, partName, removePart } from './part-directory';
import { removeAttempt } from './remove-attempt';
import { readBlob } from './read-blob';
import { syncDirectory } from './sync-directory';
import { toDeleteError, toReadError, toWriteError } from './system-errors';
import { copyBlob, writeBlob, type WriteOptions, type WrittenBlob } from './write-blob';

/**
 * Blobs as files named by image id in one or several directories, readable by upstream and the
 * other way round (stores sheet §3).
 */
export class FilesystemDriver implements StoreDriver {
  readonly schemes = SCHEMES;
  readonly capabilities = { add: true, delete: true, partialRead: true, list: true };
  readonly properties: Readonly<Record<string, unknown>>;
  readonly metadataTimeoutMs: number | undefined;

  private constructor(
    private readonly directories: readonly DataDirectory[],
    private readonly mounts: readonly MountMetadata[],
    private readonly settings: FilesystemSettings,
    private readonly context: StoreContext,
  ) {
    this.metadataTimeoutMs = settings.timeoutMs;
    this.properties = {
      data_dir: directories[0]?.path,
      chunk_size: settings.chunkBytes,
      thin_provisioning: settings.thinProvisioning,
    };
  }

  /** @throws StoreConfigurationError */
  static async create(options: StoreOptions, context: StoreContext): Promise<FilesystemDriver> {
    const settings = readFilesystemOptions(options, context);
    const mounts =
      settings.metadataFile === undefined
        ? []
        : await readMountMetadata(settings.metadataFile, context);
    const directories = await prepareAll(settings, context);
    if (settings.metadataFile !== undefined) {
      for (const { path } of directories.filter(({ path }) => !metadataFor(path, mounts))) {
        context.warn(
          `store ${context.storeId}: no mountpoint in ${settings.metadataFile} holds ${path}`,
        );
      }
    }
    return new FilesystemDriver(directories, mounts, settings, context);
  }

  claims(locationUrl: string): boolean {
    const path = parseLocation(locationUrl);
    return path !== undefined && findDirectory(path, this.directories) !== undefined;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const directory = await chooseDirectory(this.directories, request.expectedSizeBytes ?? 0);
    const blob = await writeBlob(directory.path, request, this.writeOptions);
    return this.added(directory.path, request, blob);
  }

  /** Into the directory of the other one, on whose file system it is. */
  async copy(locationUrl: string, request: CopyRequest): Promise<AddedBlob> {
    const place = await locateBlob(locationUrl, this.directories);
    await this.sizeAt(place);
    const blob = await copyBlob(place.directory.path, place.path, request, this.writeOptions);
    return this.added(place.directory.path, request, blob);
  }

  async get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    const file = await this.open(await locateBlob(locationUrl, this.directories));
    try {
      const found = await file.stat();
      if (!found.isFile()) throw blobMissing();
      const wanted = range ?? { offset: 0, length: found.size };
      if (wanted.offset + wanted.length > found.size) throw rangeOutsideBlob();
      signal?.throwIfAborted();
      return {
        stream: readBlob(file, wanted, this.settings.chunkBytes, signal),
        sizeBytes: found.size,
      };
    } catch (error) {
      await file.close();
      throw toReadError(error);
    }
  }

  async sizeOf(locationUrl: string): Promise<number> {
    const place = await locateBlob(locationUrl, this.directories);
    return this.sizeAt(place);
  }

  async delete(locationUrl: string): Promise<void> {
    const place = await locateBlob(locationUrl, this.directories);
    await this.sizeAt(place);
    try {
      await unlink(place.path);
      if (this.settings.sync) await syncDirectory(dirname(place.path));
    } catch (error) {
      throw toDeleteError(await asMissing(error, place.directory));
    }
  }

  async *listBlobs(): AsyncGenerator<StoredBlob, undefined> {
    try {
      for (const { path } of this.directories) yield* listDirectory(path);
    } catch (error) {
      throw toReadError(error);
    }
  }

  async listUnfinished(): Promise<UnfinishedBlob[]> {
    try {
      const lists = await Promise.all(this.directories.map(({ path }) => listParts(path)));
      return lists.flat();
    } catch (error) {
      throw toReadError(error);
    }
  }

  async removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void> {
    const remove = (path: string): Promise<void> =>
      fate === 'abandoned' ? removeAttempt(path, name, this.settings.sync) : removePart(path, name);
    await asDelete(Promise.all(this.directories.map(({ path }) => remove(path))));
  }

  async checkWritable(): Promise<void> {
    try {
      await Promise.all(this.directories.map(({ path }) => createAndRemove(path)));
    } catch (error) {
      throw toWriteError(error);
    }
  }

  room(): Promise<StoreRoom[]> {
    return Promise.all(this.directories.map((directory) => roomOf(directory)));
  }

  /** Every file is closed by the operation that opened it. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  private get writeOptions(): WriteOptions {
    const { storeId, warn } = this.context;
    return { ...this.settings, warn: (message) => warn(`store ${storeId}: ${message}`) };
  }

  private added(directory: string, name: UploadName, { path, sizeBytes }: WrittenBlob): AddedBlob {
    return {
      locationUrl: toLocation(path),
      sizeBytes,
      metadata: { ...metadataFor(directory, this.mounts) },
      settle: () => asDelete(removePart(directory, name)),
      discard: () => asDelete(removeAttempt(directory, name, this.settings.sync)),
    };
  }

  // O_NONBLOCK: a FIFO under a blob's name must not hang the open.
  private async open(place: BlobPlace): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    try {
      return await open(place.path, flags);
    } catch (error) {
      throw toReadError(await asMissing(error, place.directory));
    }
  }

  private async sizeAt(place: BlobPlace): Promise<number> {
    try {
      const found = await lstat(place.path);
      if (!found.isFile()) throw blobMissing();
      return found.size;
    } catch (error) {
      throw toReadError(await asMissing(error, place.directory));
    }
  }
}

export const filesystemStore: StoreType = {
  options: FILESYSTEM_OPTIONS,
  create: (options, context) => FilesystemDriver.create(options, context),
};

async function prepareAll(
  settings: FilesystemSettings,
  context: StoreContext,
): Promise<DataDirectory[]> {
  const outcomes = await Promise.allSettled(
    settings.directories.map((wanted) =>
      context.readOnly === true
        ? findDataDirectory(wanted, context)
        : prepareDataDirectory(wanted, settings, context),
    ),
  );
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failures.length > 0) {
    const reasons: unknown[] = failures.map(({ reason }) => reason as unknown);
    throw new StoreConfigurationError(
      reasons.flatMap((reason) =>
        reason instanceof StoreConfigurationError ? reason.problems : [String(reason)],
      ),
      { cause: reasons[0] },
    );
  }
  return outcomes
    .filter((outcome) => outcome.status === 'fulfilled')
    .map(({ value }) => value)
    .sort((a, b) => b.priority - a.priority);
}

async function asDelete(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    throw toDeleteError(error);
  }
}

async function createAndRemove(directory: string): Promise<void> {
  const probe = join(await partDirectory(directory), partName(randomUUID(), randomUUID()));
  const file = await open(probe, 'wx', 0o640);
  await file.close();
  await unlink(probe);
}
