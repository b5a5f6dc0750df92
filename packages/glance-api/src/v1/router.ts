import { DomainError } from '@glance/common';
import { jsonBody } from '@glance/service-kit';
import { Router, type RequestHandler } from 'express';
import type { ImagesController } from './images-controller';
import type { MembersController } from './members-controller';

const MEMBER_BODY_LIMITS = { maxBytes: 512 * 1024, maxDepth: 8 };
const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'];

/**
 * Routes of API v1 (api-v1 sheet 2.1).
 * @param cache the routes of cache management, where they are switched on.
 */
export function v1Router(
  images: ImagesController,
  members: MembersController,
  cache?: Router,
): Router {
  const router = Router({ strict: true, caseSensitive: true });
  router.all('/', images.index);

  router.head('/images', methodNotAllowed('GET, POST'));
  router.get('/images', images.index);
  router.post('/images', images.create);
  router.all('/images', methodNotAllowed('GET, POST'));

  router.head('/images/detail', methodNotAllowed('GET'));
  router.get('/images/detail', images.detail);
  router.all('/images/detail', methodNotAllowed('GET, HEAD'));

  router.head('/images/:id', images.head);
  router.get('/images/:id', images.download);
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

/** @param allow undefined where upstream names no method. */
function methodNotAllowed(allow?: string): RequestHandler {
  return (req, res) => {
    if (allow !== undefined) res.set('Allow', allow);
    throw new DomainError('method_not_allowed', `${req.method} is not allowed for this resource.`);
  };
}

/** Paths that nothing serves: 404, or 501 for methods the API does not know. */
export const noSuchRoute: RequestHandler = (req, res, next) => {
  if (KNOWN_METHODS.includes(req.method)) {
    next(new DomainError('not_found', 'The resource could not be found.'));
    return;
  }
  res.status(501).type('text/plain').send('501 Not Implemented\n');
};
