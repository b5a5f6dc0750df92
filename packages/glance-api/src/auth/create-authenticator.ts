import { DomainError } from '@glance/common';
import {
  KeystoneError,
  TokenValidator,
  type CatalogService,
  type KeystoneSession,
} from '@glance/keystone-client';
import { TrustedProxies, type ProgramEnvironment, type ReloadStep } from '@glance/service-kit';
import type { ApiConfig } from '../config';
import { connectKeystone } from '../keystone/keystone-options';
import { parseRoles, type Authenticator } from './authenticate';
import { fakeAuth } from './fake-auth';
import { keystoneAuth } from './keystone-auth';
import { noAuth } from './no-auth';
import { catalogFromHeader, type CatalogReader } from './service-catalog';
import { trustedAuth } from './trusted-auth';

/** The part of `[paste_deploy] flavor` that decides about identity, without its cache suffixes. */
export type AuthFlavor = 'none' | 'keystone' | 'trusted-auth' | 'fakeauth';

export function authFlavor(config: ApiConfig): AuthFlavor {
  const base = config.paste_deploy.flavor?.split('+', 1)[0];
  return base === 'keystone' || base === 'trusted-auth' || base === 'fakeauth' ? base : 'none';
}

export interface Authentication {
  authenticate: Authenticator;
  challenge?: string;
  /** Undefined where nothing tells of other services. */
  readCatalog?: CatalogReader;
  /** What of it is read again on SIGHUP. */
  reloads?: readonly ReloadStep[];
  close(): void;
}

/** What the flavor stands for. @throws Error that names the option at fault. */
export function createAuthenticator(
  config: ApiConfig,
  environment: Pick<ProgramEnvironment, 'logger' | 'release'>,
): Authentication {
  const close = (): void => undefined;
  switch (authFlavor(config)) {
    case 'none':
      return {
        authenticate: noAuth(config.DEFAULT.admin_role, config.cors.allowed_origin),
        close,
      };
    case 'trusted-auth':
      return {
        authenticate: trustedAuth(new TrustedProxies(config.DEFAULT.trusted_proxies)),
        // Whoever sends it has been told apart from clients by then.
        readCatalog: (req) => Promise.resolve(catalogFromHeader(req.get('x-service-catalog'))),
        close,
      };
    case 'fakeauth':
      return { authenticate: fakeAuth, close };
    case 'keystone':
      return createKeystoneAuthentication(config, environment);
  }
}

function createKeystoneAuthentication(
  { keystone_authtoken: options }: ApiConfig,
  environment: Pick<ProgramEnvironment, 'logger' | 'release'>,
): Authentication {
  const { session, reload } = connectKeystone('keystone_authtoken', options, environment);
  const authenticate = keystoneAuth({
    tokens: new TokenValidator(session, { cacheSeconds: options.token_cache_time }),
    serviceTokenRoles: options.service_token_roles.flatMap(parseRoles),
    requireServiceRoles: options.service_token_roles_required,
    serviceType: options.service_type,
  });
  const uri = options.www_authenticate_uri ?? options.auth_url ?? '';
  return {
    authenticate,
    challenge: `Keystone uri="${uri}"`,
    readCatalog: (req) => readCatalog(session, req.get('x-auth-token') ?? ''),
    reloads: [reload],
    close: () => session.close(),
  };
}

/** @throws DomainError `unauthenticated`, `identity_unavailable` */
async function readCatalog(
  session: KeystoneSession,
  token: string,
): Promise<readonly CatalogService[]> {
  try {
    return await session.catalogOf(token);
  } catch (cause) {
    if (!(cause instanceof KeystoneError)) throw cause;
    if (cause.kind === 'credentials_refused') {
      throw new DomainError('unauthenticated', 'The token is not valid any more', { cause });
    }
    const text = 'The identity service does not give the service catalog at the moment; try again.';
    throw new DomainError('identity_unavailable', text, { cause });
  }
}
