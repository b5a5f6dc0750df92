import { Router, type RequestHandler } from 'express';
import { methodNotAllowed, noSuchRoute } from '../http/no-such-route';
import { answerJson } from './answer';
import type { DiscoveryController } from './discovery-controller';
import type { ImagesController } from './images-controller';
import { withJsonBody, withoutBody } from './request-body';
import { checkUrl } from './request-url';
import type { JsonSchema } from './schemas/image-schema';

export interface V2Controllers {
  images: ImagesController;
  discovery: DiscoveryController;
  /** The documents below `/schemas/`, by name. */
  schemas: Readonly<Record<string, JsonSchema>>;
}

/** By method, what a path answers. */
type Methods = Partial<Record<'get' | 'post' | 'put' | 'patch' | 'delete', RequestHandler[]>>;

/** Routes of API v2 (api-v2 sheet 1.2). A method that a path has not is 405 with those it has. */
export function v2Router({ images, discovery, schemas }: V2Controllers): Router {
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
  /** Paths that upstream forgot to refuse other methods of: those are 404. */
  const routeGetOnly = (path: string, ...handlers: RequestHandler[]): void => {
    router.head(path, noSuchRoute);
    router.get(path, ...handlers);
  };

  router.use(checkUrl);
  route('/images', { get: [images.index], post: [...withJsonBody, images.create] });
  route('/images/:id', {
    get: [withoutBody, images.show],
    patch: [images.checkPatchType, ...withJsonBody, images.update],
    delete: [withoutBody, images.remove],
  });
  routeGetOnly('/images/:id/tasks', withoutBody, discovery.tasks);

  for (const [name, schema] of Object.entries(schemas)) {
    route(`/schemas/${name}`, {
      get: [
        withoutBody,
        (_req, res) => {
          answerJson(res, schema);
        },
      ],
    });
  }
  route('/info/import', { get: [withoutBody, discovery.importMethods] });
  route('/info/stores', { get: [withoutBody, discovery.severalStores] });
  route('/info/stores/detail', { get: [withoutBody, discovery.severalStores] });
  routeGetOnly('/info/usage', discovery.usage);
  route('/stores/:store/:id', { delete: [withoutBody, discovery.severalStores] });
  return router;
}
