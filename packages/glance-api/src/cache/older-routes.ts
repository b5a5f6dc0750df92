import { DomainError, toCanonicalUuid } from '@glance/common';
import { sendJson } from '@glance/service-kit';
import { Router, type Request, type RequestHandler } from 'express';
import { identityOf } from '../auth/authenticate';
import type { Policy } from '../policy/policy';
import { cacheEntryView, noCache } from './cache-view';
import type { ImageCache } from './image-cache';

type Answer = (cache: ImageCache, req: Request) => Promise<unknown>;

/**
 * The older routes of cache management, below /v1 and /v2 (api-v1 sheet §7, api-v2 sheet 10.6): they
 * do not look for images.
 * @param cache undefined where there is none; who may manage one is told so.
 */
export function olderCacheRouter(policy: Policy, cache: ImageCache | undefined): Router {
  const answer =
    (work: Answer): RequestHandler =>
    async (req, res) => {
      policy.enforce('manage_image_cache', identityOf(req));
      if (!cache) throw noCache();
      const body = await work(cache, req);
      sendJson(res, body ?? null, 'application/json');
    };
  const router = Router({ strict: true, caseSensitive: true });
  router.get(
    '/cached_images',
    answer(async (found) => ({ cached_images: (await found.cached()).map(cacheEntryView) })),
  );
  router.delete(
    '/cached_images',
    answer(async (found) => ({ num_deleted: await found.evictAll() })),
  );
  router.delete(
    '/cached_images/:id',
    answer(async (found, req) => {
      await found.evict(idOf(req));
    }),
  );
  router.get(
    '/queued_images',
    answer(async (found) => ({ queued_images: await found.queued() })),
  );
  router.delete(
    '/queued_images',
    answer(async (found) => ({ num_deleted: await found.unqueueAll() })),
  );
  router.put(
    '/queued_images/:id',
    answer(async (found, req) => {
      await found.enqueue(idOf(req));
    }),
  );
  router.delete(
    '/queued_images/:id',
    answer(async (found, req) => {
      await found.unqueue(idOf(req));
    }),
  );
  return router;
}

function idOf(req: Request): string {
  const given = String(req.params['id']);
  const id = toCanonicalUuid(given);
  if (id === undefined) {
    throw new DomainError('not_found', `There is no image ${given.slice(0, 64)}`);
  }
  return id;
}
