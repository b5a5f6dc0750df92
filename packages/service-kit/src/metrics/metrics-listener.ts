import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeError } from '@glance/common';
import { Registry } from 'prom-client';
import type { Logger } from '../logger';

const HEADERS_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;

export interface MetricsListenerOptions {
  host: string;
  port: number;
  logger: Logger;
  /** @returns everything that is to be told, in the text format of Prometheus. */
  read: () => Promise<string>;
}

/** The one page that a service has for those who watch it, on a port of its own. */
export class MetricsListener {
  private readonly server: http.Server;

  constructor(private readonly options: MetricsListenerOptions) {
    this.server = http.createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (req, res) => {
      void this.answer(req, res);
    });
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws Error that names the options when it cannot listen there. */
  async listen(): Promise<void> {
    const { host, port, logger } = this.options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once('error', reject);
        this.server.listen({ host, port, exclusive: true }, resolve);
      });
    } catch (error) {
      throw new Error(
        `[metrics] bind_host = ${host}, bind_port = ${port}: ${describeError(error)}`,
        { cause: error },
      );
    }
    this.server.on('error', (error) => {
      logger.error(`The listening socket for metrics failed: ${error.message}`);
    });
    const listening = (this.server.address() as AddressInfo).port;
    logger.info(`Serving /metrics on ${host}:${listening}`);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const path = req.url?.split('?', 1)[0];
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (path !== '/metrics' || !isRead) {
      send(res, path === '/metrics' ? 405 : 404, 'GET /metrics is all there is here.\n');
      return;
    }
    try {
      send(res, 200, await this.options.read(), Registry.PROMETHEUS_CONTENT_TYPE);
    } catch (error) {
      this.options.logger.error(`The metrics could not be read: ${describeError(error)}`);
      send(res, 500, 'The metrics could not be read; the log of the service says why.\n');
    }
  }
}

function send(
  res: http.ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  res.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(body);
}
