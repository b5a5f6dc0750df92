import { invalidRequest } from '@glance/common';
import { jsonBody } from '@glance/service-kit';
import type { Request, RequestHandler } from 'express';

const MAX_DEPTH = 25;
const CODINGS: ReadonlySet<string> = new Set([
  'chunked',
  'compress',
  'deflate',
  'gzip',
  'identity',
]);

/** What counts as a body (api-v2 sheet 1.1). */
export function hasBody(req: Request): boolean {
  const coding = req.headers['transfer-encoding']?.trim().toLowerCase();
  return (
    (coding !== undefined && CODINGS.has(coding) && /^(POST|PUT|PATCH)$/.test(req.method)) ||
    Number(req.headers['content-length'] ?? 0) > 0
  );
}

/** Routes marked NB. @throws DomainError `invalid_request`. */
export const withoutBody: RequestHandler = (req, _res, next) => {
  if (hasBody(req)) throw invalidRequest('A body is not expected with this request.');
  next();
};

/** Routes marked JB: `req.body` is the decoded object or array. @throws `invalid_request`. */
export const withJsonBodyUpTo = (maxBytes: number): RequestHandler[] => [
  ...jsonBody({ maxBytes, maxDepth: MAX_DEPTH }),
  (req, _res, next) => {
    const body: unknown = req.body;
    if (body === undefined) throw invalidRequest('Body expected in request.');
    if (typeof body !== 'object' || body === null) {
      throw invalidRequest('Unexpected body type. Expected list/dict.');
    }
    next();
  },
];

/** For images: the registry takes as much of them. */
export const withJsonBody = withJsonBodyUpTo(1024 * 1024);
