import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidRequest, isCanonicalUuid } from '@glance/common';
import { storeUnavailable } from '../../store-errors';
import type { UnfinishedBlob, UploadName } from '../../store-driver';
import { isAbsent } from './system-errors';

/**
 * Where uploads grow, below each data directory. It also tells a store from an empty mount point:
 * made at start only, so that nothing is written, or believed gone, while the disk is not mounted.
 */
export const PART_DIRECTORY = '.part';

/** @throws unless it is there as a real directory: a link could lead writes anywhere. */
export async function partDirectory(directory: string): Promise<string> {
  const path = join(directory, PART_DIRECTORY);
  const found = await lstat(path);
  if (!found.isDirectory()) throw storeUnavailable(new Error(`${path} is not a directory`));
  return path;
}

/** @throws `invalid_request` for anything but canonical UUIDs: names become paths. */
export function partName(imageId: string, uploadId: string): string {
  if (!isCanonicalUuid(imageId) || !isCanonicalUuid(uploadId)) {
    throw invalidRequest('The image or upload id is not a canonical UUID');
  }
  return `${imageId}.${uploadId}`;
}

function parsePartName(name: string): UploadName | undefined {
  const [imageId, uploadId, ...rest] = name.split('.');
  if (imageId === undefined || uploadId === undefined || rest.length > 0) return undefined;
  return isCanonicalUuid(imageId) && isCanonicalUuid(uploadId) ? { imageId, uploadId } : undefined;
}

export async function listParts(directory: string): Promise<UnfinishedBlob[]> {
  const parts: UnfinishedBlob[] = [];
  const parent = await partDirectory(directory);
  for (const entry of await readdir(parent)) {
    const name = parsePartName(entry);
    if (name === undefined) continue;
    const found = await lstat(join(parent, entry)).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (found?.isFile() !== true) continue;
    const ageSeconds = Math.max(0, (Date.now() - found.mtimeMs) / 1000);
    parts.push({ ...name, ageSeconds, sizeBytes: found.size });
  }
  return parts;
}

export async function removePart(directory: string, name: UploadName): Promise<void> {
  const parent = await partDirectory(directory);
  try {
    await unlink(join(parent, partName(name.imageId, name.uploadId)));
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
