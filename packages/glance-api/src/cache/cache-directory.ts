import { constants } from 'node:fs';
import { lstat, mkdir, readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { isCanonicalUuid } from '@glance/common';

const WRITABLE_BY_ALL = 0o002;
/** What the file store and the staging area make in their directories. */
const STORE_MARKS = ['.part', '.staging-area'];

/**
 * The layout of a cache (lifecycle sheet §4.2), which processes of one node share: finished data
 * under the id of its image, `incomplete/`, `invalid/` and `queue/` are upstream's; `records/` is
 * our own. Names are canonical UUIDs, so that none of them leads elsewhere.
 */
export class CacheDirectory {
  readonly incomplete: string;
  /** Upstream puts there what it does not trust; nothing of ours does. */
  readonly invalid: string;
  readonly queue: string;
  readonly records: string;

  private constructor(readonly root: string) {
    this.incomplete = path.join(root, 'incomplete');
    this.invalid = path.join(root, 'invalid');
    this.queue = path.join(root, 'queue');
    this.records = path.join(root, 'records');
  }

  /** Makes what is not there. @throws Error that names the option and what is wrong. */
  static async prepare(root: string): Promise<CacheDirectory> {
    const directory = new CacheDirectory(path.resolve(root));
    try {
      await mkdir(directory.root, { recursive: true, mode: 0o700 });
      const { dev, mode } = await stat(directory.root);
      refuseWritableByAll(directory.root, mode);
      await refuseStore(directory.root);
      for (const below of directory.folders) await prepareFolder(below, dev);
      return directory;
    } catch (error) {
      throw new Error(
        `image_cache_dir = ${root} cannot be used: ${(error as Error).message}; set it to a directory that this service, and nobody else, may write, or unset it for no cache`,
        { cause: error },
      );
    }
  }

  /** Where the finished data of an image is. */
  data(imageId: string): string {
    return below(this.root, imageId);
  }

  /** Where is written what is known of that data. */
  record(imageId: string): string {
    return below(this.records, imageId);
  }

  /** The mark of an image that is to be fetched. */
  mark(imageId: string): string {
    return below(this.queue, imageId);
  }

  /** Where the data of an attempt to fetch grows. */
  attempt(imageId: string, attemptId: string): string {
    return path.join(this.incomplete, `${path.basename(below('', imageId))}.${attemptId}`);
  }

  private get folders(): readonly string[] {
    return [this.incomplete, this.invalid, this.queue, this.records];
  }
}

/** The names of images in a folder; what else is there is not ours. */
export async function imageNames(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(isCanonicalUuid);
}

/** @returns whether it was there. */
export async function removeFile(file: string): Promise<boolean> {
  return (await ifThere(unlink(file).then(() => true))) ?? false;
}

/** Undefined for a file that is not there: other processes remove files at any time. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** No link is followed, and no FIFO under a name of ours hangs the open. */
export const OPEN_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;

function below(folder: string, imageId: string): string {
  if (!isCanonicalUuid(imageId)) throw new Error('not the id of an image');
  return path.join(folder, imageId);
}

async function prepareFolder(folder: string, device: number): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
  const { dev, mode } = await lstat(folder);
  if ((mode & constants.S_IFMT) !== constants.S_IFDIR) {
    throw new Error(`${folder} is not a directory of its own`);
  }
  if (dev !== device) throw new Error(`${folder} is on another file system`);
  refuseWritableByAll(folder, mode);
}

/** Files there that have the names of images would be taken for the cache's own, and removed. */
async function refuseStore(root: string): Promise<void> {
  for (const name of STORE_MARKS) {
    if (await ifThere(lstat(path.join(root, name)))) {
      throw new Error('it is the directory of a store');
    }
  }
}

/** Data that is on its way or trusted would be anybody's (security sheet §5). */
function refuseWritableByAll(directory: string, mode: number): void {
  if ((mode & WRITABLE_BY_ALL) !== 0) {
    throw new Error(`everybody on this machine may write ${directory}`);
  }
}
