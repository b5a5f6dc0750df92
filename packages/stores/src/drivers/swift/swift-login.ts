import { KeystoneError, KeystoneSession } from '@glance/keystone-client';
import type { CatalogService, ServiceCredentials } from '@glance/keystone-client';
import { storeUnavailable } from '../../store-errors';
import { SwiftRefusal } from './swift-errors';
import type { SwiftHttp } from './swift-http';
import { PROJECT_PLACEHOLDER } from './swift-options';
import type { SwiftSettings } from './swift-options';
import type { SwiftReference } from './swift-references';

/** What a request to an account needs. */
export interface SwiftAccess {
  token: string;
  /** Of the account, without a slash at its end. */
  storageUrl: string;
  /** Whose token it is, where Keystone gave it out. */
  projectId?: string | undefined;
}

/** Gets tokens for one account, and new ones before they end. */
export interface SwiftLogin {
  access(): Promise<SwiftAccess>;
  /** The server refused the token: the next request gets another. */
  forget(token: string): void;
  close(): void;
}

export function createLogin(
  reference: SwiftReference,
  settings: SwiftSettings,
  swift: SwiftHttp,
): SwiftLogin {
  return settings.authVersion === '1'
    ? new V1Login(reference, settings, swift)
    : new KeystoneLogin(reference, settings);
}

/** Login at Keystone v3; the account is found in the catalog. */
class KeystoneLogin implements SwiftLogin {
  private readonly session: KeystoneSession;

  constructor(
    reference: SwiftReference,
    private readonly settings: SwiftSettings,
  ) {
    const { ca, insecure, renewBeforeMs } = settings;
    this.session = new KeystoneSession({
      authUrl: reference.authAddress,
      credentials: toCredentials(reference),
      userAgent: 'glance-image-service',
      renewBeforeMs,
      tls: { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: !insecure },
    });
  }

  async access(): Promise<SwiftAccess> {
    const { token, catalog, projectId } = await this.session.access();
    const endpoint = this.settings.endpoint?.replace(PROJECT_PLACEHOLDER, projectId ?? '');
    return { token, storageUrl: endpoint ?? this.endpointIn(catalog), projectId };
  }

  forget(token: string): void {
    this.session.forget(token);
  }

  close(): void {
    this.session.close();
  }

  private endpointIn(catalog: readonly CatalogService[]): string {
    const { serviceType, interfaceName, region } = this.settings;
    const found = catalog
      .filter(({ type }) => type === serviceType)
      .flatMap(({ endpoints }) => endpoints)
      .find(
        (endpoint) =>
          endpoint.interface === interfaceName &&
          (region === undefined || (endpoint.region_id ?? endpoint.region) === region),
      );
    if (found) return found.url.replace(/\/+$/, '');
    const where = region === undefined ? '' : ` in region ${region}`;
    throw new KeystoneError(
      'unavailable',
      `the catalog of Keystone has no ${interfaceName} endpoint of type ${serviceType}${where}: add it, or set swift_store_endpoint`,
    );
  }
}

function toCredentials(reference: SwiftReference): ServiceCredentials {
  const { user, key, isApplicationCredential, userDomain, projectDomain } = reference;
  if (isApplicationCredential) {
    return { by: 'application_credential', credential: { id: user, secret: key } };
  }
  const colon = user.indexOf(':');
  return {
    by: 'password',
    user: { name: user.slice(colon + 1), domain: userDomain },
    password: key,
    scope: { project: { name: user.slice(0, colon), domain: projectDomain } },
  };
}

/** The login of Swift itself (v1 auth, as tempauth and RADOS gateways have it). */
class V1Login implements SwiftLogin {
  private current: (SwiftAccess & { renewAt: number }) | undefined;
  private login: Promise<SwiftAccess> | undefined;

  constructor(
    private readonly reference: SwiftReference,
    private readonly settings: SwiftSettings,
    private readonly swift: SwiftHttp,
  ) {}

  async access(): Promise<SwiftAccess> {
    if (this.current && this.current.renewAt > Date.now()) return this.current;
    this.login ??= this.logIn().finally(() => {
      this.login = undefined;
    });
    return await this.login;
  }

  forget(token: string): void {
    if (this.current?.token === token) this.current = undefined;
  }

  close(): void {
    this.current = undefined;
  }

  private async logIn(): Promise<SwiftAccess> {
    const { authAddress, user, key } = this.reference;
    const { status, headers } = await this.swift.ask({
      method: 'GET',
      url: authAddress,
      headers: { 'x-auth-user': user, 'x-auth-key': key },
    });
    if (status === 401 || status === 403) throw new SwiftRefusal('login (v1)', status);
    const token = headers['x-auth-token'];
    const storageUrl = this.settings.endpoint ?? headers['x-storage-url'];
    if (typeof token !== 'string' || typeof storageUrl !== 'string') {
      // Whatever the status says, it says nothing about blobs.
      throw storeUnavailable(
        new SwiftRefusal('login (v1): no X-Auth-Token and X-Storage-Url in the answer', status),
      );
    }
    const lifeMs = lifeOf(headers['x-auth-token-expires']);
    const renewAt = Date.now() + lifeMs - Math.min(this.settings.renewBeforeMs, lifeMs / 2);
    this.current = { token, storageUrl: storageUrl.replace(/\/+$/, ''), renewAt };
    return this.current;
  }
}

/** A server that does not say how long a token lives refuses it when it has ended. */
function lifeOf(seconds: string | string[] | undefined): number {
  const life = Number(seconds);
  return Number.isFinite(life) && life > 0 ? life * 1000 : Infinity;
}
