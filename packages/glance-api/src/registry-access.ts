import { randomInt } from 'node:crypto';
import { HttpRegistry, type RegistryCredentials } from '@glance/registry-client';
import {
  currentTraceparent,
  readCertificate,
  readKeyPair,
  type ProgramEnvironment,
  type ReloadStep,
  type ServiceKeys,
} from '@glance/service-kit';
import type { ApiConfig } from './config';

/** The client of the registry that `[DEFAULT] registry_*` and `[service_auth]` describe. */
export function createRegistryClient(
  config: ApiConfig,
  environment: Pick<ProgramEnvironment, 'logger' | 'release' | 'serviceKeys'>,
): HttpRegistry {
  const { DEFAULT: options } = config;
  return new HttpRegistry({
    baseUrls: registryUrls(options),
    release: environment.release,
    ...readCredentials(config, environment.serviceKeys),
    traceparent: currentTraceparent,
    onFailure: (failure) => {
      environment.logger.warn(`Registry call ${failure.operation} failed: ${failure.reason}`, {
        registry: failure.baseUrl,
        tries: failure.tries,
        retrying: failure.willRetry,
      });
    },
  });
}

/** Makes the client use the key that comes first now, and the files as they are now. */
export function reloadCredentials(
  registry: HttpRegistry,
  config: ApiConfig,
  serviceKeys: ServiceKeys,
): ReloadStep {
  return {
    what: 'credentials for glance-registry',
    reload: () => {
      registry.useCredentials(readCredentials(config, serviceKeys));
      return true;
    },
  };
}

/** @throws Error that names the option of a file that cannot be used. */
function readCredentials(
  { DEFAULT: options }: ApiConfig,
  serviceKeys: ServiceKeys,
): RegistryCredentials {
  const cert = options.registry_client_cert_file;
  const key = options.registry_client_key_file;
  const ca = options.registry_client_ca_file;
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error('registry_client_cert_file and registry_client_key_file must be set together');
  }
  const { shown } = serviceKeys;
  return {
    ...(shown === undefined ? {} : { serviceKey: shown }),
    tls: {
      ...(ca === undefined ? {} : { ca: readCertificate('registry_client_ca_file', ca) }),
      ...(cert === undefined || key === undefined
        ? {}
        : readKeyPair(
            { option: 'registry_client_cert_file', file: cert },
            { option: 'registry_client_key_file', file: key },
          )),
    },
  };
}

/** Each process begins with another one, so that several share the work. */
export function registryUrls(options: ApiConfig['DEFAULT']): string[] {
  const { registry_client_protocol: protocol, registry_host: hosts, registry_port: port } = options;
  if (hosts.length === 0) throw new Error('registry_host names no host');
  const first = randomInt(hosts.length);
  return [...hosts.slice(first), ...hosts.slice(0, first)].map(
    (host) => `${protocol}://${bracketed(host)}:${port}`,
  );
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
