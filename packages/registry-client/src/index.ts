export type { TlsOptions } from './bounded-connect-agents';
export { DEFAULT_REGISTRY_TIMEOUTS, type RegistryTimeouts } from './call-budget';
export * from './check-contract';
export * from './http-registry';
export * from './metadef-catalogue';
export * from './registry';
export type {
  RegistryClientMetrics,
  RegistryClientOptions,
  RegistryCredentials,
  RegistryFailure,
} from './registry-transport';
