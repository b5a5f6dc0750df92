import os from 'node:os';
import { HttpRegistry, checkContract, type Registry } from '@glance/registry-client';
import { isDomainError } from '@glance/common';
import {
  Readiness,
  RepeatedTask,
  TrustedProxies,
  describeTasks,
  type HttpApplication,
  type ProgramEnvironment,
} from '@glance/service-kit';
import { StoreSet } from '@glance/stores';
import { serviceContext } from './auth/call-context';
import type { ApiParts } from './api-parts';
import { createApp } from './app';
import { createAuthenticator } from './auth/create-authenticator';
import { cacheTasks, createCache, isCachingFlavor } from './cache/create-cache';
import { evictingDeleted } from './cache/evict-deleted';
import type { ApiConfig } from './config';
import { ExternalSources } from './images/external-sources';
import { PropertyDefinitions } from './images/property-definitions';
import { createImports } from './imports/create-imports';
import { ImageCopier } from './images/image-copier';
import { LocationHasher } from './images/location-hasher';
import { STORED_DATA } from './images/open-image-data';
import { tellingStores } from './images/store-access';
import { ImageUploader } from './images/upload-image';
import { countRateLimits, describeApi } from './metrics/describe-api';
import { createLimits } from './limits/create-limits';
import { LIMITS_NEED } from './limits/keystone-limits';
import { readAccessRules } from './policy/access-rules';
import { atMostEvery } from './policy/at-most-every';
import { createRegistryClient, reloadCredentials } from './registry-access';
import { checkApiConfig } from './safe-exposure';
import { storeSettings } from './store-config/store-settings';
import { createSignatures } from './signatures/signature-options';
import { createSweepers, sweeperTasks } from './sweepers';
import { HashPool } from './transfer/hash-pool';
import { DownloadReports } from './transfer/download-reports';
import { TransferAdmission } from './transfer/transfer-admission';
import { createV1 } from './v1/create-v1';
import { createV2 } from './v2/create-v2';

export interface Api extends HttpApplication {
  stores: StoreSet;
}

export interface ApiOverrides {
  registry?: Registry;
  stores?: StoreSet;
  /** How long after a change of their files requests may still be decided by the rules before. */
  rulesMaxAgeMs?: number;
}

const READINESS_TIMEOUT_MS = 3000;
const START_TIMEOUT_MS = 1000;
/** A look at the files before each request would be a tenth of what a small one costs. */
const RULES_MAX_AGE_MS = 100;
/** So long after its end somebody is told of a download, at the latest. */
const REPORT_INTERVAL_MS = 1000;

/**
 * Builds glance-api from its configuration. A registry that is not there yet does not stop the
 * start; a store that cannot be used as configured does.
 * @throws Error that names the option at fault.
 */
