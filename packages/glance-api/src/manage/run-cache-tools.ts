import { describeError } from '@glance/common';
import { checkContract } from '@glance/registry-client';
import {
  ConfigError,
  MANAGE_EXIT,
  OperatorLog,
  ServiceKeys,
  loadConfig,
  readServiceKeys,
  type ManageInvocation,
} from '@glance/service-kit';
import { StoreConfigurationError, StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { CacheCleaner } from '../cache/cache-cleaner';
import { CacheDirectory } from '../cache/cache-directory';
import { CacheEntries } from '../cache/cache-entries';
import { CacheSpace } from '../cache/cache-space';
import { createCache } from '../cache/create-cache';
import { API_DEFAULT_FILES, API_OPTIONS, type ApiConfig } from '../config';
import { createRegistryClient } from '../registry-access';
import { RELEASE } from '../release';
import { storeSections } from '../store-config/store-options';
import { storeSettings } from '../store-config/store-settings';
import { HashPool } from '../transfer/hash-pool';

interface ToolContext {
  config: ApiConfig;
  invocation: ManageInvocation;
  /** To be replaced wherever they turn up. */
  secrets: readonly string[];
}

type Tool = (context: ToolContext) => Promise<number>;

/** `glance-cache-pruner`: brings the cache of this node to its size, once. @returns the exit code. */
export const runCachePruner = asProgram(async ({ config, invocation }) => {
  const directory = await CacheDirectory.prepare(cacheDirectoryOf(config));
  const entries = new CacheEntries(directory);
  const space = new CacheSpace(directory, entries, config.DEFAULT.image_cache_max_size);
  const { files, bytes } = await space.prune();
  invocation.print(`Removed ${files} images of ${bytes} bytes.`);
  return MANAGE_EXIT.ok;
});

/** `glance-cache-cleaner`: removes what can never be served, once. @returns the exit code. */
export const runCacheCleaner = asProgram(async ({ config, invocation }) => {
  const directory = await CacheDirectory.prepare(cacheDirectoryOf(config));
  const entries = new CacheEntries(directory);
  const { image_cache_stall_time: stallSeconds } = config.DEFAULT;
  const removed = await new CacheCleaner(directory, entries, stallSeconds).clean();
  invocation.print(`Removed ${removed} files.`);
  return MANAGE_EXIT.ok;
});

/**
 * `glance-cache-prefetcher`: fetches what is queued, once, beside an api that may do the same.
 * @returns the exit code: not 0 when an image could not be fetched.
 */
export const runCachePrefetcher = asProgram(async ({ config, invocation, secrets }) => {
  cacheDirectoryOf(config);
  const { printError, print } = invocation;
  const serviceKeys = new ServiceKeys(() => readServiceKeys(config.service_auth));
  const hidden = [...secrets, ...serviceKeys.accepted];
  const log = new OperatorLog(invocation, hidden);
  const registry = createRegistryClient(config, {
    // Of its own: a call that failed and was repeated is no failure of the program.
    logger: new OperatorLog(invocation, hidden),
    release: RELEASE,
    serviceKeys,
  });
  const warn = (message: string): void => printError(`WARNING: ${message}`);
  const hashPool = new HashPool(2);
  try {
    await checkContract(registry, serviceContext());
    const stores = await StoreSet.create(storeSettings(config, warn), { warn });
    try {
      const cache = await createCache(config, { registry, stores, hashPool, logger: log });
      await cache?.prefetcher.run();
      await cache?.close();
      print(`${(await cache?.queued())?.length ?? 0} images stay in the queue.`);
    } finally {
      await stores.close();
    }
  } finally {
    registry.close();
    await hashPool.close();
  }
  return log.problems === 0 ? MANAGE_EXIT.ok : MANAGE_EXIT.failed;
});

/** Reads the configuration of glance-api, and says on standard error what fails. */
function asProgram(tool: Tool): (invocation: ManageInvocation) => Promise<number> {
  return async (invocation) => {
    try {
      const { config, secrets } = loadConfig(API_OPTIONS, {
        // What the service reads of its environment is meant for these, too.
        program: 'glance-api',
        argv: invocation.argv,
        env: invocation.env,
        moreSections: storeSections,
        defaultFiles: invocation.defaultFiles ?? API_DEFAULT_FILES,
      });
      return await tool({ config, secrets, invocation });
    } catch (error) {
      const known = error instanceof ConfigError || error instanceof StoreConfigurationError;
      invocation.printError(known ? error.message : `ERROR: ${describeError(error)}`);
      return MANAGE_EXIT.failed;
    }
  };
}

/** @throws Error where there is no cache. */
function cacheDirectoryOf({ DEFAULT: { image_cache_dir: directory } }: ApiConfig): string {
  if (directory === undefined) {
    throw new Error('image_cache_dir is not set: this node has no image cache');
  }
  return directory;
}
