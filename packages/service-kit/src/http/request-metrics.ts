import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Metrics } from '../metrics/metrics';

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
]);

/** From what a lookup takes to what a large image takes. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600, 3600];

/** Under which path the routes stand that a request came to last. */
const MOUNTED_AT = new WeakMap<IncomingMessage, string>();

/** Goes before a router: says where it is mounted, since a request forgets that when it fails. */
export function routesAt(prefix: string): RequestHandler {
  return (req, _res, next) => {
    MOUNTED_AT.set(req, prefix);
    next();
  };
}

/**
 * Counts requests and times them, by route as it was declared: what clients write into paths would
 * make a series each. One that was answered before it came to a route has none.
 */
export function requestMetricsMiddleware({ process: series, prefix }: Metrics): RequestHandler {
  let inFlight = 0;
  series.gauge({
    name: `${prefix}_http_requests_in_flight`,
    help: 'Requests that are being answered',
    read: () => [{ value: inFlight }],
  });
  const requests = series.events({
    name: `${prefix}_http_requests_total`,
    help: 'Answered requests by method, route (none: answered before it came to one) and status (499: the client went away)',
    labels: ['method', 'route', 'status'],
  });
  const durations = series.durations({
    name: `${prefix}_http_request_duration_seconds`,
    help: 'From the headers of a request to the end of its answer, bodies included',
    labels: ['method', 'route'],
    buckets: BUCKETS,
  });
  return (req, res, next) => {
    const started = performance.now();
    inFlight += 1;
    res.once('close', () => {
      inFlight -= 1;
      const method = METHODS.has(req.method) ? req.method : 'other';
      const route = routeOf(req);
      const status = String(res.writableFinished ? res.statusCode : 499);
      requests.inc({ method, route, status });
      durations.observe({ method, route }, (performance.now() - started) / 1000);
    });
    next();
  };
}

function routeOf(req: Parameters<RequestHandler>[0]): string {
  const declared: unknown = (req.route as { path?: unknown } | undefined)?.path;
  if (declared === undefined) return 'none';
  const path = String(Array.isArray(declared) ? declared[0] : declared);
  return `${MOUNTED_AT.get(req) ?? ''}${path}`.replace(/(?<=.)\/$/, '');
}