export async function createApi(
  config: ApiConfig,
  environment: ProgramEnvironment,
  overrides: ApiOverrides = {},
): Promise<Api> {
  const { logger, shutdown } = environment;
  const { DEFAULT: options, transfer } = config;
  checkApiConfig(config);
  const { rulesMaxAgeMs = RULES_MAX_AGE_MS } = overrides;
  const trustedProxies = new TrustedProxies(options.trusted_proxies);

  const warn = (message: string): void => logger.warn(message);
  const { policy, protections } = await readAccessRules(
    config,
    environment.configDirectories,
    logger.child('policy'),
  );
  const authentication = createAuthenticator(config, environment);
  const registryClient = overrides.registry ?? createRegistryClient(config, environment);
  const need = options.use_keystone_limits ? LIMITS_NEED : undefined;
  await refuseForeignRegistry(registryClient, need);
  const limits = createLimits(config, registryClient, environment);
  const stores = overrides.stores ?? (await StoreSet.create(storeSettings(config, warn), { warn }));
  const hashPool = new HashPool(transfer.hash_threads);
  const cache = await createCache(config, {
    registry: registryClient,
    stores,
    hashPool,
    logger: logger.child('cache'),
  });
  const telling = tellingStores(registryClient, { stores, logger: logger.child('access') });
  const registry = cache ? evictingDeleted(telling, cache, logger.child('cache')) : telling;
  const readiness = new Readiness(
    {
      registry: async () => {
        await askContract(registry, READINESS_TIMEOUT_MS, need);
      },
      [`store ${stores.defaultStore.id}`]: () => stores.defaultStore.checkWritable(),
    },
    logger,
    // The service goes on without them; /readyz and the log tell that one is down.
    Object.fromEntries(
      stores
        .list()
        .filter((store) => store !== stores.defaultStore && store.capabilities.add)
        .map((store) => [`store ${store.id}`, () => store.checkWritable()]),
    ),
  );

  const node = `${os.hostname()}:${process.pid}`;
  const { storageQuotaBytes } = limits;
  const formatRules = {
    requireMatch: config.image_format.require_image_format_match,
    nonfatalGptChecks: config.image_format.gpt_safety_checks_nonfatal,
  };
  const uploader = new ImageUploader({
    registry,
    hashPool,
    logger: logger.child('upload'),
    bodyLimits: {
      idleMs: transfer.idle_timeout * 1000,
      minimumRate: transfer.minimum_rate,
      minimumRateGraceMs: transfer.minimum_rate_grace * 1000,
    },
    node,
    imageSizeCapBytes: options.image_size_cap,
    storageQuotaBytes,
    formatRules,
    shutdown,
  });
  const externalSources = new ExternalSources(stores, options.image_size_cap);
  const copier = new ImageCopier({
    registry,
    stores,
    uploader,
    logger: logger.child('copy'),
    node,
    storageQuotaBytes,
    limits: limits.source,
    concurrency: config.copy_from.concurrency,
    maxAttempts: config.copy_from.attempts,
    retrySeconds: config.copy_from.retry_interval,
    timeoutMs: config.copy_from.timeout * 1000,
  });
  const hasher = new LocationHasher({
    registry,
    stores,
    hashPool,
    logger: logger.child('hash'),
    concurrency: config.copy_from.concurrency,
    retries: options.http_retries,
    timeoutMs: config.copy_from.timeout * 1000,
  });
  const imports = createImports(config, {
    registry,
    stores,
    uploader,
    logger: logger.child('import'),
    node,
    storageQuotaBytes,
    limits: limits.source,
    formatRules,
    imageSizeCapBytes: options.image_size_cap,
  });
  const { metrics } = environment;
  const transfers = new TransferAdmission({
    maxTransfers: transfer.max_transfers,
    maxTransfersPerProject: transfer.max_transfers_per_project,
  });
  const downloads = new DownloadReports(registry, logger.child('downloads'));
  const parts: ApiParts = {
    config,
    registry,
    stores,
    policy,
    protections,
    definitions: new PropertyDefinitions(registry, options.validate_image_properties),
    uploader,
    externalSources,
    copier,
    hasher,
    imports,
    readCatalog: authentication.readCatalog,
    signatures: createSignatures(config, authentication.readCatalog),
    node,
    downloads,
    imageData: cache && isCachingFlavor(config.paste_deploy.flavor) ? cache.data : STORED_DATA,
    cache,
    transfers,
    storageQuotaBytes,
    limits: limits.source,
    logger,
    configDirectories: environment.configDirectories,
    shutdown,
  };
  const app = createApp({
    logger: logger.child('http'),
    metrics,
    health: { readiness, disableByFile: config.healthcheck.disable_by_file_path },
    maxRequestIdLength: options.max_request_id_length,
    clientView: {
      trustedProxies,
      parseHeaders: config.oslo_middleware.enable_proxy_headers_parsing,
      protocolHeader: headerName(options.secure_proxy_ssl_header),
    },
    cors: config.cors,
    versions: {
      publicEndpoint: options.public_endpoint,
      enabled: {
        v1: options.enable_v1_api,
        v2: options.enable_v2_api,
        namedStores: stores.areNamed,
        cache: cache !== undefined,
      },
    },
    refreshAccessRules: atMostEvery(rulesMaxAgeMs, async () => {
      await policy.refresh();
      // They may refer to rules that appeared together with them.
      await protections.refresh();
    }),
    authentication: {
      authenticate: authentication.authenticate,
      challenge: authentication.challenge,
      policy,
      allowAnonymous: options.allow_anonymous_access,
    },
    rateLimits: {
      unauthenticated: {
        perSecond: config.rate_limit.unauthenticated_per_second,
        burst: config.rate_limit.unauthenticated_burst,
      },
      requests: {
        perSecond: config.rate_limit.requests_per_second,
        burst: config.rate_limit.requests_burst,
      },
      creates: {
        perSecond: config.rate_limit.creates_per_second,
        burst: config.rate_limit.creates_burst,
      },
      ...(metrics && { onRefusal: countRateLimits(metrics) }),
    },
    v1: createV1(parts),
    v2: await createV2(parts),
  });
  const { importer, staging, exports, workArea: work } = imports;
  const sweepers = createSweepers(config, {
    registry,
    stores,
    staging,
    exports,
    work,
    logger: logger.child('sweep'),
  });
  const background = [
    new RepeatedTask({
      id: 'downloads',
      name: 'The report of downloads',
      intervalMs: REPORT_INTERVAL_MS,
      logger,
      work: () => downloads.flush(),
    }),
    ...sweeperTasks(config, sweepers, logger),
    ...(cache ? cacheTasks(cache, config, logger.child('cache')) : []),
    new RepeatedTask({
      id: 'imports',
      name: 'The search for imports to carry out',
      intervalMs: config.import.poll_interval * 1000,
      logger,
      work: () => importer.sweep(),
    }),
    ...(externalSources.areEnabled
      ? [
          new RepeatedTask({
            id: 'copies',
            name: 'The search for copies to carry out',
            intervalMs: config.copy_from.poll_interval * 1000,
            logger,
            work: () => copier.sweep(),
          }),
        ]
      : []),
  ];
  if (metrics) {
    describeApi(metrics, {
      stores,
      hashPool,
      transfers,
      registryClient,
      logger: logger.child('metrics'),
    });
    describeTasks(metrics, background);
  }
  return {
    app,
    stores,
    readiness,
    reloads: [
      ...(registryClient instanceof HttpRegistry
        ? [reloadCredentials(registryClient, config, environment.serviceKeys)]
        : []),
      ...(authentication.reloads ?? []),
      ...(limits.reloads ?? []),
    ],
    start: () => {
      readiness.start();
      for (const task of background) task.start();
    },
    close: async () => {
      readiness.close();
      // A task of the cache that is under way ends with it.
      const caching = cache?.close();
      await Promise.all(background.map((task) => task.close()));
      await downloads.close();
      await caching;
      await Promise.all([copier.close(), hasher.close(), importer.close()]);
      await Promise.all([staging.close(), exports?.close()]);
      await hashPool.close();
      authentication.close();
      limits.close();
      if (registryClient instanceof HttpRegistry) registryClient.close();
      if (!overrides.stores) await stores.close();
    },
  };
}

async function askContract(
  registry: Registry,
  timeoutMs: number,
  need: typeof LIMITS_NEED | undefined,
): Promise<void> {
  const context = { ...serviceContext(), timeoutMs };
  await checkContract(registry, context, need);
}

/** A registry that is there and will not work with this service stops the start (design §3). */
async function refuseForeignRegistry(
  registry: Registry,
  need: typeof LIMITS_NEED | undefined,
): Promise<void> {
  try {
    await askContract(registry, START_TIMEOUT_MS, need);
  } catch (error) {
    if (isDomainError(error, 'registry_refused')) throw error;
  }
}

/** Upstream takes the name as WSGI has it, `HTTP_X_FORWARDED_PROTO`. */
function headerName(option: string | undefined): string | undefined {
  return option
    ?.replace(/^HTTP_/, '')
    .replaceAll('_', '-')
    .toLowerCase();
}
