import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';

/** What a request to an S3 server is about. */
export type S3Request = 'mark' | 'put' | 'begin' | 'part' | 'complete' | 'look' | 'other';

/**
 * What becomes of a request: an answer of another than the server; the server's answer lost, the work
 * done; the request lost when all of it, or a beginning, was sent; every byte taken and nothing said.
 */
export type S3Fault =
  { status: number; code: string } | 'lost answer' | 'lost request' | 'reset midway' | 'silence';

interface Plan {
  about: S3Request;
  fault: S3Fault;
  times: number;
}

/** A way to a real S3 server that fails as planned. */
export class S3FaultGate {
  /** Requests so far, those that failed too. */
  readonly requests: S3Request[] = [];
  private plans: Plan[] = [];

  private constructor(
    private readonly listener: http.Server | https.Server,
    private readonly target: URL,
  ) {
    listener.on('request', (req: http.IncomingMessage, res: http.ServerResponse) => {
      this.handle(req, res);
    });
  }

  /** @param tls PEM; makes it speak https. */
  static async start(target: URL, tls?: { cert: string; key: string }): Promise<S3FaultGate> {
    const listener = tls ? https.createServer(tls) : http.createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return new S3FaultGate(listener, target);
  }

  get host(): string {
    return `127.0.0.1:${(this.listener.address() as AddressInfo).port}`;
  }

  /** From now on, so many requests of this kind fail. */
  plan(about: S3Request, fault: S3Fault, times = Infinity): void {
    this.plans.push({ about, fault, times });
  }

  heal(): void {
    this.plans = [];
  }

  async close(): Promise<void> {
    this.listener.closeAllConnections();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private handle(req: http.IncomingMessage, res: http.ServerResponse): void {
    const about = kindOf(req);
    this.requests.push(about);
    const plan = this.plans.find((each) => each.about === about && each.times > 0);
    if (plan) plan.times -= 1;
    const fault = plan?.fault;
    switch (fault) {
      case undefined:
        this.pass(req, res, (answer) => {
          res.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(res);
        });
        return;
      case 'lost answer':
        this.pass(req, res, (answer) => {
          answer.resume().on('end', () => req.socket.destroy());
        });
        return;
      case 'lost request':
        req.resume().on('end', () => req.socket.destroy());
        return;
      case 'reset midway':
        req.once('data', () => req.socket.resetAndDestroy());
        return;
      case 'silence':
        req.resume();
        return;
      default:
        refuse(req, res, fault);
    }
  }

  private pass(
    req: http.IncomingMessage,
    res: http.ServerResponse,
    onAnswer: (answer: http.IncomingMessage) => void,
  ): void {
    const { hostname, port } = this.target;
    const { method, headers, url: path } = req;
    const passed = http.request({ hostname, port, method, headers, path }, onAnswer);
    passed.on('error', () => res.destroy());
    req.on('error', () => passed.destroy());
    req.pipe(passed);
  }
}

function kindOf({ method, url = '' }: http.IncomingMessage): S3Request {
  const { pathname, searchParams } = new URL(url, 'http://gate');
  if (method === 'HEAD') return 'look';
  if (method === 'POST') return searchParams.has('uploads') ? 'begin' : 'complete';
  if (method !== 'PUT') return 'other';
  if (searchParams.has('partNumber')) return 'part';
  return pathname.includes('/glance-unfinished/') ? 'mark' : 'put';
}

function refuse(
  req: http.IncomingMessage,
  res: http.ServerResponse,
  { status, code }: { status: number; code: string },
): void {
  req.resume().on('end', () => {
    res.writeHead(status, { 'Content-Type': 'application/xml' });
    const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as planned</Message></Error>`;
    res.end(req.method === 'HEAD' ? undefined : text);
  });
}
