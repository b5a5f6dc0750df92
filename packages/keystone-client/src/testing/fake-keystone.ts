import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { CatalogService, KeystoneSessionOptions } from '../keystone-session';
import type { AccessRule } from '../validated-token';

export interface FakeToken {
  user?: string;
  /** Null for a token without a project. */
  project?: string | null;
  scope?: 'system' | 'domain';
  roles?: string[];
  /** Milliseconds from now; negative: it has ended, and counts with `allow_expired` only. */
  lifeMs?: number;
  accessRules?: AccessRule[];
}

type Handler = (url: URL, request: IncomingMessage) => { status: number; body: unknown };

/**
 * The part of the identity API that services ask for, over real HTTP: logins of one service user,
 * the validation of tokens that the test has made, and what else the test adds.
 */
export class FakeKeystone {
  /** Path and query of every request but logins, in order. */
  readonly requests: string[] = [];
  logins = 0;
  /** Body of the last login. */
  lastLogin: unknown;
  /** Answers everything with this status, as a Keystone that is broken. */
  failWith: number | undefined;
  /** Answers nothing at all. */
  hangs = false;
  password = 'secret';
  serviceTokenLifeMs = 3_600_000;
  /** Text of the token that a login gives out; a new one each time unless set. */
  serviceTokenText: (() => string) | undefined;
  /** Where the other services are. */
  catalog: CatalogService[] = [];
  /** Further routes, by path below `/v3`. */
  readonly routes = new Map<string, Handler>();
  private readonly tokens = new Map<string, FakeToken & { expiresAt: number }>();
  private serviceToken: string | undefined;
  private readonly server: Server;

  private constructor(private readonly tls: { cert: Buffer; key: Buffer } | undefined) {
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      void this.serve(request, response);
    };
    this.server = tls ? createTlsServer(tls, serve) : createServer(serve);
  }

  static async start(tls?: { cert: Buffer; key: Buffer }): Promise<FakeKeystone> {
    const keystone = new FakeKeystone(tls);
    await new Promise<void>((resolve) => keystone.server.listen(0, '127.0.0.1', resolve));
    return keystone;
  }

  get url(): string {
    const protocol = this.tls ? 'https' : 'http';
    return `${protocol}://127.0.0.1:${(this.server.address() as AddressInfo).port}/v3`;
  }

  /** What its one service user reaches it with. */
  get access(): Pick<KeystoneSessionOptions, 'authUrl' | 'credentials' | 'userAgent'> {
    const domain = { name: 'Default' };
    return {
      authUrl: this.url,
      credentials: {
        by: 'password',
        user: { name: 'glance', domain },
        password: 'secret',
        scope: { project: { name: 'service', domain } },
      },
      userAgent: 'test',
    };
  }

  addToken(text: string, token: FakeToken = {}): void {
    this.tokens.set(text, { ...token, expiresAt: Date.now() + (token.lifeMs ?? 3_600_000) });
  }

  revokeToken(text: string): void {
    this.tokens.delete(text);
  }

  /** The service has to log in again. */
  revokeServiceToken(): void {
    this.serviceToken = undefined;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (this.hangs) return;
    const url = new URL(request.url ?? '/', 'http://keystone');
    const { status, body, headers = {} } = this.answer(url, request, Buffer.concat(chunks));
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body === undefined ? '' : JSON.stringify(body));
  }

  private answer(
    url: URL,
    request: IncomingMessage,
    body: Buffer,
  ): { status: number; body?: unknown; headers?: Record<string, string> } {
    const isLogin = request.method === 'POST' && url.pathname === '/v3/auth/tokens';
    if (!isLogin) this.requests.push(`${url.pathname}${url.search}`);
    if (this.failWith !== undefined) return { status: this.failWith };
    if (isLogin) return this.logIn(JSON.parse(body.toString()));
    if (request.headers['x-auth-token'] !== this.serviceToken) return { status: 401 };
    const route = this.routes.get(url.pathname.replace(/^\/v3/, ''));
    if (route) return route(url, request);
    if (url.pathname !== '/v3/auth/tokens') return { status: 404 };
    const text = String(request.headers['x-subject-token']);
    const token = this.tokens.get(text);
    const mayBeExpired = url.searchParams.get('allow_expired') === '1';
    if (!token || (token.expiresAt <= Date.now() && !mayBeExpired)) return { status: 404 };
    return { status: 200, body: { token: describe(token) } };
  }

  private logIn(body: LoginRequest) {
    this.logins += 1;
    this.lastLogin = body;
    const { password, application_credential: credential } = body.auth.identity;
    if ((password?.user.password ?? credential?.secret) !== this.password) return { status: 401 };
    this.serviceToken = this.serviceTokenText?.() ?? `service-token-${this.logins}`;
    const expires_at = new Date(Date.now() + this.serviceTokenLifeMs).toISOString();
    return {
      status: 201,
      body: { token: { expires_at, catalog: this.catalog } },
      headers: { 'x-subject-token': this.serviceToken },
    };
  }
}

interface LoginRequest {
  auth: {
    identity: {
      password?: { user: { password: string } };
      application_credential?: { secret: string };
    };
  };
}

function describe(token: FakeToken & { expiresAt: number }): object {
  const domain = { id: 'default', name: 'Default' };
  const { user = 'user', project = 'project', roles = ['member', 'reader'] } = token;
  return {
    methods: ['password'],
    user: { id: user, name: user, domain },
    ...(token.scope === 'system' && { system: { all: true } }),
    ...(token.scope === 'domain' && { domain }),
    ...(token.scope === undefined &&
      project !== null && { project: { id: project, name: project, domain } }),
    roles: roles.map((name) => ({ id: name, name })),
    expires_at: new Date(token.expiresAt).toISOString(),
    ...(token.accessRules && { application_credential: { access_rules: token.accessRules } }),
  };
}
