import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { Metrics } from '../metrics/metrics';
import { requestMetricsMiddleware, routesAt } from './request-metrics';

describe('the series of requests', () => {
  let metrics: Metrics;
  let server: http.Server;
  let url: string;
  let release: () => void;

  beforeEach(async () => {
    metrics = new Metrics('glance_api');
    const app = express();
    app.use(requestMetricsMiddleware(metrics));
    app.get('/', (_req, res) => {
      res.end();
    });
    const router = express.Router();
    router.get('/', (_req, res) => {
      res.end();
    });
    router.get('/:id', (_req, res) => {
      res.status(201).end();
    });
    router.all(['/:id/fails', '/:id/fails/too'], () => {
      throw new Error('no');
    });
    router.get('/:id/hangs', (_req, res) => {
      res.write('some');
      release();
    });
    app.use('/v2/images', routesAt('/v2/images'), router);
    app.use(((_error, _req, res, _next) => {
      res.status(500).end();
    }) satisfies express.ErrorRequestHandler);
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const lines = async (): Promise<string[]> => {
    const text = await metrics.process.registry.metrics();
    return text.split('\n').filter((line) => line.startsWith('glance_api_http_requests_total{'));
  };
  /** Waits for an answer's end, which the server learns a moment later. */
  const counted = async (expected: string[]): Promise<void> => {
    for (;;) {
      const found = await lines();
      if (found.length >= expected.length || found.length > 20) {
        const wanted = expected.map((labels) => `glance_api_http_requests_total{${labels}} 1`);
        expect(found.sort()).toEqual(wanted.sort());
        return;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it('name routes as they were declared, however a request was written and ended', async () => {
    for (const path of ['/', '/v2/images', '/V2/IMAGES/one', '/v2/images/2/fails', '/nothing/3']) {
      await (await fetch(`${url}${path}`)).arrayBuffer();
    }
    await counted([
      'method="GET",route="/",status="200"',
      'method="GET",route="/v2/images",status="200"',
      'method="GET",route="/v2/images/:id",status="201"',
      'method="GET",route="/v2/images/:id/fails",status="500"',
      'method="GET",route="none",status="404"',
    ]);
  });

  it('put methods that nobody needs together', async () => {
    for (const method of ['PROPFIND', 'MKCOL']) {
      const request = http.request(`${url}/v2/images/1/fails`, { method }).end();
      const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
      answer.resume();
      await once(answer, 'end');
    }
    for (let found = ''; !found.endsWith('} 2');) found = (await lines())[0] ?? '';
    expect(await lines()).toEqual([
      'glance_api_http_requests_total{method="other",route="/v2/images/:id/fails",status="500"} 2',
    ]);
  });

  it('tell a client that went away apart, and count what runs', async () => {
    const hanging = new Promise<void>((resolve) => (release = resolve));
    const leave = new AbortController();
    const answer = fetch(`${url}/v2/images/1/hangs`, { signal: leave.signal });
    await hanging;
    const inFlight = async () =>
      /^glance_api_http_requests_in_flight (\d)$/m.exec(
        await metrics.process.registry.metrics(),
      )?.[1];
    expect(await inFlight()).toBe('1');
    leave.abort();
    await answer.then((begun) => begun.text()).catch(() => undefined);
    await counted(['method="GET",route="/v2/images/:id/hangs",status="499"']);
    expect(await inFlight()).toBe('0');
  });
});
