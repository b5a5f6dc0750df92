import { Router, type RequestHandler } from 'express';
import { methodNotAllowed } from '../http/no-such-route';
import type { ImagesController } from './images-controller';
import { withJsonBody, withoutBody } from './request-body';

export interface V2Controllers {
  images: ImagesController;
}

/** By method, what a path answers. */
type Methods = Partial<Record<'get' | 'post' | 'put' | 'patch' | 'delete', RequestHandler[]>>;

/** Routes of API v2 (api-v2 sheet 1.2). A method that a path has not is 405 with those it has. */
export function v2Router({ images }: V2Controllers): Router {
  const router = Router({ strict: true, caseSensitive: true });
  const route = (path: string, methods: Methods): void => {
    const allowed = Object.keys(methods).map((method) => method.toUpperCase());
    // Express would answer HEAD by the handler of GET: nothing of v2 has it.
    router.head(path, methodNotAllowed(allowed.join(', ')));
    for (const [method, handlers] of Object.entries(methods)) {
      router[method as keyof Methods](path, ...handlers);
    }
    router.all(path, methodNotAllowed(allowed.join(', ')));
  };

  route('/images', { get: [images.index], post: [...withJsonBody, images.create] });
  route('/images/:id', {
    get: [withoutBody, images.show],
    patch: [images.checkPatchType, ...withJsonBody, images.update],
    delete: [withoutBody, images.remove],
  });
  return router;
}
