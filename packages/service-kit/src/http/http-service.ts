import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { TLSSocket, type SecureContextOptions } from 'node:tls';
import type { Logger } from '../logger';
import type { TlsFiles } from '../tls-files';
import { SECURITY_HEADERS, STRICT_TRANSPORT } from './security-headers';

export interface HttpServiceOptions {
  handler: http.RequestListener;
  /** What the handler is called with; see `messagesOf`. */
  messages?: Pick<http.ServerOptions, 'IncomingMessage' | 'ServerResponse'>;
  logger: Logger;
  tls?: TlsFiles | undefined;
  backlog: number;
  /** Connections open at a time; further ones are closed at once. 0: no limit. */
  maxConnections?: number;
  keepAliveTimeoutMs: number;
  /** Bytes of a request's whole header block. */
  maxHeaderBytes: number;
  /** The drain time is over: transfers still running must take their abort path. */
  onAbort: () => void;
}

export interface StopOptions {
  /** Requests are still accepted this long, for a load balancer to notice the red readiness. */
  delayMs: number;
  /** What runs after that may go on this long. */
  drainTimeoutMs: number;
}

const HEADERS_TIMEOUT_MS = 20_000;
const ABORT_GRACE_MS = 10_000;
/** For a request that is on its way on a connection that was accepted. */
const LINGER_MS = 1000;
const FULL_WARNING_INTERVAL_MS = 60_000;

/** Set on a request whose client waits for `100 Continue` before it sends the body. */
const AWAITS_CONTINUE = new WeakSet<http.IncomingMessage>();

/** Tells a waiting client to send its body. Called once the headers have decided everything. */
export function continueBody(req: http.IncomingMessage, res: http.ServerResponse): void {
  if (AWAITS_CONTINUE.delete(req)) res.writeContinue();
}

/**
 * A listening server that can stop without dropping what it serves. Bodies have no total time
 * limit here: transfers enforce idle and minimum-rate limits of their own.
 */
export class HttpService {
  private readonly server: http.Server;
  private readonly sockets = new Set<Socket>();
  private readonly busy = new WeakSet<Duplex>();
  private inFlight = 0;
  private stopping = false;
  private closesIdle = false;
  private toldFullAt = -Infinity;
  private idle: (() => void) | undefined;

  constructor(private readonly options: HttpServiceOptions) {
    const { tls } = options;
    const serverOptions: http.ServerOptions = {
      ...options.messages,
      maxHeaderSize: options.maxHeaderBytes,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: options.keepAliveTimeoutMs,
    };
    this.server = tls
      ? https.createServer({
          ...serverOptions,
          ...secureContext(tls),
          ...(tls.clientCa ? { requestCert: true, rejectUnauthorized: true } : {}),
        })
      : http.createServer(serverOptions);
    // Every header is seen, so that a request with too many is refused instead of cut short.
    this.server.maxHeadersCount = 0;
    this.server.on('request', this.serve);
    this.server.on('checkContinue', (req: http.IncomingMessage, res: http.ServerResponse) => {
      AWAITS_CONTINUE.add(req);
      this.serve(req, res);
    });
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      // While a request is being served on it, what else came is no request of its own: its body
      // is broken, and whoever reads that body learns it from the connection.
      if (this.busy.has(socket)) socket.destroy();
      else refuseUnparsable(error, socket);
    });
    this.server.on('connection', (socket: Socket) => {
      if (!this.admits()) {
        socket.destroy();
        return;
      }
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** @returns the port, which differs from the one asked for when that was 0. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog: this.options.backlog }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    this.server.on('error', (error) => {
      this.options.logger.error(`The listening socket failed: ${error.message}`);
    });
    return (this.server.address() as AddressInfo).port;
  }

  /** Shows and asks for other certificates from the next connection on; those that stand stay. */
  useTls(tls: TlsFiles): void {
    if (this.server instanceof https.Server) this.server.setSecureContext(secureContext(tls));
  }

  /**
   * Stops accepting, waits for what runs, then aborts the rest (reliability sheet §12). Every
   * answer ends its connection from the start, sooner than the sheet has it: a balancer that keeps
   * connections and knows nothing of readiness has none left when the port closes.
   */
  async stop({ delayMs, drainTimeoutMs }: StopOptions): Promise<void> {
    this.stopping = true;
    await pause(delayMs);
    // Not that of http.Server, which closes connections whose request was not read yet.
    const closed = new Promise<void>((resolve) => {
      net.Server.prototype.close.call(this.server, () => resolve());
    });
    await Promise.race([closed, pause(Math.min(LINGER_MS, delayMs))]);
    this.closesIdle = true;
    this.server.closeIdleConnections();
    if (!(await this.becomesIdle(drainTimeoutMs))) {
      this.options.logger.warn(
        `${this.inFlight} requests were still running after ${drainTimeoutMs / 1000} s: aborting them`,
      );
      this.options.onAbort();
      await this.becomesIdle(ABORT_GRACE_MS);
    }
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private readonly serve = (req: http.IncomingMessage, res: http.ServerResponse): void => {
    this.inFlight += 1;
    const { socket } = req;
    this.busy.add(socket);
    if (this.stopping) res.setHeader('Connection', 'close');
    res.once('close', () => {
      this.inFlight -= 1;
      this.busy.delete(socket);
      if (this.closesIdle) this.server.closeIdleConnections();
      if (this.inFlight === 0) this.idle?.();
    });
    this.options.handler(req, res);
  };

  /** Not by server.maxConnections: in a cluster, workers would pass the connection round. */
  private admits(): boolean {
    const { maxConnections = 0, logger } = this.options;
    if (maxConnections === 0 || this.sockets.size < maxConnections) return true;
    const now = performance.now();
    if (now - this.toldFullAt >= FULL_WARNING_INTERVAL_MS) {
      this.toldFullAt = now;
      logger.warn(`max_connections = ${maxConnections} are open: closing further ones`);
    }
    return false;
  }

  private async becomesIdle(timeoutMs: number): Promise<boolean> {
    if (this.inFlight === 0) return true;
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => {
        this.idle = undefined;
        resolve(false);
      }, timeoutMs);
      this.idle = () => {
        clearTimeout(timer);
        this.idle = undefined;
        resolve(true);
      };
    });
  }
}

function secureContext({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa ? { ca: clientCa } : {}) };
}

/** What cannot be parsed as HTTP gets a plain answer and a closed connection. */
function refuseUnparsable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  const body = `${status}\n`;
  const headers = Object.entries({
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': String(body.length),
    Connection: 'close',
    ...SECURITY_HEADERS,
    ...(socket instanceof TLSSocket ? STRICT_TRANSPORT : {}),
  });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status}\r\n${lines}\r\n${body}`);
}
