import type { RequestHandler } from 'express';
import { withJsonBodyUpTo, withoutBody } from '../request-body';
import type { MetadefTagsController } from './metadef-tags-controller';
import type { NamespacesController } from './namespaces-controller';
import type { ObjectsController } from './objects-controller';
import type { PropertiesController } from './properties-controller';
import type { ResourceTypesController } from './resource-types-controller';

export interface MetadefControllers {
  namespaces: NamespacesController;
  objects: ObjectsController;
  properties: PropertiesController;
  tags: MetadefTagsController;
  resourceTypes: ResourceTypesController;
}

/** A namespace may come with all that it holds (security sheet §11). */
const withBody = withJsonBodyUpTo(4 * 1024 * 1024);

/** By path, the methods of each (metadefs sheet §1); some of them neither refuse nor use a body. */
export function metadefRoutes(
  controllers: MetadefControllers,
): [string, Partial<Record<'get' | 'post' | 'put' | 'delete', RequestHandler[]>>][] {
  const { namespaces, objects, properties, tags, resourceTypes } = controllers;
  const namespace = '/metadefs/namespaces/:namespace';
  return [
    ['/metadefs/resource_types', { get: [withoutBody, resourceTypes.index] }],
    ['/metadefs/namespaces', { get: [namespaces.index], post: [...withBody, namespaces.create] }],
    [
      namespace,
      {
        get: [withoutBody, namespaces.show],
        put: [...withBody, namespaces.update],
        delete: [withoutBody, namespaces.remove],
      },
    ],
    [
      `${namespace}/resource_types`,
      { get: [withoutBody, resourceTypes.show], post: [...withBody, resourceTypes.create] },
    ],
    [`${namespace}/resource_types/:name`, { delete: [withoutBody, resourceTypes.remove] }],
    [
      `${namespace}/properties`,
      {
        get: [withoutBody, properties.index],
        post: [...withBody, properties.create],
        delete: [properties.clear],
      },
    ],
    [
      `${namespace}/properties/:name`,
      {
        get: [properties.show],
        put: [...withBody, properties.update],
        delete: [properties.remove],
      },
    ],
    [
      `${namespace}/objects`,
      {
        get: [objects.index],
        post: [...withBody, objects.create],
        delete: [objects.clear],
      },
    ],
    [
      `${namespace}/objects/:name`,
      {
        get: [withoutBody, objects.show],
        put: [...withBody, objects.update],
        delete: [withoutBody, objects.remove],
      },
    ],
    [
      `${namespace}/tags`,
      { get: [tags.index], post: [...withBody, tags.createAll], delete: [tags.clear] },
    ],
    [
      `${namespace}/tags/:name`,
      {
        get: [withoutBody, tags.show],
        post: [withoutBody, tags.create],
        put: [...withBody, tags.update],
        delete: [withoutBody, tags.remove],
      },
    ],
  ];
}
