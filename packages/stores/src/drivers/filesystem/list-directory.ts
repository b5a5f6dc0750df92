import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseBlobName } from '../../store-driver';
import type { StoredBlob } from '../../store-driver';
import { toLocation } from './blob-location';
import { partDirectory } from './part-directory';
import { isAbsent } from './system-errors';

/**
 * The blobs of one data directory, read piece by piece: it may hold millions. What is no regular
 * file, and what lies in directories below, no service ever put there.
 * @throws system errors; an empty mount point is one too.
 */
export async function* listDirectory(directory: string): AsyncGenerator<StoredBlob, undefined> {
  await partDirectory(directory);
  for await (const { name } of await opendir(directory)) {
    const parsed = parseBlobName(name);
    if (parsed === undefined) continue;
    const path = join(directory, name);
    const found = await lstat(path).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (found?.isFile() !== true) continue;
    yield {
      ...parsed,
      name,
      locationUrl: toLocation(path),
      sizeBytes: found.size,
      ageSeconds: Math.max(0, (Date.now() - found.mtimeMs) / 1000),
    };
  }
}
