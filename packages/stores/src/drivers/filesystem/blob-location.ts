import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { blobMissing, storeUnavailable } from '../../store-errors';
import type { DataDirectory } from './data-directory';
import { PART_DIRECTORY, partDirectory } from './part-directory';
import { isAbsent, toReadError } from './system-errors';

export const SCHEMES = ['file', 'filesystem'] as const;

export function toLocation(path: string): string {
  return `file://${path}`;
}

/**
 * The absolute path of a location; undefined for anything else. Upstream neither unescapes nor
 * knows a query: every character belongs to the path.
 */
export function parseLocation(locationUrl: string): string | undefined {
  const path = /^(?:file|filesystem):\/\/(\/[^\0]+)$/.exec(locationUrl)?.[1];
  const segments = path?.split('/');
  if (segments === undefined || segments.at(-1) === '') return undefined;
  if (segments.some((segment) => ['.', '..', PART_DIRECTORY].includes(segment))) return undefined;
  return `/${segments.filter((segment) => segment !== '').join('/')}`;
}

/** Both paths absolute and normal. */
export function isWithin(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

export function findDirectory(
  path: string,
  directories: readonly DataDirectory[],
): DataDirectory | undefined {
  return directories.find(
    (directory) =>
      path !== directory.path &&
      (isWithin(directory.path, path) || isWithin(directory.realPath, path)),
  );
}

export interface BlobPlace {
  directory: DataDirectory;
  /** No symbolic link on the way to it; what is there may still be one, or nothing. */
  path: string;
}

/**
 * Where a location leads, confined to the data directories whatever the database says: by its text
 * and again after following symbolic links (OSSA-2014-041, CVE-2015-1195).
 * @throws `store_blob_missing` for any other place; `store_unavailable`.
 */
export async function locateBlob(
  locationUrl: string,
  directories: readonly DataDirectory[],
): Promise<BlobPlace> {
  const path = parseLocation(locationUrl);
  const directory = path === undefined ? undefined : findDirectory(path, directories);
  if (path === undefined || directory === undefined) throw blobMissing();
  try {
    const [root, parent] = await Promise.all([realpath(directory.path), realpath(dirname(path))]);
    const confined = isWithin(root, parent) && !parent.split('/').includes(PART_DIRECTORY);
    if (!confined) throw blobMissing();
    return { directory, path: join(parent, basename(path)) };
  } catch (error) {
    throw toReadError(await asMissing(error, directory));
  }
}

/**
 * A failing look at a blob: missing, or, when the data directory is not in place either, the store
 * is not there. Without that difference a delete on an unmounted disk would succeed. Any other
 * error is returned as it is.
 */
export async function asMissing(error: unknown, directory: DataDirectory): Promise<unknown> {
  if (!isAbsent(error)) return error;
  try {
    await (directory.hasParts ? partDirectory(directory.path) : realpath(directory.path));
    return blobMissing(error);
  } catch (unmounted) {
    return storeUnavailable(unmounted);
  }
}
