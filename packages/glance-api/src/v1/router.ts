import { jsonBody } from '@glance/service-kit';
import { Router } from 'express';
import { methodNotAllowed } from '../http/no-such-route';
import type { ImageReads } from './image-reads';
import type { ImagesController } from './images-controller';
import type { MembersController } from './members-controller';

const MEMBER_BODY_LIMITS = { maxBytes: 512 * 1024, maxDepth: 8 };

/**
 * Routes of API v1 (api-v1 sheet 2.1).
 * @param cache the routes of cache management, where they are switched on.
 */
export function v1Router(
  reads: ImageReads,
  images: ImagesController,
  members: MembersController,
  cache?: Router,
): Router {
  const router = Router({ strict: true, caseSensitive: true });
  router.all('/', reads.index);

  router.head('/images', methodNotAllowed('GET, POST'));
  router.get('/images', reads.index);
  router.post('/images', images.create);
  router.all('/images', methodNotAllowed('GET, POST'));

  router.head('/images/detail', methodNotAllowed('GET'));
  router.get('/images/detail', reads.detail);
  router.all('/images/detail', methodNotAllowed('GET, HEAD'));

  router.head('/images/:id', reads.head);
  router.get('/images/:id', reads.download);
  router.put('/images/:id', images.update);
  router.delete('/images/:id', images.remove);
  router.all('/images/:id', methodNotAllowed('GET, HEAD, PUT, DELETE'));

  const memberChange = [members.checkCaller, ...jsonBody(MEMBER_BODY_LIMITS)];
  router.head('/images/:id/members', methodNotAllowed('GET, PUT'));
  router.get('/images/:id/members', members.index);
  router.put('/images/:id/members', memberChange, members.replace);
  router.all('/images/:id/members', methodNotAllowed('GET, PUT'));

  router.head('/images/:id/members/:member', methodNotAllowed('GET, PUT, DELETE'));
  router.get('/images/:id/members/:member', methodNotAllowed());
  router.put('/images/:id/members/:member', memberChange, members.put);
  router.delete('/images/:id/members/:member', members.checkCaller, members.remove);
  router.all('/images/:id/members/:member', methodNotAllowed('GET, PUT, DELETE'));

  router.all('/shared-images/:member', members.sharedImages);
  if (cache) router.use(cache);
  return router;
}
