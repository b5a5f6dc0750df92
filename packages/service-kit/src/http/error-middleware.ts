import { DomainError, describeError, type ErrorCode } from '@glance/common';
import type { ErrorRequestHandler, Request, Response } from 'express';
import type { Logger } from '../logger';
import { answerBeforeBody, type LingerLimits } from './answer-before-body';

export interface ErrorMiddlewareOptions {
  logger: Logger;
  statusOf: Readonly<Record<ErrorCode, number>>;
  /** Writes status, headers and body. Everything in `error` may be shown to the client. */
  render(req: Request, res: Response, status: number, error: DomainError): void;
}

/** Headers of the answer that does not come. */
const DESCRIBES_BODY = /^content-(?!security-policy$)|^etag$|^location$|^x-image-meta-/;

/**
 * The one place where an error becomes an answer. Unknown errors are a plain 500 without inner
 * text; when the answer has begun the connection is cut, so that a client never takes a broken
 * body for a whole one.
 */
export function errorMiddleware(options: ErrorMiddlewareOptions): ErrorRequestHandler {
  return (thrown: unknown, req, res, _next) => {
    const error = toDomainError(thrown);
    const status = options.statusOf[error.code];
    if (error.code === 'client_gone') {
      options.logger.info(`The client went away: ${describeError(error)}`);
    } else if (error.code === 'overloaded') {
      options.logger.warn(`${req.method} ${req.path} refused: ${describeError(error)}`, { status });
    } else if (status >= 500) {
      options.logger.error(`${req.method} ${req.path} failed: ${describeError(thrown)}`, {
        status,
        ...(error.code === 'internal' && thrown instanceof Error ? { stack: thrown.stack } : {}),
      });
    } else {
      options.logger.debug(`${req.method} ${req.path} refused: ${describeError(error)}`, {
        status,
      });
    }
    if (res.headersSent || res.destroyed) {
      req.socket.destroy();
      return;
    }
    for (const name of res.getHeaderNames()) {
      if (DESCRIBES_BODY.test(name)) res.removeHeader(name);
    }
    const { retryAfterSeconds } = error.details;
    if (typeof retryAfterSeconds === 'number') {
      res.setHeader('Retry-After', String(retryAfterSeconds));
    }
    if (!req.complete) answerBeforeBody(req, res, patienceFor(error.code));
    options.render(req, res, status, error);
  };
}

/** How long a client whose request failed may go on sending before it must read the answer. */
function patienceFor(code: ErrorCode): LingerLimits {
  switch (code) {
    // Nobody known: no more than it takes to read an answer.
    case 'unauthenticated':
    case 'headers_too_large':
    case 'uri_too_long':
    case 'rate_limited':
    case 'shutting_down':
      return { totalMs: 1000, idleMs: 1000 };
    case 'client_too_slow':
    case 'client_gone':
      return { totalMs: 0, idleMs: 0 };
    default:
      return { totalMs: 30_000, idleMs: 5000 };
  }
}

/** Errors of express and its parsers, and of the URL decoder, carry a 4xx status of their own. */
function toDomainError(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  const status = (thrown as { status?: unknown } | null)?.status;
  if (status === 413)
    return new DomainError('too_large', 'The request body is too large', { cause: thrown });
  if (status === 415) {
    return new DomainError('unsupported_media_type', 'Unsupported content encoding', {
      cause: thrown,
    });
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new DomainError('invalid_request', 'The request could not be understood', {
      cause: thrown,
    });
  }
  return new DomainError(
    'internal',
    'The server has either erred or is incapable of performing the requested operation.',
    {
      cause: thrown,
    },
  );
}
