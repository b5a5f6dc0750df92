import { createHash, timingSafeEqual } from 'node:crypto';
import { DomainError, INTERNAL_HEADERS } from '@glance/common';
import type { ServiceKeys } from '@glance/service-kit';
import type { RequestHandler } from 'express';

/**
 * Believes only callers that show a service key. Without one everybody is believed: then the
 * connection itself must say who calls (loopback only, or client certificates).
 */
export function serviceAuthentication(serviceKeys: ServiceKeys): RequestHandler {
  let keys: readonly string[] = [];
  let digests: Buffer[] = [];
  return (req, _res, next) => {
    if (keys !== serviceKeys.accepted) {
      keys = serviceKeys.accepted;
      digests = keys.map(digest);
    }
    if (digests.length > 0) {
      const given = req.headers[INTERNAL_HEADERS.serviceKey];
      if (typeof given !== 'string' || !isOneOf(digests, digest(given))) {
        throw new DomainError('unauthenticated', 'The service key is missing or wrong');
      }
    }
    next();
  };
}

/** Digests have one length, and all are looked at: it takes the same time for every key. */
function isOneOf(digests: readonly Buffer[], given: Buffer): boolean {
  let found = false;
  for (const each of digests) found = timingSafeEqual(each, given) || found;
  return found;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
