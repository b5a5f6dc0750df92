import net, { type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * `lost answer`: the COMMIT arrives, its confirmation does not; `lost request`: it never arrives.
 */
export type CommitFault = 'lost answer' | 'lost request';

/** A TCP proxy in front of a server that fails as networks and servers do. */
export class FaultProxy {
  private readonly connections = new Set<{ client: Socket; server: Socket }>();
  private commitFault: { fault: CommitFault; after: number } | undefined;
  private silent = false;
  private refusing = false;
  /** COMMITs that were broken. */
  broken = 0;

  private constructor(
    private readonly listener: Server,
    readonly port: number,
  ) {}

  static async start(target: { host: string; port: number }): Promise<FaultProxy> {
    const listener = net.createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const proxy = new FaultProxy(listener, (listener.address() as AddressInfo).port);
    listener.on('connection', (client) => proxy.connect(client, target));
    return proxy;
  }

  /** Breaks one COMMIT, after so many that pass. */
  breakCommit(fault: CommitFault, after: number): void {
    this.commitFault = { fault, after };
  }

  /** From now on nothing passes, and nobody is told. */
  blackHole(): void {
    this.silent = true;
  }

  /** Resets every connection, and the new ones too. */
  refuse(): void {
    this.refusing = true;
    this.resetAll();
  }

  resetAll(): void {
    for (const { client, server } of this.connections) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Passes everything again; what was swallowed meanwhile breaks. */
  heal(): void {
    const wasSilent = this.silent;
    this.silent = false;
    this.refusing = false;
    this.commitFault = undefined;
    if (wasSilent) this.resetAll();
  }

  async close(): Promise<void> {
    this.resetAll();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private connect(client: Socket, target: { host: string; port: number }): void {
    if (this.refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect(target.port, target.host);
    const connection = { client, server };
    this.connections.add(connection);
    let deaf = false;
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('data', (chunk) => {
      if (this.silent) return;
      const fault = chunk.includes('COMMIT') ? this.takeCommitFault() : undefined;
      if (fault === 'lost request') {
        client.resetAndDestroy();
        server.destroy();
        return;
      }
      if (fault === 'lost answer') deaf = true;
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (this.silent) return;
      if (deaf) client.resetAndDestroy();
      else client.write(chunk);
    });
    const close = (): void => {
      this.connections.delete(connection);
      client.destroy();
      server.destroy();
    };
    client.on('close', close);
    server.on('close', close);
  }

  private takeCommitFault(): CommitFault | undefined {
    const planned = this.commitFault;
    if (!planned) return undefined;
    if (planned.after > 0) {
      planned.after -= 1;
      return undefined;
    }
    this.commitFault = undefined;
    this.broken += 1;
    return planned.fault;
  }
}
