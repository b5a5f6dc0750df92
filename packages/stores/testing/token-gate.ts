import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A way to a Swift that takes one token, whichever a test says, as Swift takes those of Keystone. */
export class TokenGate {
  refusals = 0;

  private constructor(
    private readonly server: http.Server,
    private readonly storageUrl: URL,
  ) {}

  /** @param token that Swift itself takes. */
  static async start(storageUrl: string, token: string, accepts: () => string): Promise<TokenGate> {
    const server = http.createServer();
    const gate = new TokenGate(server, new URL(storageUrl));
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      if (request.headers['x-auth-token'] !== accepts()) {
        gate.refusals += 1;
        response.writeHead(401, { 'content-length': '0', connection: 'close' }).end();
        return;
      }
      if (request.headers.expect !== undefined) response.writeContinue();
      const { method, url: path, headers } = request;
      const { hostname, port } = gate.storageUrl;
      const { expect: _, ...passed } = { ...headers, 'x-auth-token': token };
      const far = http.request({ hostname, port, method, path, headers: passed }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      far.on('error', () => response.destroy());
      request.pipe(far);
    };
    server.on('request', serve);
    server.on('checkContinue', serve);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  /** Of the account. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${this.storageUrl.pathname}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
