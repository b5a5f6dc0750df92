import type { RequestHandler } from 'express';
import { currentRequest, runInRequest } from '../request-context';
import type { Logger } from '../logger';
import { clientView } from './client-view';

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

/**
 * One line per request when its answer ends, which is the audit log too (security sheet §8): who for
 * which project, what, on which image, with what outcome, from where. A client that went away is
 * told apart (499).
 */
export function accessLogMiddleware(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const started = process.hrtime.bigint();
    // The end of an answer may be told by its connection, which knows of no request.
    const context = currentRequest() ?? {
      requestId: String(res.getHeader('X-Openstack-Request-Id') ?? '-'),
    };
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      const path = req.originalUrl.split('?', 1)[0] ?? '';
      runInRequest(context, () => {
        logger.info(`"${req.method} ${path}"`, {
          status: res.writableFinished ? res.statusCode : 499,
          seconds: seconds.toFixed(4),
          client: clientView(req).address,
          image: context.imageId ?? UUID.exec(path)?.[0].toLowerCase(),
          admin: context.isAdmin === true ? true : undefined,
        });
      });
    });
    next();
  };
}
