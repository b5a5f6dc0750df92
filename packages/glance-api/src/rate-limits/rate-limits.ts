import { DomainError } from '@glance/common';
import { clientView } from '@glance/service-kit';
import type { Request, RequestHandler } from 'express';
import { identityOf } from '../auth/authenticate';
import { ANONYMOUS_CALLER } from '../auth/caller';
import { TokenBuckets, type BucketLimits } from './token-buckets';

export interface RateLimits {
  /** Of a client address: requests without credentials, or with bad ones. */
  unauthenticated: BucketLimits;
  /** Of a project: requests for metadata. */
  requests: BucketLimits;
  /** Of a project: new images. */
  creates: BucketLimits;
  /** Told of every request that is refused, by the limit. */
  onRefusal?: (limit: RateLimit) => void;
}

export type RateLimit = 'unauthenticated' | 'requests' | 'creates';

/**
 * How often one caller may ask, as far as this process sees it (security sheet §7).
 * @returns middleware for before and after the caller is known.
 */
export function rateLimits(limits: RateLimits): {
  beforeAuthentication: RequestHandler;
  afterAuthentication: RequestHandler;
} {
  const buckets: Record<RateLimit, TokenBuckets> = {
    unauthenticated: new TokenBuckets(limits.unauthenticated),
    requests: new TokenBuckets(limits.requests),
    creates: new TokenBuckets(limits.creates),
  };
  const { unauthenticated } = buckets;
  /** @throws DomainError `rate_limited` when there is no token. */
  const check = (limit: RateLimit, key: string): void => {
    const retryAfterSeconds = buckets[limit].secondsUntilToken(key);
    if (retryAfterSeconds === 0) return;
    limits.onRefusal?.(limit);
    throw new DomainError('rate_limited', 'Too many requests in a short time; try again later.', {
      details: { retryAfterSeconds },
    });
  };
  const takeOne = (limit: RateLimit, key: string): void => {
    check(limit, key);
    buckets[limit].take(key);
  };
  const addressOf = (req: Request): string => clientView(req).address ?? '';

  return {
    beforeAuthentication: (req, res, next) => {
      const address = addressOf(req);
      // Nothing is asked about the token of somebody who has tried too many.
      check('unauthenticated', address);
      res.once('finish', () => {
        if (res.statusCode === 401) unauthenticated.take(address);
      });
      next();
    },
    afterAuthentication: (req, _res, next) => {
      const caller = identityOf(req);
      if (caller === ANONYMOUS_CALLER) {
        takeOne('unauthenticated', addressOf(req));
      } else {
        const project = caller.projectId ?? '';
        if (!isData(req)) takeOne('requests', project);
        if (isCreate(req)) takeOne('creates', project);
      }
      next();
    },
  };
}

/** Transfers have limits of their own: a slow one and a hundred quick ones are not to be compared. */
function isData({ method, path, headers }: Request): boolean {
  if (/^\/v2\/images\/[^/]+\/file$/.test(path)) return true;
  if (!/^\/v1\/images(\/[^/]+)?$/.test(path)) return false;
  if (method === 'GET') return !/^\/v1\/images(\/detail)?$/.test(path);
  const isUpload = method === 'POST' || method === 'PUT';
  return isUpload && headers['content-type']?.startsWith('application/octet-stream') === true;
}

function isCreate({ method, path }: Request): boolean {
  return method === 'POST' && /^\/v[12]\/images$/.test(path);
}
