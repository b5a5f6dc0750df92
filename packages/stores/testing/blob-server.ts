import http from 'node:http';
import type { AddressInfo } from 'node:net';

type Handler = (req: http.IncomingMessage, res: http.ServerResponse) => void;

/** A web server with image data, which a test can let misbehave path by path. */
export class BlobServer {
  /** Every request so far, as `GET /path`. */
  readonly requests: string[] = [];
  readonly headers: http.IncomingHttpHeaders[] = [];
  /** Answers that are neither sent nor given up. */
  openAnswers = 0;
  private readonly handlers = new Map<string, Handler>();

  private constructor(private readonly server: http.Server) {
    server.on('request', (req, res: http.ServerResponse) => {
      this.requests.push(`${req.method ?? ''} ${req.url ?? ''}`);
      this.headers.push(req.headers);
      this.openAnswers += 1;
      let open = true;
      const done = (): void => {
        if (open) this.openAnswers -= 1;
        open = false;
      };
      res.once('finish', done);
      res.once('close', done);
      const handler = this.handlers.get(req.url ?? '');
      if (handler) handler(req, res);
      else res.writeHead(404).end('<h1>Not Found</h1>');
    });
  }

  static async start(host = '127.0.0.1'): Promise<BlobServer> {
    const server = http.createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return new BlobServer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  urlOf(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** @returns the URL at which these bytes are served; ranges of them too, where that is wanted. */
  place(bytes: Uint8Array, path = `/blob-${this.handlers.size}`, { ranges = false } = {}): string {
    return this.answer(path, (req, res) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '') ?? [];
      if (ranges && first !== undefined) sendRange(res, bytes, Number(first), Number(last));
      else res.setHeader('Content-Length', bytes.length).end(req.method === 'HEAD' ? '' : bytes);
    });
  }

  /** @returns the URL at which the handler answers. */
  answer(path: string, handler: Handler): string {
    this.handlers.set(path, handler);
    return this.urlOf(path);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    if (!this.server.listening) return;
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function sendRange(res: http.ServerResponse, bytes: Uint8Array, first: number, last: number): void {
  if (first >= bytes.length) {
    res.writeHead(416, { 'Content-Range': `bytes */${bytes.length}` }).end();
    return;
  }
  const part = bytes.subarray(first, last + 1);
  res.writeHead(206, {
    'Content-Range': `bytes ${first}-${first + part.length - 1}/${bytes.length}`,
    'Content-Length': part.length,
  });
  res.end(part);
}
