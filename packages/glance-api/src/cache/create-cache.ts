import { RepeatedTask } from '@glance/service-kit';
import type { ApiConfig } from '../config';
import { ImageCache, type ImageCacheOptions } from './image-cache';

type Environment = Omit<
  ImageCacheOptions,
  'directory' | 'maxBytes' | 'stallSeconds' | 'fetchIdleMs'
>;

/** @returns undefined without a directory. @throws Error that names the option at fault. */
export async function createCache(
  { DEFAULT: options, paste_deploy, transfer }: ApiConfig,
  environment: Environment,
): Promise<ImageCache | undefined> {
  const { image_cache_dir: directory } = options;
  if (directory === undefined) {
    if (isCachingFlavor(paste_deploy.flavor)) {
      environment.logger.warn(
        `[paste_deploy] flavor = ${paste_deploy.flavor ?? ''} without image_cache_dir: nothing is cached`,
      );
    }
    return undefined;
  }
  return await ImageCache.open({
    ...environment,
    directory,
    maxBytes: options.image_cache_max_size,
    stallSeconds: options.image_cache_stall_time,
    // Before the clients that follow it are given up for taking no data.
    fetchIdleMs: transfer.idle_timeout * 500,
  });
}

/** Whether downloads use the cache: upstream's pipelines of both names have its filter. */
export function isCachingFlavor(flavor: string | undefined): boolean {
  return flavor?.includes('cach') === true;
}

/** Whether the older routes of cache management are there. */
export function managesCache(flavor: string | undefined): boolean {
  return flavor?.includes('cachemanagement') === true;
}

/** What the cache does beside the requests. */
export function cacheTasks(
  cache: ImageCache,
  { DEFAULT: options, transfer }: ApiConfig,
  logger: ImageCacheOptions['logger'],
): RepeatedTask[] {
  return [
    new RepeatedTask({
      id: 'cache',
      name: 'Sweeping the image cache',
      intervalMs: transfer.sweep_interval * 1000,
      logger,
      work: () => cache.sweeper.sweepIfDue(transfer.sweep_interval),
    }),
    new RepeatedTask({
      id: 'cache_prefetch',
      name: 'The search for images to bring into the cache',
      intervalMs: options.cache_prefetcher_interval * 1000,
      logger,
      work: () => cache.prefetcher.run(),
    }),
  ];
}
