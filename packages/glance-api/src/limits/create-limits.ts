import { LimitReader, type EndpointName } from '@glance/keystone-client';
import type { Registry } from '@glance/registry-client';
import type { ProgramEnvironment, ReloadStep } from '@glance/service-kit';
import type { ApiConfig } from '../config';
import { connectKeystone } from '../keystone/keystone-options';
import { KeystoneLimits } from './keystone-limits';
import { NO_LIMITS, type LimitSource } from './project-limits';

export interface Limits {
  source: LimitSource;
  /** `user_storage_quota`, which unified limits switch off; null for none. */
  storageQuotaBytes: number | null;
  /** What of it is read again on SIGHUP. */
  reloads?: readonly ReloadStep[];
  close(): void;
}

/** @throws Error that names the option at fault. */
export function createLimits(
  config: ApiConfig,
  registry: Registry,
  environment: Pick<ProgramEnvironment, 'logger' | 'release'>,
): Limits {
  const { use_keystone_limits, user_storage_quota: quota } = config.DEFAULT;
  if (!use_keystone_limits) {
    const storageQuotaBytes = quota === 0 ? null : quota;
    return { source: NO_LIMITS, storageQuotaBytes, close: () => undefined };
  }
  const { oslo_limit: options } = config;
  const logger = environment.logger.child('limits');
  if (quota !== 0) {
    logger.warn('user_storage_quota has no effect: use_keystone_limits is on');
  }
  if (options.system_scope === undefined) {
    logger.warn(
      '[oslo_limit] system_scope is not set: Keystone then shows only registered limits, not those set for single projects',
    );
  }
  const endpoint = endpointName(options);
  const { session, reload } = connectKeystone('oslo_limit', options, environment);
  const reader = new LimitReader(session, { endpoint, cacheSeconds: options.limit_cache_time });
  return {
    source: new KeystoneLimits({ reader, registry, logger }),
    storageQuotaBytes: null,
    reloads: [reload],
    close: () => session.close(),
  };
}

function endpointName(options: ApiConfig['oslo_limit']): EndpointName {
  const { endpoint_id: id, endpoint_service_name: serviceName } = options;
  const { endpoint_service_type: serviceType } = options;
  if (id !== undefined) return { id };
  if (serviceName === undefined && serviceType === undefined) {
    throw new Error(
      '[oslo_limit] endpoint_id is not set, nor endpoint_service_type or endpoint_service_name',
    );
  }
  return {
    serviceName,
    serviceType,
    interface: options.endpoint_interface,
    region: options.endpoint_region_name,
  };
}
