import {
  HTTP_STATUS,
  accessLogMiddleware,
  clientViewMiddleware,
  errorMiddleware,
  headerLimitsMiddleware,
  healthRouter,
  requestIdMiddleware,
  requestMetricsMiddleware,
  routesAt,
  securityHeaders,
  type ClientViewOptions,
  type HealthOptions,
  type Logger,
  type Metrics,
} from '@glance/service-kit';
import express, { type Express, type RequestHandler, type Router } from 'express';
import { authenticationMiddleware, type AuthenticationOptions } from './auth/authenticate';
import { cors, type CorsOptions } from './http/cors';
import { noSuchRoute } from './http/no-such-route';
import { rateLimits, type RateLimits } from './rate-limits/rate-limits';
import { renderError } from './v1/error-view';
import { V2_STATUS, renderV2Error } from './v2/error-view';
import { versionNegotiation, type VersionOptions } from './versions/version-negotiation';

export interface AppOptions {
  logger: Logger;
  /** Absent: requests are not counted. */
  metrics?: Metrics | undefined;
  health: HealthOptions;
  maxRequestIdLength: number;
  clientView: ClientViewOptions;
  cors: CorsOptions;
  versions: VersionOptions;
  /** Makes files of rules that were changed some time before a request hold for it. */
  refreshAccessRules(): Promise<void>;
  authentication: AuthenticationOptions;
  rateLimits: RateLimits;
  v1: Router;
  v2: Router;
}

/** Longer than any list of ids that a page can be asked for, and what proxies usually pass. */
const MAX_URI_BYTES = 8192;

/** The public HTTP application, in the order a request meets its parts. */
export function createApp(options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.use(clientViewMiddleware(options.clientView));
  app.use(securityHeaders);
  app.use(healthRouter(options.health));
  app.use(cors(options.cors));
  app.use(requestIdMiddleware(options.maxRequestIdLength));
  app.use(accessLogMiddleware(options.logger));
  if (options.metrics) app.use(requestMetricsMiddleware(options.metrics));
  app.use(headerLimitsMiddleware({ maxUriBytes: MAX_URI_BYTES }));
  app.use(answerOptions);
  app.use(versionNegotiation(options.versions));
  app.use(async (_req, _res, next) => {
    await options.refreshAccessRules();
    next();
  });
  const limits = rateLimits(options.rateLimits);
  app.use(limits.beforeAuthentication);
  app.use(authenticationMiddleware(options.authentication));
  app.use(limits.afterAuthentication);
  app.use('/v1', routesAt('/v1'), options.v1);
  app.use('/v2', routesAt('/v2'), options.v2);
  app.use(noSuchRoute);
  app.use(
    '/v2',
    errorMiddleware({ logger: options.logger, statusOf: V2_STATUS, render: renderV2Error }),
  );
  app.use(errorMiddleware({ logger: options.logger, statusOf: HTTP_STATUS, render: renderError }));
  return app;
}

/** OPTIONS of any path by anybody (api-v2 sheet 1.1), preflights among them. */
const answerOptions: RequestHandler = (req, res, next) => {
  if (req.method === 'OPTIONS') res.status(200).end();
  else next();
};
