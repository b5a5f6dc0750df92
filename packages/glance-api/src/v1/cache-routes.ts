import { DomainError } from '@glance/common';
import { Router, type RequestHandler } from 'express';
import { identityOf } from '../auth/authenticate';
import type { Policy } from '../policy/policy';

/**
 * Management of the image cache (api-v1 sheet §7, lifecycle sheet §4.4), which this release does
 * not have: whoever may manage it is told so.
 */
export function cacheRouter(policy: Policy): Router {
  const answer: RequestHandler = (req) => {
    policy.enforce('manage_image_cache', identityOf(req));
    throw new DomainError('not_found', 'Caching via API is not supported at this site.');
  };
  const router = Router({ strict: true, caseSensitive: true });
  for (const list of ['/cached_images', '/queued_images']) {
    router.get(list, answer);
    router.delete([list, `${list}/:id`], answer);
  }
  router.put('/queued_images/:id', answer);
  return router;
}
