import { DomainError, invalidRequest } from '@glance/common';
import type { RequestHandler } from 'express';

/** Above this many header fields Node itself would drop the rest without a word. */
export const MAX_HEADER_COUNT = 1000;

const SINGLE_HEADERS = new Set([
  'authorization',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'range',
  'x-auth-token',
  'x-glance-identity',
  'x-glance-request-key',
  'x-glance-service-key',
  'x-openstack-request-id',
  'x-service-token',
]);

export interface HeaderLimits {
  /** Of the path and query as they were sent. No limit but that of all headers when absent. */
  maxUriBytes?: number;
}

/**
 * Refuses more header fields than can be trusted to be complete (431), and fields given twice
 * whose meaning would depend on which one is taken (400), and URIs that are too long (414).
 * Security sheet §5.
 */
export function headerLimitsMiddleware({ maxUriBytes }: HeaderLimits = {}): RequestHandler {
  return (req, _res, next) => {
    if (maxUriBytes !== undefined && req.originalUrl.length > maxUriBytes) {
      throw new DomainError('uri_too_long', `The URI is longer than ${maxUriBytes} bytes`);
    }
    if (req.rawHeaders.length / 2 > MAX_HEADER_COUNT) {
      throw new DomainError(
        'headers_too_large',
        `The request has more than ${MAX_HEADER_COUNT} header fields; nothing was applied`,
      );
    }
    const seen = new Set<string>();
    for (let index = 0; index < req.rawHeaders.length; index += 2) {
      const name = (req.rawHeaders[index] as string).toLowerCase();
      if (!SINGLE_HEADERS.has(name)) continue;
      if (seen.has(name)) throw invalidRequest(`The header ${name} is given more than once`);
      seen.add(name);
    }
    next();
  };
}
