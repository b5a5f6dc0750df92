import { DomainError } from '@glance/common';
import type { CacheEntry } from './cache-entries';

/** An image in the cache as both versions of the API show it; times are epoch seconds. */
export function cacheEntryView(entry: CacheEntry): Record<string, unknown> {
  const { imageId, sizeBytes, hits, lastAccessedMs, lastModifiedMs, checksum } = entry;
  return {
    image_id: imageId,
    size: sizeBytes,
    hits,
    // As upstream has it of an image that nobody has downloaded from the cache.
    last_accessed: hits === 0 ? 0 : lastAccessedMs / 1000,
    last_modified: lastModifiedMs / 1000,
    checksum,
  };
}

export function noCache(): DomainError {
  return new DomainError('not_found', 'Caching via API is not supported at this site.');
}
