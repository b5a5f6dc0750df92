import Joi from 'joi';
import { KeystoneError } from './keystone-error';
import {
  KeystoneExchange,
  type ExchangeOptions,
  type KeystoneAnswer,
  type KeystoneTls,
} from './keystone-exchange';
import { loginBody, type ServiceCredentials } from './service-credentials';

export interface KeystoneSessionOptions extends Partial<Omit<ExchangeOptions, 'userAgent'>> {
  /** Of the identity API, with or without `/v3`. */
  authUrl: string;
  credentials: ServiceCredentials;
  userAgent: string;
  /** Told whenever the service's own user was refused: an operator has to act. */
  onRefusal?: (message: string) => void;
  /** How long before its end a token is used no more: no request must outlive the one it has. */
  renewBeforeMs?: number;
}

/** One service of the catalog (Identity API v3). */
export interface CatalogService {
  type: string;
  endpoints: readonly CatalogEndpoint[];
}

export interface CatalogEndpoint {
  interface: string;
  region?: string | null;
  region_id?: string | null;
  url: string;
}

/** What a service needs to ask another one. */
export interface ServiceAccess {
  token: string;
  /** Empty when the login is not for a project. */
  catalog: readonly CatalogService[];
  /** Undefined when the login is not for a project. */
  projectId: string | undefined;
}

export interface KeystoneQuery {
  query?: Readonly<Record<string, string | undefined>>;
  headers?: Readonly<Record<string, string>>;
}

interface ServiceToken {
  text: string;
  catalog: readonly CatalogService[];
  projectId: string | undefined;
  /** Milliseconds since the epoch from which on it is not used any more. */
  renewAt: number;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_TRIES = 2;
const RENEW_BEFORE_MS = 60_000;
/** A user whose password is wrong is not asked for at once again: Keystone may lock it. */
const REFUSAL_PAUSE_MS = 5000;

/** The service's own access to Keystone: logs in when needed, and again before its token ends. */
export class KeystoneSession {
  private readonly exchange: KeystoneExchange;
  private readonly baseUrl: string;
  private token: ServiceToken | undefined;
  private login: Promise<ServiceToken> | undefined;
  private refusal: { error: KeystoneError; until: number } | undefined;

  /** @throws RangeError when the URL cannot be one of the identity API. */
  constructor(private readonly options: KeystoneSessionOptions) {
    this.baseUrl = apiUrl(options.authUrl);
    this.exchange = new KeystoneExchange({
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      tries: options.tries ?? DEFAULT_TRIES,
      userAgent: options.userAgent,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    });
  }

