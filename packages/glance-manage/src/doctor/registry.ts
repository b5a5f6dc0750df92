import { RELEASE, createRegistryClient } from '@glance/glance-api';
import { SERVICE_IDENTITY, describeError, isDomainError } from '@glance/common';
import { checkContract } from '@glance/registry-client';
import { ServiceKeys, newRequestId, readServiceKeys, silentLogger } from '@glance/service-kit';
import { change, note, ok, type Finding } from './finding';
import type { Subject } from './subject';

const TIMEOUT_MS = 1000;

/** Whether a glance-registry that runs already believes this glance-api. */
export async function checkRegistryAnswer({ api }: Subject): Promise<Finding[]> {
  const { DEFAULT: options, service_auth } = api.config;
  const url = `${options.registry_client_protocol}://${options.registry_host}:${options.registry_port}`;
  const where =
    api.originOf('DEFAULT', 'registry_host') ?? api.originOf('DEFAULT', 'registry_port');
  const place = { where, option: '[DEFAULT] registry_host' };
  let registry: ReturnType<typeof createRegistryClient>;
  try {
    registry = createRegistryClient(api.config, {
      logger: silentLogger,
      release: RELEASE,
      serviceKeys: new ServiceKeys(() => readServiceKeys(service_auth)),
    });
  } catch (error) {
    return [change(`glance-registry cannot be called: ${describeError(error)}`, place)];
  }
  try {
    const context = {
      identity: SERVICE_IDENTITY,
      requestId: newRequestId(),
      timeoutMs: TIMEOUT_MS,
    };
    const { release } = await checkContract(registry, context);
    return [ok(`glance-registry (release ${release}) answers at ${url}`, place)];
  } catch (error) {
    if (isDomainError(error, 'registry_unavailable')) {
      const text = `no glance-registry answers at ${url}: start one, then glance-api`;
      return [note(text, place)];
    }
    return [
      change(
        `glance-registry at ${url} does not take this service: ${describeError(error)}`,
        place,
      ),
    ];
  } finally {
    registry.close();
  }
}
