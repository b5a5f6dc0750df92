import { RELEASE, createRegistryClient, registryUrls } from '@glance/glance-api';
import { SERVICE_IDENTITY, describeError, isDomainError } from '@glance/common';
import { checkContract } from '@glance/registry-client';
import { ServiceKeys, newRequestId, readServiceKeys, silentLogger } from '@glance/service-kit';
import { change, note, ok, type Finding, type FindingPlace } from './finding';
import type { Subject } from './subject';

const TIMEOUT_MS = 1000;

type ApiConfig = Subject['api']['config'];

/** Whether each glance-registry that runs already believes this glance-api. */
export async function checkRegistryAnswer({ api }: Subject): Promise<Finding[]> {
  const { config, originOf } = api;
  const place = {
    where: originOf('DEFAULT', 'registry_host') ?? originOf('DEFAULT', 'registry_port'),
    option: '[DEFAULT] registry_host',
  };
  const hosts = config.DEFAULT.registry_host;
  if (hosts.length === 0) return [change('it names no host of a glance-registry', place)];
  return await Promise.all(
    hosts.map((host) =>
      ask({ ...config, DEFAULT: { ...config.DEFAULT, registry_host: [host] } }, place),
    ),
  );
}

/** @param config names one host */
async function ask(config: ApiConfig, place: FindingPlace): Promise<Finding> {
  const url = registryUrls(config.DEFAULT).join(', ');
  let registry: ReturnType<typeof createRegistryClient>;
  try {
    registry = createRegistryClient(config, {
      logger: silentLogger,
      release: RELEASE,
      serviceKeys: new ServiceKeys(() => readServiceKeys(config.service_auth)),
    });
  } catch (error) {
    return change(`glance-registry cannot be called: ${describeError(error)}`, place);
  }
  try {
    const context = {
      identity: SERVICE_IDENTITY,
      requestId: newRequestId(),
      timeoutMs: TIMEOUT_MS,
    };
    const { release } = await checkContract(registry, context);
    return ok(`glance-registry (release ${release}) answers at ${url}`, place);
  } catch (error) {
    if (isDomainError(error, 'registry_unavailable')) {
      return note(`no glance-registry answers at ${url}: start one, then glance-api`, place);
    }
    return change(
      `glance-registry at ${url} does not take this service: ${describeError(error)}`,
      place,
    );
  } finally {
    registry.close();
  }
}
