import {
  EMPTY,
  INTEGER,
  TEXT,
  header,
  json,
  listOf,
  object,
  type Answer,
  type Operation,
  type Operations,
} from './operation';

const SECONDS = { type: 'number', description: 'Seconds since 1970' };
const CACHED = listOf(
  object({
    image_id: TEXT,
    size: INTEGER,
    hits: INTEGER,
    last_accessed: { ...SECONDS, description: 'Seconds since 1970; 0 without a hit' },
    last_modified: SECONDS,
    checksum: TEXT,
  }),
);
const QUEUED = listOf(TEXT);
const operation = (summary: string, status: 200 | 202 | 204, answer: Answer): Operation => ({
  summary: `${summary}; 404 without a cache`,
  success: { [status]: answer },
});
const DONE = EMPTY('Done.');

/** The cache of the node that is asked, below `/v2` (api-v2 sheet 10.5). */
export const CACHE_OPERATIONS: Operations = {
  '/cache': {
    get: operation(
      'What the image cache holds',
      200,
      json('The images', object({ cached_images: CACHED, queued_images: QUEUED })),
    ),
    delete: {
      ...operation('Empty the image cache and its queue', 204, DONE),
      parameters: [header('x-image-cache-clear-target', '`cache` or `queue`: that alone.')],
    },
  },
  '/cache/clean': {
    post: operation('Remove what can never be served from the image cache', 200, DONE),
  },
  '/cache/prune': {
    post: operation(
      'Bring the image cache to its size',
      200,
      json(
        'What was removed',
        object({ total_files_pruned: INTEGER, total_bytes_pruned: INTEGER }),
      ),
    ),
  },
  '/cache/{id}': {
    put: operation('Fetch an image into the cache', 202, EMPTY('It is queued.')),
    delete: operation('Remove an image from the cache and its queue', 204, DONE),
  },
  '/cache/nodes/{id}': {
    get: {
      summary: 'Nodes that have an image in their caches: never known here',
      success: {},
      refusals: [409],
    },
  },
};

const NULL = json('Done', { type: 'null' });
const DELETED = json('How many there were', object({ num_deleted: INTEGER }));

/** With `[paste_deploy] flavor = …+cachemanagement`, below `/v1` and `/v2` (api-v2 sheet 10.6). */
export const OLDER_CACHE_OPERATIONS: Operations = {
  '/cached_images': {
    get: operation(
      'What the image cache holds',
      200,
      json('The images', object({ cached_images: CACHED })),
    ),
    delete: operation('Empty the image cache', 200, DELETED),
  },
  '/cached_images/{id}': { delete: operation('Remove an image from the cache', 200, NULL) },
  '/queued_images': {
    get: operation(
      'What waits to be fetched',
      200,
      json('The ids', object({ queued_images: QUEUED })),
    ),
    delete: operation('Forget what waits', 200, DELETED),
  },
  '/queued_images/{id}': {
    put: operation('Fetch an image into the cache', 200, NULL),
    delete: operation('Fetch an image no more', 200, NULL),
  },
};
