import { byteSizeOption, secondsOption, textOption } from '@glance/service-kit';

/** Options of `[DEFAULT]` about the image cache, under upstream's names (lifecycle sheet §4.2). */
export const CACHE_OPTIONS = {
  image_cache_dir: textOption({
    help: 'Directory of the image cache of this node, for this service alone; its processes share it. Downloads use it with a [paste_deploy] flavor that ends with +caching or +cachemanagement; without, only what /v2/cache is told to fetch comes into it. What an upstream cache holds there is taken over once its hash was found right. Unset: no cache.',
  }),
  image_cache_max_size: byteSizeOption({
    help: 'Bytes that the image cache may take. What was downloaded longest ago makes room; a larger image is not cached.',
    default: 10 * 1024 ** 3,
  }),
  image_cache_stall_time: secondsOption({
    help: 'Seconds without a byte after which what a process that died had begun to fetch is removed from the image cache.',
    default: 86_400,
  }),
  cache_prefetcher_interval: secondsOption({
    help: 'Seconds between two looks at the images that are queued for the image cache. What this process is told to queue it fetches at once.',
    default: 300,
    min: 0.1,
  }),
  image_cache_driver: textOption({
    help: 'Not needed: there is one, which keeps what it knows of each file beside it in image_cache_dir.',
    choices: ['sqlite', 'xattr', 'centralized_db'],
  }),
  image_cache_sqlite_db: textOption({
    help: 'Not needed: there is no database in the image cache.',
  }),
};
