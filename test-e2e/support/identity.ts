import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Project {
  id: string;
  name: string;
}

/**
 * As much of the identity API as clients ask for before they come to images: a token, a catalog that
 * names the image service, and projects by id and name. The password is the token that it gives out.
 */
export class IdentityServer {
  private readonly server = createServer((request, response) => {
    void this.answer(request, response);
  });

  private constructor(
    private readonly imageUrl: string,
    private readonly projects: readonly Project[],
  ) {}

  static async start(imageUrl: string, projects: readonly Project[]): Promise<IdentityServer> {
    const identity = new IdentityServer(imageUrl, projects);
    await new Promise<void>((resolve) => identity.server.listen(0, '127.0.0.1', resolve));
    return identity;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v3`;
  }

  /** What tells a client who it is. */
  environment(token: string): Record<string, string> {
    const [user = '', project = ''] = token.split(':');
    return {
      OS_AUTH_URL: this.url,
      OS_IDENTITY_API_VERSION: '3',
      OS_USERNAME: user,
      OS_PASSWORD: token,
      OS_PROJECT_NAME: project,
      OS_USER_DOMAIN_ID: 'default',
      OS_PROJECT_DOMAIN_ID: 'default',
    };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    const send = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    };
    if (pathname === '/v3/auth/tokens' && request.method === 'POST') {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as PasswordRequest;
      const token = body.auth.identity.password.user.password;
      send(201, { token: this.tokenFor(token) }, { 'x-subject-token': token });
    } else if (pathname.startsWith('/v3/projects')) {
      const id = decodeURIComponent(pathname.slice('/v3/projects/'.length));
      const name = searchParams.get('name');
      const found = this.projects
        .filter((project) =>
          id === '' ? name === null || project.name === name : project.id === id,
        )
        .map((project) => ({ ...project, domain_id: 'default', enabled: true }));
      if (id === '') send(200, { projects: found, links: {} });
      else if (found[0]) send(200, { project: found[0] });
      else send(404, { error: { code: 404, message: 'no such project', title: 'Not Found' } });
    } else {
      const links = [{ rel: 'self', href: `${this.url}/` }];
      const version = { id: 'v3.14', status: 'stable', links, updated: '2020-04-07T00:00:00Z' };
      if (pathname === '/') send(300, { versions: { values: [version] } });
      else send(200, { version });
    }
  }

  private tokenFor(token: string): unknown {
    const [user = '', project = '', roles = ''] = token.split(':');
    const domain = { id: 'default', name: 'Default' };
    const endpoint = (url: string) => ({
      id: 'e',
      interface: 'public',
      region: 'RegionOne',
      region_id: 'RegionOne',
      url,
    });
    return {
      methods: ['password'],
      user: { id: user, name: user, domain },
      project: { id: project, name: project, domain },
      roles: roles.split(',').map((name) => ({ id: name, name })),
      issued_at: new Date().toISOString(),
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      audit_ids: ['a'],
      catalog: [
        { id: 'i', type: 'identity', name: 'keystone', endpoints: [endpoint(this.url)] },
        { id: 'g', type: 'image', name: 'glance', endpoints: [endpoint(this.imageUrl)] },
      ],
    };
  }
}

interface PasswordRequest {
  auth: { identity: { password: { user: { password: string } } } };
}
