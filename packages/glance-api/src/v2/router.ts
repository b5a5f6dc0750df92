import { Router, type RequestHandler } from 'express';
import { methodNotAllowed, noSuchRoute } from '../http/no-such-route';
import type { ActionsController } from './actions-controller';
import { answerJson } from './answer';
import type { CacheController } from './cache-controller';
import type { DiscoveryController } from './discovery-controller';
import type { DataController } from './data-controller';
import type { ImportController } from './import-controller';
import type { ImagesController } from './images-controller';
import type { LocationsController } from './locations-controller';
import type { MembersController } from './members-controller';
import { metadefRoutes, type MetadefControllers } from './metadefs/metadef-routes';
import { withJsonBody, withoutBody } from './request-body';
import { checkUrl } from './request-url';
import type { JsonSchema } from './schemas/image-schema';
import type { StoresController } from './stores-controller';
import type { TagsController } from './tags-controller';
import type { TasksController } from './tasks-controller';
import type { TimelineController } from './timeline-controller';

export interface V2Controllers {
  images: ImagesController;
  members: MembersController;
  metadefs: MetadefControllers;
  tags: TagsController;
  actions: ActionsController;
  cache: CacheController;
  /** The older routes about it, where they are switched on. */
  olderCache: Router | undefined;
  discovery: DiscoveryController;
  stores: StoresController;
  /** The documents below `/schemas/`, by name. */
  schemas: Readonly<Record<string, JsonSchema>>;
  data: DataController;
  imports: ImportController;
  tasks: TasksController;
  timeline: TimelineController;
  locations: LocationsController;
}

/** By method, what a path answers. */
type Methods = Partial<Record<'get' | 'post' | 'put' | 'patch' | 'delete', RequestHandler[]>>;

/** Routes of API v2 (api-v2 sheet 1.2). A method that a path has not is 405 with those it has. */
export function v2Router(controllers: V2Controllers): Router {
  const { images, data, imports, tasks, locations, members, tags } = controllers;
  const { actions, cache, discovery, stores, timeline } = controllers;
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
  route('/images/:id/members', {
    get: [withoutBody, members.index],
    post: [...withJsonBody, members.create],
  });
  route('/images/:id/members/:member', {
    get: [withoutBody, members.show],
    put: [...withJsonBody, members.update],
    delete: [withoutBody, members.remove],
  });
  route('/images/:id/tags/:tag', {
    put: [withoutBody, tags.put],
    delete: [withoutBody, tags.remove],
  });
  route('/images/:id/actions/deactivate', { post: [withoutBody, actions.deactivate] });
  route('/images/:id/actions/reactivate', { post: [withoutBody, actions.reactivate] });
  routeGetOnly('/images/:id/tasks', withoutBody, tasks.ofImage);
  route('/images/:id/timeline', { get: [withoutBody, timeline.show] });
  route('/images/:id/stage', { put: [imports.stage] });
  route('/images/:id/import', { post: [...withJsonBody, imports.import] });
  // Who may not see tasks is told so, whatever is asked of them.
  router.all(['/tasks', '/tasks/:id'], tasks.checkAccess);
  route('/tasks', { get: [withoutBody, tasks.index], post: [...withJsonBody, tasks.create] });
  route('/tasks/:id', { get: [withoutBody, tasks.show] });

  for (const [name, schema] of Object.entries(controllers.schemas)) {
    route(`/schemas/${name}`, {
      get: [
        withoutBody,
        (_req, res) => {
          answerJson(res, schema);
        },
      ],
    });
  }
  for (const [path, methods] of metadefRoutes(controllers.metadefs)) route(path, methods);
  route('/info/import', { get: [withoutBody, discovery.importMethods] });
  route('/info/stores', { get: [withoutBody, stores.index] });
  route('/info/stores/detail', { get: [withoutBody, stores.detail] });
  routeGetOnly('/info/usage', discovery.usage);
  route('/stores/:store/:id', { delete: [withoutBody, stores.removeImage] });

  route('/cache', {
    get: [withoutBody, cache.index],
    delete: [cache.clear],
  });
  route('/cache/clean', { post: [cache.clean] });
  route('/cache/prune', { post: [cache.prune] });
  route('/cache/:id', {
    delete: [cache.remove],
    put: [cache.enqueue],
  });
  route('/cache/nodes/:id', { get: [withoutBody, cache.nodes] });
  // Its 405 names what upstream's does: forms are our own.
  router.post('/images/:id/file', data.uploadForm);
  route('/images/:id/file', { get: [withoutBody, data.download], put: [data.upload] });
  route('/images/:id/locations', {
    // It neither refuses nor uses a body (api-v2 sheet 1.2).
    get: [locations.index],
    post: [...withJsonBody, locations.add],
  });
  if (controllers.olderCache) router.use(controllers.olderCache);
  return router;
}
