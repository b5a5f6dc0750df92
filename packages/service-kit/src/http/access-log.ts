import type { RequestHandler } from 'express';
import { currentRequest, runInRequest } from '../request-context';
import type { Logger } from '../logger';
import { clientView } from './client-view';

/** One line per request when its answer ends; a client that went away is told apart (499). */
export function accessLogMiddleware(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const started = process.hrtime.bigint();
    res.once('close', () => {
      const context = currentRequest();
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      const line = (): void => {
        logger.info(`"${req.method} ${req.originalUrl.split('?', 1)[0] ?? ''}"`, {
          status: res.writableFinished ? res.statusCode : 499,
          seconds: seconds.toFixed(4),
          client: clientView(req).address,
        });
      };
      if (context) line();
      else
        runInRequest({ requestId: String(res.getHeader('X-Openstack-Request-Id') ?? '-') }, line);
    });
    next();
  };
}
