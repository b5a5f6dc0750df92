import { DomainError, INTERNAL_HEADERS } from '@glance/common';
import type { RequestHandler } from 'express';
import { currentRequest, newRequestId, runInRequest } from '../request-context';
import { readTraceContext } from '../trace-context';

/**
 * Gives every request an id, the caller's own when it is short visible ASCII, answers with it and
 * puts it on every log line, beside the trace that the request belongs to. Longer ids than
 * `maxLength` are refused (431).
 */
export function requestIdMiddleware(maxLength: number): RequestHandler {
  return (req, res, next) => {
    const given = req.headers[INTERNAL_HEADERS.requestId];
    const usable = typeof given === 'string' && /^[\x21-\x7e]+$/.test(given);
    const tooLong = usable && given.length > maxLength;
    const requestId = usable && !tooLong ? given : newRequestId();
    res.setHeader('X-Openstack-Request-Id', requestId);
    const trace = readTraceContext(req.headers[INTERNAL_HEADERS.traceparent]);
    runInRequest({ requestId, trace }, () => {
      next(
        tooLong
          ? new DomainError(
              'headers_too_large',
              `The request id is longer than ${maxLength} characters`,
            )
          : undefined,
      );
    });
  };
}

/** The id of the request being served. */
export function requestId(): string {
  return currentRequest()?.requestId ?? newRequestId();
}
