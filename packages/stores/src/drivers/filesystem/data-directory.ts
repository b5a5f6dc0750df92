import { randomUUID } from 'node:crypto';
import {
  access,
  chmod,
  constants,
  link,
  lstat,
  open,
  realpath,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { StoreConfigurationError } from '../../store-configuration-error';
import { storeFull } from '../../store-errors';
import type { StoreContext, StoreRoom } from '../../store-driver';
import type { FilesystemSettings } from './filesystem-options';
import { PART_DIRECTORY, partName } from './part-directory';
import { errorCodeOf, toWriteError } from './system-errors';
import { makeDirectory, syncDirectory } from './sync-directory';

export interface DataDirectory {
  path: string;
  /** The path with symbolic links followed, as of the start. */
  realPath: string;
  priority: number;
  /** It has a part directory, without which it is not in place; a store of upstream's has none. */
  hasParts: boolean;
}

/**
 * Creates the directory where it is missing and tries out everything an upload will need of it.
 * @throws StoreConfigurationError naming option, path and remedy.
 */
export async function prepareDataDirectory(
  wanted: FilesystemSettings['directories'][number],
  settings: Pick<FilesystemSettings, 'filePermissions' | 'sync'>,
  context: StoreContext,
): Promise<DataDirectory> {
  const { path, priority, option } = wanted;
  const part = join(path, PART_DIRECTORY);
  try {
    await makeDirectory(path);
    await makeDirectory(part);
    await checkPartDirectory(path, part);
    await tryOut(path, settings.sync);
  } catch (error) {
    const problem = `store ${context.storeId}: option ${option}: ${explain(path, error)}`;
    throw new StoreConfigurationError([problem], { cause: error });
  }
  await openForReaders(path, settings.filePermissions, context);
  return { path, realPath: await realpath(path), priority, hasParts: true };
}

/**
 * The directory as it is, without a change to it: it must be there, and this process must be allowed
 * to write to it.
 * @throws StoreConfigurationError naming option, path and remedy.
 */
export async function findDataDirectory(
  { path, priority, option }: FilesystemSettings['directories'][number],
  context: StoreContext,
): Promise<DataDirectory> {
  try {
    const found = await stat(path);
    if (!found.isDirectory()) throw new UnfitDirectoryError(`${path} is not a directory`);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const hasParts = await stat(join(path, PART_DIRECTORY)).then(
      () => true,
      () => false,
    );
    return { path, realPath: await realpath(path), priority, hasParts };
  } catch (error) {
    const reason =
      errorCodeOf(error) === 'ENOENT' ? `${path} does not exist` : explain(path, error);
    const problem = `store ${context.storeId}: option ${option}: ${reason}`;
    throw new StoreConfigurationError([problem], { cause: error });
  }
}

class UnfitDirectoryError extends Error {}

/** Somebody else's part directory, or one elsewhere, would take the writes out of the store. */
async function checkPartDirectory(path: string, part: string): Promise<void> {
  const [root, found] = await Promise.all([stat(path), lstat(part)]);
  if (!found.isDirectory()) {
    throw new UnfitDirectoryError(`${part} is not a directory of its own: remove it`);
  }
  if (found.dev !== root.dev) {
    throw new UnfitDirectoryError(`${part} is on another file system than ${path}: unmount it`);
  }
  if ((found.mode & 0o002) !== 0) {
    throw new UnfitDirectoryError(`everybody may write to ${part}: run chmod o-w on it`);
  }
}

// Named like the remains of an upload: if the process dies here, the sweepers find them.
async function tryOut(path: string, sync: boolean): Promise<void> {
  const first = join(path, PART_DIRECTORY, partName(randomUUID(), randomUUID()));
  const second = join(path, PART_DIRECTORY, partName(randomUUID(), randomUUID()));
  try {
    const handle = await open(first, 'wx', 0o640);
    try {
      if (sync) await handle.datasync();
    } finally {
      await handle.close();
    }
    await link(first, second).catch((error: unknown) => {
      throw new UnfitDirectoryError(
        `the file system of ${path} has no hard links: use one that has`,
        { cause: error },
      );
    });
    if (sync) {
      await syncDirectory(path).catch((error: unknown) => {
        throw new UnfitDirectoryError(
          `the file system of ${path} cannot make directories durable: use one that can, or accept ` +
            'the loss of images on a power failure with filesystem_store_sync = false',
          { cause: error },
        );
      });
    }
  } catch (error) {
    // A full store is a state that passes; it still serves and deletes.
    if (errorCodeOf(error) !== 'ENOSPC' && errorCodeOf(error) !== 'EDQUOT') throw error;
  } finally {
    await unlink(second).catch(() => undefined);
    await unlink(first).catch(() => undefined);
  }
}

// Upstream: permission bits for group or others on files are useless without passage to them.
async function openForReaders(
  path: string,
  filePermissions: number | undefined,
  context: StoreContext,
): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o002) !== 0) {
    context.warn(`store ${context.storeId}: everybody may write to ${path}: run chmod o-w on it`);
  }
  const wanted =
    (((filePermissions ?? 0) & 0o070) !== 0 ? 0o010 : 0) |
    (((filePermissions ?? 0) & 0o007) !== 0 ? 0o001 : 0);
  if ((mode & wanted) === wanted) return;
  try {
    await chmod(path, (mode & 0o7777) | wanted);
  } catch (error) {
    context.warn(
      `store ${context.storeId}: cannot let readers pass through ${path} ` +
        `(${errorCodeOf(error) ?? 'error'}): run chmod g+x,o+x on it`,
    );
  }
}

function explain(path: string, error: unknown): string {
  if (error instanceof UnfitDirectoryError) return error.message;
  const code = errorCodeOf(error);
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `${path} cannot be written by this process (${code}): give its user read, write and search permission`;
    case 'EROFS':
      return `${path} is on a read-only file system (${code}): mount it writable`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `${path} or a parent of it is not a directory (${code}): remove what is in the way`;
    default:
      return `${path} cannot be used (${code ?? String(error)}): check that it exists and is healthy`;
  }
}

/**
 * Highest priority first; within one priority the most free space, among those that have room
 * for the announced size. A store of one directory uses it unasked: on compressing file systems
 * more may fit than is free.
 * @throws `store_full`
 */
export async function chooseDirectory(
  directories: readonly DataDirectory[],
  expectedSizeBytes: number,
): Promise<DataDirectory> {
  const [only, another] = directories;
  if (only !== undefined && another === undefined) return only;
  const priorities = new Set(directories.map(({ priority }) => priority));
  for (const wanted of [...priorities].sort((a, b) => b - a)) {
    const candidates = directories.filter(({ priority }) => priority === wanted);
    const best = await roomiest(candidates);
    if (best !== undefined && best.freeBytes >= expectedSizeBytes) return best.directory;
  }
  throw storeFull();
}

async function roomiest(
  directories: readonly DataDirectory[],
): Promise<{ directory: DataDirectory; freeBytes: number } | undefined> {
  const rooms = await Promise.all(
    directories.map(async (directory) => ({ directory, freeBytes: await freeBytes(directory) })),
  );
  return rooms.sort((a, b) => b.freeBytes - a.freeBytes)[0];
}

async function freeBytes(directory: DataDirectory): Promise<number> {
  try {
    return (await roomOf(directory)).freeBytes;
  } catch (error) {
    throw toWriteError(error);
  }
}

export async function roomOf({ path }: DataDirectory): Promise<StoreRoom> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { directory: path, sizeBytes: blocks * bsize, freeBytes: bavail * bsize };
}
