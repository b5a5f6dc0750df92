import { TrustedProxies, isLoopback } from '@glance/service-kit';
import { authFlavor } from './auth/create-authenticator';
import type { ApiConfig } from './config';
import { checkCors } from './http/cors';

/**
 * What believes everybody listens where only this machine, or a proxy that is known, reaches it
 * (design §6, security sheet §8).
 * @throws Error that says which options to set.
 */
export function checkApiConfig(config: ApiConfig): void {
  const flavor = authFlavor(config);
  const { DEFAULT: options } = config;
  const { bind_host: host, allow_unauthenticated_network: allowed } = options;
  const proxies = new TrustedProxies(options.trusted_proxies);
  checkCors(config.cors);
  if (isLoopback(host)) return;
  if (flavor === 'fakeauth') {
    throw new Error(
      `[paste_deploy] flavor = fakeauth believes every token: bind_host must be a loopback address, not ${host}`,
    );
  }
  if (flavor === 'none' && !allowed) {
    throw new Error(
      `[paste_deploy] flavor is unset, so everybody who reaches ${host} would be an administrator: set a flavor, or bind_host = 127.0.0.1, or allow_unauthenticated_network = true`,
    );
  }
  if (flavor === 'trusted-auth' && proxies.isEmpty && options.ca_file === undefined) {
    throw new Error(
      `[paste_deploy] flavor = trusted-auth believes the identity headers of everybody who reaches ${host}: set trusted_proxies to the addresses of the authenticating proxies, or cert_file, key_file and ca_file for client certificates, or bind_host = 127.0.0.1`,
    );
  }
}

/** What may be meant so, and what an operator should know about it. */
export function apiWarnings({
  DEFAULT: options,
  oslo_middleware,
  service_auth,
}: ApiConfig): string[] {
  const warnings: string[] = [];
  if (oslo_middleware.enable_proxy_headers_parsing && options.trusted_proxies.length === 0) {
    warnings.push(
      '[oslo_middleware] enable_proxy_headers_parsing has no effect: set trusted_proxies to the addresses of the proxies that may be believed',
    );
  }
  if (options.metadata_encryption_key !== undefined) {
    warnings.push(
      'metadata_encryption_key has no effect here: set it in glance-registry.conf, where the URLs of locations are encrypted',
    );
  }
  const hasKey = service_auth.key.length > 0 || service_auth.key_file !== undefined;
  const afar = options.registry_host.filter((host) => !isLoopback(host));
  if (hasKey && options.registry_client_protocol === 'http' && afar.length > 0) {
    warnings.push(
      `registry_host = ${afar.join(', ')} without TLS: THE SERVICE KEY TRAVELS IN CLEAR TEXT. Set registry_client_protocol = https, or let both services talk over a network of their own`,
    );
  }
  return warnings;
}
