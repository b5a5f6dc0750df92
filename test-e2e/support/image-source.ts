import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A web server with the data of one image, which a test can hold back midway. */
export class ImageSource {
  /** Requests for the data itself so far. */
  reads = 0;
  private released: Promise<void> = Promise.resolve();
  private release: () => void = () => undefined;

  private constructor(
    private readonly server: http.Server,
    private readonly data: Buffer,
  ) {
    server.on('request', (req: http.IncomingMessage, res: http.ServerResponse) => {
      void this.answer(req, res);
    });
  }

  static async start(data: Buffer): Promise<ImageSource> {
    const server = http.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ImageSource(server, data);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/disk.raw`;
  }

  /** Lines for `[glance_store]` that let the api read from here. */
  get storeOptions(): string[] {
    return [
      'stores = file,http',
      'http_store_allowed_networks = 127.0.0.0/8',
      `http_store_allowed_ports = ${this.port}`,
    ];
  }

  /** From now on only the first half is sent, until the returned function is called. */
  holdBack(): () => void {
    this.released = new Promise((resolve) => {
      this.release = resolve;
    });
    return this.release;
  }

  async close(): Promise<void> {
    this.release();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    if (new URL(req.url ?? '/', this.url).pathname !== '/disk.raw') {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { 'Content-Length': this.data.length });
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    this.reads += 1;
    res.write(this.data.subarray(0, this.data.length / 2));
    await this.released;
    res.end(this.data.subarray(this.data.length / 2));
  }
}
