import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** What becomes of the first COMMIT that passes: its confirmation is lost, or it never arrives. */
export type CommitFate = 'confirmation lost' | 'never arrives';

/** A TCP proxy in front of a MySQL server that breaks a connection at its COMMIT. */
export class LossyProxy {
  private fate: CommitFate | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(host: string, port: number): Promise<LossyProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new LossyProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => proxy.pass(client, connect(port, host)));
    return proxy;
  }

  /** Breaks the next COMMIT, and only that one. */
  breakNextCommit(fate: CommitFate): void {
    this.fate = fate;
  }

  get isArmed(): boolean {
    return this.fate !== undefined;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(client: Socket, upstream: Socket): void {
    let deaf = false;
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', (chunk) => {
      const { fate } = this;
      if (fate === undefined || !chunk.includes('COMMIT')) {
        upstream.write(chunk);
        return;
      }
      this.fate = undefined;
      if (fate === 'never arrives') {
        upstream.destroy();
        client.destroy();
        return;
      }
      deaf = true;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (deaf) client.destroy();
      else client.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }
}
