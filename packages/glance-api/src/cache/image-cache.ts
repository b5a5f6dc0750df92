import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { HashPool } from '../transfer/hash-pool';
import { CacheCleaner } from './cache-cleaner';
import { CacheDirectory } from './cache-directory';
import { CacheEntries, type CacheEntry } from './cache-entries';
import { CacheFetches } from './cache-fetches';
import { CacheQueue } from './cache-queue';
import { CacheSpace, type Pruned } from './cache-space';
import { CacheSweeper } from './cache-sweeper';
import { CachedData } from './cached-data';
import { Prefetcher } from './prefetcher';

export interface ImageCacheOptions {
  /** `image_cache_dir` */
  directory: string;
  maxBytes: number;
  stallSeconds: number;
  registry: Registry;
  stores: StoreSet;
  hashPool: HashPool;
  /** Milliseconds without a byte after which a fetch is given up; downloads go on from the store. */
  fetchIdleMs: number;
  logger: Logger;
}

/** The image cache of this node, as far as the API and its tools meet it. */
export class ImageCache {
  readonly data: CachedData;
  readonly prefetcher: Prefetcher;
  readonly sweeper: CacheSweeper;

  private constructor(
    private readonly entries: CacheEntries,
    private readonly queue: CacheQueue,
    private readonly space: CacheSpace,
    private readonly cleaner: CacheCleaner,
    private readonly fetches: CacheFetches,
    directory: CacheDirectory,
    options: ImageCacheOptions,
  ) {
    const parts = { ...options, directory, entries, queue, space, cleaner, fetches };
    this.data = new CachedData(parts);
    this.prefetcher = new Prefetcher(parts);
    this.sweeper = new CacheSweeper(parts);
  }

  /** @throws Error that names the option at fault. */
  static async open(options: ImageCacheOptions): Promise<ImageCache> {
    const directory = await CacheDirectory.prepare(options.directory);
    const entries = new CacheEntries(directory);
    const queue = new CacheQueue(directory);
    const space = new CacheSpace(directory, entries, options.maxBytes);
    const cleaner = new CacheCleaner(directory, entries, options.stallSeconds);
    const fetches = new CacheFetches({
      ...options,
      idleMs: options.fetchIdleMs,
      entries,
      space,
      onCached: async (imageId) => {
        await queue.remove(imageId);
      },
    });
    return new ImageCache(entries, queue, space, cleaner, fetches, directory, options);
  }

  /** Those whose data was verified, by id. */
  async cached(): Promise<CacheEntry[]> {
    const { entries } = await this.entries.list();
    return entries.sort((a, b) => (a.imageId < b.imageId ? -1 : 1));
  }

  /** Ids, longest waiting first. */
  queued(): Promise<string[]> {
    return this.queue.list();
  }

  /** Has an image fetched, from now on; one that is there leaves the queue as soon as it is looked at. */
  async enqueue(imageId: string): Promise<void> {
    await this.queue.add(imageId);
    this.prefetcher.kick();
  }

  /** Out of the cache, and out of the queue. @returns whether it was in one of them. */
  async forget(imageId: string): Promise<boolean> {
    const wasQueued = await this.queue.remove(imageId);
    return (await this.entries.remove(imageId)) || wasQueued;
  }

  /** Out of the cache. @returns whether it was there. */
  evict(imageId: string): Promise<boolean> {
    return this.entries.remove(imageId);
  }

  /** Out of the queue. @returns whether it was there. */
  unqueue(imageId: string): Promise<boolean> {
    return this.queue.remove(imageId);
  }

  /** @returns images removed. */
  async evictAll(): Promise<number> {
    const { entries, unverified } = await this.entries.list();
    return await countOf([...entries, ...unverified], ({ imageId }) => this.evict(imageId));
  }

  /** @returns images removed. */
  async unqueueAll(): Promise<number> {
    return await countOf(await this.queue.list(), (imageId) => this.unqueue(imageId));
  }

  prune(): Promise<Pruned> {
    return this.space.prune();
  }

  clean(): Promise<number> {
    return this.cleaner.clean();
  }

  /** Gives up what is being fetched; it is fetched again when it is wanted. */
  async close(): Promise<void> {
    this.sweeper.close();
    const prefetching = this.prefetcher.close();
    await this.fetches.close();
    await prefetching;
  }
}

async function countOf<T>(
  items: readonly T[],
  remove: (item: T) => Promise<boolean>,
): Promise<number> {
  let count = 0;
  for (const item of items) if (await remove(item)) count += 1;
  return count;
}
