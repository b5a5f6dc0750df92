import { HttpRegistry, type Registry } from '@glance/registry-client';
import type { Logger, Metrics } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { RateLimit } from '../rate-limits/rate-limits';
import type { HashPool } from '../transfer/hash-pool';
import type { TransferAdmission } from '../transfer/transfer-admission';
import { describeStores } from './describe-stores';

export interface WatchedParts {
  stores: StoreSet;
  hashPool: HashPool;
  transfers: TransferAdmission;
  registryClient: Registry;
  logger: Logger;
}

/** The series of glance-api, besides those that every service has. */
export function describeApi(metrics: Metrics, parts: WatchedParts): void {
  describeStores(metrics, parts.stores, parts.logger);
  describeTransfers(metrics, parts.transfers);
  describeHashing(metrics, parts.hashPool);
  if (parts.registryClient instanceof HttpRegistry) {
    describeRegistryClient(metrics, parts.registryClient);
  }
}

/** @returns what counts a request that a rate limit refuses. */
export function countRateLimits({ process: series, prefix }: Metrics): (limit: RateLimit) => void {
  const refused = series.events({
    name: `${prefix}_rate_limited_requests_total`,
    help: 'Requests that [rate_limit] refused, by limit: of unauthenticated callers, of requests, or of creates of a project',
    labels: ['limit'],
  });
  return (limit) => refused.inc({ limit });
}

function describeTransfers({ process: series, prefix }: Metrics, transfers: TransferAdmission) {
  series.gauge({
    name: `${prefix}_transfers_in_flight`,
    help: 'Uploads and downloads of clients that are running',
    read: () => [{ value: transfers.inFlight }],
  });
  series.counter({
    name: `${prefix}_transfers_refused_total`,
    help: 'Uploads and downloads that [transfer] max_transfers or max_transfers_per_project refused',
    read: () => [{ value: transfers.refused }],
  });
}

function describeHashing({ process: series, prefix }: Metrics, pool: HashPool) {
  series.gauge({
    name: `${prefix}_hash_jobs`,
    help: 'Digests that are being computed',
    read: () => [{ value: pool.metrics().openJobs }],
  });
  series.counter({
    name: `${prefix}_hashed_bytes_total`,
    help: 'Bytes that were hashed, once for each algorithm',
    read: () => [{ value: pool.metrics().bytes }],
  });
  series.counter({
    name: `${prefix}_hash_seconds_total`,
    help: 'Time that hashing threads have worked',
    read: () => [{ value: pool.metrics().seconds }],
  });
}

function describeRegistryClient({ process: series, prefix }: Metrics, registry: HttpRegistry) {
  series.counter({
    name: `${prefix}_registry_calls_total`,
    help: 'Calls to glance-registry',
    read: () => [{ value: registry.metrics().calls }],
  });
  series.counter({
    name: `${prefix}_registry_retries_total`,
    help: 'Tries of calls to glance-registry that failed and were repeated',
    read: () => [{ value: registry.metrics().retries }],
  });
  series.counter({
    name: `${prefix}_registry_failures_total`,
    help: 'Calls to glance-registry that found none, after the tries that they had time for',
    read: () => [{ value: registry.metrics().failures }],
  });
  series.counter({
    name: `${prefix}_registry_held_back_total`,
    help: 'Calls to glance-registry that were not tried, since the last tries all failed',
    read: () => [{ value: registry.metrics().heldBack }],
  });
  series.gauge({
    name: `${prefix}_registry_breaker_open`,
    help: 'Processes that hold calls to glance-registry back, since the last tries all failed',
    read: () => [{ value: registry.metrics().breakerIsOpen ? 1 : 0 }],
  });
}
