import { readFile } from 'node:fs/promises';
import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreContext } from '../../store-driver';
import { isWithin } from './blob-location';

export interface MountMetadata extends Record<string, unknown> {
  id: string;
  mountpoint: string;
}

/**
 * The entries of `filesystem_store_metadata_file`: an object or a list of objects.
 * @throws StoreConfigurationError
 */
export async function readMountMetadata(
  file: string,
  context: StoreContext,
): Promise<MountMetadata[]> {
  const refuse = (problem: string, cause?: unknown): StoreConfigurationError =>
    new StoreConfigurationError(
      [`store ${context.storeId}: option filesystem_store_metadata_file: ${file} ${problem}`],
      { cause },
    );
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw refuse('cannot be read as JSON: check that it exists and is valid', error);
  }
  const entries: unknown[] = Array.isArray(content) ? content : [content];
  if (!entries.every(isMountMetadata)) {
    throw refuse(
      'must be an object, or a list of objects, with text for "id" and "mountpoint" and only text, ' +
        'lists and objects elsewhere',
    );
  }
  return entries;
}

/** The entry that describes a data directory, if any. */
export function metadataFor(
  directory: string,
  entries: readonly MountMetadata[],
): MountMetadata | undefined {
  return entries.find(({ mountpoint }) => isWithin(mountpoint.replace(/\/+$/, ''), directory));
}

function isMountMetadata(value: unknown): value is MountMetadata {
  if (typeof value !== 'object' || value === null || !isPlainData(value)) return false;
  return (
    'id' in value &&
    typeof value.id === 'string' &&
    'mountpoint' in value &&
    typeof value.mountpoint === 'string'
  );
}

function isPlainData(value: unknown): boolean {
  if (typeof value === 'string') return true;
  return typeof value === 'object' && value !== null && Object.values(value).every(isPlainData);
}
