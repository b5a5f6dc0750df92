import { lstat, unlink } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { join } from 'node:path';
import type { UploadName } from '../../store-driver';
import { partDirectory, partName, removePart } from './part-directory';
import { syncDirectory } from './sync-directory';
import { isAbsent } from './system-errors';

/** The names a blob may get: the plain one, and the one of this attempt alone. */
export function finalNames({ imageId, uploadId }: UploadName): [plain: string, own: string] {
  return [imageId, `${imageId}.${uploadId}`];
}

/**
 * Removes a whole attempt: the blob, if it was linked, and then the temporary name. While that name
 * is there no other file can have its inode number, so it tells which file is the attempt's; it
 * goes last, so that whoever dies here is followed by a sweep. Gone already is a success.
 *
 * An uploader that slept through its lease may link the blob while this goes on. Once the temporary
 * name is gone it cannot any more, so its final names are looked at once again then: nobody else
 * has ever had them, or will.
 */
export async function removeAttempt(
  directory: string,
  upload: UploadName,
  sync: boolean,
): Promise<void> {
  const part = join(await partDirectory(directory), partName(upload.imageId, upload.uploadId));
  const attempt = await inspect(part);
  if (attempt === undefined) return;
  if ((await removeLinks(directory, upload, attempt)) && sync) await syncDirectory(directory);
  await removePart(directory, upload);
  if ((await removeLinks(directory, upload, attempt)) && sync) await syncDirectory(directory);
}

/** @returns whether the attempt had a final name. */
async function removeLinks(
  directory: string,
  upload: UploadName,
  attempt: BigIntStats,
): Promise<boolean> {
  let removed = false;
  for (const name of finalNames(upload)) {
    const path = join(directory, name);
    const found = await inspect(path);
    if (found?.ino !== attempt.ino || found.dev !== attempt.dev) continue;
    await unlink(path).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
    removed = true;
  }
  return removed;
}

async function inspect(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
