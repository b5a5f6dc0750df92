import {
  EMPTY,
  INTEGER,
  TEXT,
  header,
  json,
  listOf,
  object,
  query,
  type Answer,
  type Operation,
  type Operations,
} from './operation';

const OBJECT = { type: 'object' } as const;
const AS_JSON = { 'application/json': OBJECT };

const show = (summary: string, description: string): Operation => ({
  summary,
  success: { 200: json(description, OBJECT) },
});
const list = (summary: string, name: string, items: Operation['parameters'] = []): Operation => ({
  summary,
  success: { 200: json(`The ${name}`, object({ [name]: listOf(OBJECT) })) },
  parameters: items,
});
const add = (summary: string, answer: Answer): Operation => ({
  summary,
  success: { 201: answer },
  refusals: [409, 413],
  body: AS_JSON,
});
const change = (summary: string): Operation => ({
  summary,
  success: { 200: json('As it is now', OBJECT) },
  refusals: [409, 413],
  body: AS_JSON,
});
const remove = (summary: string): Operation => ({
  summary,
  success: { 204: EMPTY('Done.') },
});
const added = json('What was added', OBJECT);

const NAMESPACE = '/metadefs/namespaces/{namespace}';
const PAGE = [
  query('limit', 'Most entries on the page.', INTEGER),
  query('marker', 'Name of the entry after which the page begins.'),
  query('sort_key', 'Column to sort by; created_at without.'),
  query('sort_dir', 'asc or desc (default).'),
];
const PREFIXED = query('resource_type', 'With names as resources of this type have them.');

/** Metadata definitions, below `/v2` (metadefs sheet §1). */
export const METADEF_OPERATIONS: Operations = {
  '/metadefs/resource_types': { get: list('List resource types', 'resource_types') },
  '/metadefs/namespaces': {
    get: list('List namespaces of metadata definitions', 'namespaces', [
      ...PAGE,
      query('visibility', 'public or private.'),
      query('resource_types', 'Only those associated with one of these, with commas between.'),
    ]),
    post: {
      ...add('Create a namespace, with all that it is to hold', added),
      success: { 201: { ...added, headers: { Location: 'URL of the namespace' } } },
    },
  },
  [NAMESPACE]: {
    get: {
      ...show('Show a namespace with all that it holds', 'The namespace'),
      parameters: [PREFIXED],
    },
    put: change('Replace the fields of a namespace'),
    delete: remove('Delete a namespace with all that it holds'),
  },
  [`${NAMESPACE}/resource_types`]: {
    get: list('List what a namespace is associated with', 'resource_type_associations'),
    post: add('Associate a namespace with a resource type', added),
  },
  [`${NAMESPACE}/resource_types/{name}`]: {
    delete: remove('End the association with a resource type'),
  },
  [`${NAMESPACE}/properties`]: {
    get: show('List property definitions', 'By name, in `properties`'),
    post: add('Add a property definition', added),
    delete: remove('Delete all property definitions of a namespace'),
  },
  [`${NAMESPACE}/properties/{name}`]: {
    get: { ...show('Show a property definition', 'The definition'), parameters: [PREFIXED] },
    put: change('Replace a property definition'),
    delete: remove('Delete a property definition'),
  },
  [`${NAMESPACE}/objects`]: {
    get: list('List objects', 'objects'),
    post: add('Add an object', added),
    delete: remove('Delete all objects of a namespace'),
  },
  [`${NAMESPACE}/objects/{name}`]: {
    get: show('Show an object', 'The object'),
    put: change('Replace an object'),
    delete: remove('Delete an object'),
  },
  [`${NAMESPACE}/tags`]: {
    get: list('List the tags of a namespace', 'tags', PAGE),
    post: {
      ...add('Set the tags of a namespace', json('The tags', object({ tags: listOf(OBJECT) }))),
      parameters: [header('x-openstack-append', 'true: add to those that are there.')],
    },
    delete: remove('Delete all tags of a namespace'),
  },
  [`${NAMESPACE}/tags/{name}`]: {
    get: show('Show a tag', 'The tag'),
    post: {
      summary: 'Add a tag',
      success: { 201: json('The tag', object({ name: TEXT })) },
      refusals: [409],
    },
    put: change('Rename a tag'),
    delete: remove('Delete a tag'),
  },
};
