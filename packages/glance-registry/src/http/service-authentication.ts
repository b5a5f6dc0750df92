import { createHash, timingSafeEqual } from 'node:crypto';
import { DomainError, INTERNAL_HEADERS } from '@glance/common';
import type { RequestHandler } from 'express';

/**
 * Believes only callers that show the service key. Without a key everybody is believed: then the
 * connection itself must say who calls (loopback only, or client certificates).
 */
export function serviceAuthentication(serviceKey: string | undefined): RequestHandler {
  const expected = serviceKey === undefined ? undefined : digest(serviceKey);
  return (req, _res, next) => {
    if (expected !== undefined) {
      const given = req.headers[INTERNAL_HEADERS.serviceKey];
      // Digests have one length, so that the comparison takes the same time for every key.
      if (typeof given !== 'string' || !timingSafeEqual(digest(given), expected)) {
        throw new DomainError('unauthenticated', 'The service key is missing or wrong');
      }
    }
    next();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