  /**
   * @param path below `/v3`, such as `/auth/tokens`.
   * @returns the JSON body.
   * @throws KeystoneError of any kind.
   */
  async get(path: string, { query = {}, headers = {} }: KeystoneQuery = {}): Promise<unknown> {
    const url = new URL(`${this.baseUrl}${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const ask = async (): Promise<KeystoneAnswer> => {
      const token = await this.serviceToken();
      const answer = await this.exchange.send({
        method: 'GET',
        url: url.href,
        headers: { ...headers, 'x-auth-token': token.text },
      });
      if (answer.status === 401) this.forget(token.text);
      return answer;
    };
    let answer = await ask();
    if (answer.status === 401) answer = await ask();
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw failure(`GET ${this.baseUrl}${path}`, answer.status);
  }

  /**
   * The token of this service's user, for a request to another service.
   * @throws KeystoneError of any kind.
   */
  async access(): Promise<ServiceAccess> {
    const { text, catalog, projectId } = await this.serviceToken();
    return { token: text, catalog, projectId };
  }

  /**
   * The services that somebody's token is for.
   * @throws KeystoneError of any kind.
   */
  async catalogOf(token: string): Promise<readonly CatalogService[]> {
    const url = `${this.baseUrl}/auth/catalog`;
    const headers = { 'x-auth-token': token };
    const answer = await this.exchange.send({ method: 'GET', url, headers });
    const body = CATALOG_ANSWER.validate(answer.body);
    if (answer.status !== 200 || body.error) throw failure(`GET ${url}`, answer.status);
    return body.value.catalog;
  }

  /** The token was refused before its time, as after Keystone got new keys: the next request logs in. */
  forget(token: string): void {
    if (this.token?.text === token) this.token = undefined;
  }

  /** Other certificates, from the next connection on. */
  useTls(tls: KeystoneTls): void {
    this.exchange.useTls(tls);
  }

  close(): void {
    this.exchange.close();
  }

  private async serviceToken(): Promise<ServiceToken> {
    if (this.token && this.token.renewAt > Date.now()) return this.token;
    if (this.refusal && this.refusal.until > Date.now()) throw this.refusal.error;
    this.login ??= this.logIn().finally(() => {
      this.login = undefined;
    });
    return await this.login;
  }

  private async logIn(): Promise<ServiceToken> {
    const url = `${this.baseUrl}/auth/tokens`;
    const answer = await this.exchange.send({
      method: 'POST',
      url,
      headers: {},
      body: loginBody(this.options.credentials),
    });
    if (answer.status === 401 || answer.status === 403) {
      const error = new KeystoneError(
        'credentials_refused',
        `POST ${url}: status ${answer.status}: Keystone does not accept the user of this service, or its password, domain or project`,
      );
      this.refusal = { error, until: Date.now() + REFUSAL_PAUSE_MS };
      this.options.onRefusal?.(error.message);
      throw error;
    }
    const text = answer.headers['x-subject-token'];
    const login = LOGIN_ANSWER.validate(answer.body);
    if (answer.status !== 201 || text === undefined || login.error) {
      throw failure(`POST ${url}`, answer.status);
    }
    const now = Date.now();
    const life = Math.max(0, login.value.token.expires_at.getTime() - now);
    const { renewBeforeMs = RENEW_BEFORE_MS } = this.options;
    const { catalog, project } = login.value.token;
    this.token = {
      text,
      catalog,
      projectId: project?.id,
      renewAt: now + life - Math.min(renewBeforeMs, life / 2),
    };
    return this.token;
  }
}

/** An odd entry of the catalog keeps nobody from logging in. */
const PASSED_OVER = Joi.any().strip();
const ENDPOINT = Joi.object({
  interface: Joi.string().required(),
  region: Joi.string().allow('', null),
  region_id: Joi.string().allow('', null),
  url: Joi.string().required(),
});
const SERVICE = Joi.object({
  type: Joi.string().required(),
  endpoints: Joi.array().items(ENDPOINT.unknown(), PASSED_OVER).default([]),
});

interface LoginAnswer {
  token: { expires_at: Date; catalog: CatalogService[]; project?: { id: string } };
}

const CATALOG_ANSWER = Joi.object<{ catalog: CatalogService[] }>({
  catalog: Joi.array().items(SERVICE.unknown(), PASSED_OVER).required(),
})
  .unknown()
  .required();

const LOGIN_ANSWER = Joi.object<LoginAnswer>({
  token: Joi.object({
    expires_at: Joi.date().iso().required(),
    project: Joi.object({ id: Joi.string().required() }).unknown(),
    catalog: Joi.array().items(SERVICE.unknown(), PASSED_OVER).default([]),
  })
    .unknown()
    .required(),
})
  .unknown()
  .required();

function failure(request: string, status: number): KeystoneError {
  const text = `${request}: status ${status}`;
  switch (status) {
    case 401:
      return new KeystoneError(
        'credentials_refused',
        `${text} with a token that was good a moment ago`,
      );
    case 403:
      return new KeystoneError('forbidden', `${text}: the user of this service may not ask for it`);
    case 404:
      return new KeystoneError('not_found', text);
    default:
      return new KeystoneError('unexpected', `${text}, which is no answer of the identity API v3`);
  }
}

/** The URL of version 3, from what operators write. */
function apiUrl(authUrl: string): string {
  const url = URL.canParse(authUrl) ? new URL(authUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new RangeError(`${authUrl} is no http or https URL`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new RangeError('the URL must not hold credentials, a query or a fragment');
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (path.endsWith('/v2.0')) throw new RangeError(`${authUrl} is that of API v2.0; v3 is needed`);
  return `${url.origin}${path.endsWith('/v3') ? path : `${path}/v3`}`;
}
