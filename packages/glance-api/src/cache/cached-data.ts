import { describeError, isDomainError, type ImageRecord } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import { readBlob, type ByteRange, type ByteSource } from '@glance/stores';
import {
  openImageData,
  type ImageData,
  type ImageDataSource,
  type OpenOptions,
} from '../images/open-image-data';
import type { CacheEntries } from './cache-entries';
import type { CacheFetches } from './cache-fetches';
import { verifiableData, type VerifiableData } from './cache-record';
import { CHUNK_BYTES } from './growing-file';

interface CachedDataParts {
  entries: CacheEntries;
  fetches: CacheFetches;
  logger: Logger;
}

/**
 * Where downloads get their data on a node with a cache: from the cache, whole or a range of it;
 * a whole image that is not there follows the fetch that brings it in. Whatever is wrong with the
 * cache, before the first byte or behind it, the data comes from the store instead. That the caller
 * may have it was decided before, on what the registry says now.
 */
export class CachedData implements ImageDataSource {
  constructor(private readonly parts: CachedDataParts) {}

  async open(image: ImageRecord, options: OpenOptions): Promise<ImageData> {
    const wanted = verifiableData(image);
    if (!wanted) return await openImageData(image, options);
    const range = options.range ?? { offset: 0, length: wanted.sizeBytes };
    const cached = async (): Promise<ImageData | undefined> => {
      const hit = await this.openHit(image, wanted, range);
      const broken = async (): Promise<void> => {
        await this.parts.entries.remove(image.id).catch(() => undefined);
      };
      return hit && this.dataOf(hit, broken, range, image, options);
    };
    const hit = await cached();
    if (hit) return hit;
    if (options.range) return await openImageData(image, options);
    const fetch = await this.parts.fetches.join(image, wanted, (signal) =>
      openImageData(image, { ...options, signal }),
    );
    const following = fetch?.follow();
    // It may have come into the cache since.
    if (!following) return (await cached()) ?? (await openImageData(image, options));
    // What the store has is wrong, whichever way it is read.
    const broken = (error: unknown): void => {
      if (isDomainError(error, 'store_blob_corrupt')) throw error;
    };
    return this.dataOf(following, broken, range, image, options);
  }

  /**
   * Local data, whose end with an error is followed by the rest from the store.
   * @param broken is told that error; throws when there is no use in the store.
   */
  private dataOf(
    local: ByteSource,
    broken: (error: unknown) => Promise<void> | void,
    range: ByteRange,
    image: ImageRecord,
    options: OpenOptions,
  ): ImageData {
    const chunks = this.orFromStore(local, broken, range, image, options);
    return { sizeBytes: range.length, chunks };
  }

  private async openHit(
    image: ImageRecord,
    wanted: VerifiableData,
    range: ByteRange,
  ): Promise<ByteSource | undefined> {
    const { entries, logger } = this.parts;
    try {
      const file = await entries.open(image.id, wanted);
      return file && readBlob(file, range, CHUNK_BYTES);
    } catch (error) {
      logger.warn('The image cache cannot be read; the data comes from the store', {
        image: image.id,
        error: describeError(error),
      });
      return undefined;
    }
  }

  private async *orFromStore(
    local: ByteSource,
    broken: (error: unknown) => Promise<void> | void,
    range: ByteRange,
    image: ImageRecord,
    options: OpenOptions,
  ): AsyncGenerator<Uint8Array, void> {
    let sent = 0;
    try {
      for await (const chunk of local) {
        yield chunk;
        sent += chunk.length;
      }
      return;
    } catch (error) {
      await broken(error);
      this.parts.logger.warn('The data of a download goes on from the store, not the cache', {
        image: image.id,
        error: describeError(error),
      });
    }
    const rest = { offset: range.offset + sent, length: range.length - sent };
    const isWhole = rest.length === image.sizeBytes;
    yield* (await openImageData(image, { ...options, range: isWhole ? undefined : rest })).chunks;
  }
}
