import { IMPORT_METHODS, TASK_SORT_KEYS, TASK_STATUSES } from '@glance/common';
import { CACHE_OPERATIONS } from './cache-operations';
import { METADEF_OPERATIONS } from './metadef-operations';
import {
  BINARY,
  DATA,
  EMPTY,
  INTEGER,
  TEXT,
  header,
  json,
  listOf,
  object,
  query,
  ref,
  type Operation,
  type Operations,
  type Parameter,
} from './operation';

const image = json('The image', ref('Image'));
const location = object({ url: TEXT, metadata: { type: 'object' } });
const member = json('The membership', ref('Member'));

const operator = (what: string): string =>
  `${what}: a value, \`eq:VALUE\`, or \`in:A,B\`; double quotes protect commas and colons.`;
const time = (what: string): string =>
  `${what}: an ISO 8601 time, after \`gt:\`, \`gte:\`, \`lt:\`, \`lte:\`, \`eq:\` or \`neq:\`; \`eq\` without.`;
const range = (field: string, unit: string): Parameter[] => [
  query(field, `Exactly so many ${unit}.`, INTEGER),
  query(`${field}_min`, `At least so many ${unit}.`, INTEGER),
  query(`${field}_max`, `At most so many ${unit}.`, INTEGER),
];

/** The parameters of a list; any other name asks for the value of a custom property. */
export const V2_LIST_PARAMETERS: readonly Parameter[] = [
  query('limit', 'Most images on the page.', INTEGER),
  query('marker', 'Id of the image after which the page begins.'),
  query(
    'sort',
    '`key[:dir],…`, of name, status, container_format, disk_format, size, id, created_at, updated_at.',
  ),
  { ...query('sort_key', 'As in `sort`, the older way.'), repeated: true },
  { ...query('sort_dir', 'asc or desc: one for all keys, or one for each.'), repeated: true },
  query('visibility', 'public, community, shared, private or all.'),
  query(
    'member_status',
    'Of images shared with the caller: accepted (default), pending, rejected or all.',
  ),
  { ...query('tag', 'Images that have all these tags.'), repeated: true },
  query('os_hidden', 'true: only hidden images; false (default): only others.'),
  query('protected', 'true or false.'),
  query('owner', 'Project that owns the image.'),
  query('name', operator('Name')),
  query('id', operator('Id')),
  query('status', operator('Status')),
  query('container_format', operator('Container format')),
  query('disk_format', operator('Disk format')),
  ...range('size', 'bytes'),
  ...range('virtual_size', 'bytes'),
  ...range('min_ram', 'MB'),
  ...range('min_disk', 'GB'),
  query('checksum', 'MD5 of the data.'),
  query('os_hash_algo', 'Algorithm of `os_hash_value`.'),
  query('os_hash_value', 'Hash of the data.'),
  query('created_at', time('Created')),
  query('updated_at', time('Changed')),
  query('deleted', 'Ignored.'),
  query('changes-since', 'Refused: API v1 has it.'),
];

const limitUsage = (description: string) => ({
  ...object({ usage: INTEGER, limit: { ...INTEGER, description: '-1: none' } }, ['usage', 'limit']),
  description,
});
const uploadHeaders = [
  header(
    'x-openstack-image-size',
    'Bytes that are to come; counts before Content-Length.',
    INTEGER,
  ),
  header('x-image-meta-store', 'Store to put the data in; ignored where there is one only.'),
];
const uploaded = { 204: EMPTY('The data is stored, the image active.') };
const UPLOAD_REFUSALS = [408, 409, 410, 413, 415];
const schema = (of: string): { get: Operation } => ({
  get: {
    summary: `JSON schema of ${of}`,
    success: { 200: json('The schema', { type: 'object' }) },
  },
});
const patches = (example: string) => ({
  ...listOf({ type: 'object' }),
  description: `Operations such as \`${example}\`.`,
});

const textOrNull = (description: string) => ({ type: ['string', 'null'], description });
const timelineEntry = object(
  {
    number: { ...INTEGER, description: 'From 1; the oldest of very many are forgotten.' },
    at: TEXT,
    event: { ...TEXT, description: 'image, upload, staging, copy, check, import or member.' },
    step: { ...TEXT, description: 'Such as created, started, stored or failed.' },
    user_id: textOrNull('Null for the service itself.'),
    project_id: textOrNull('Likewise.'),
    request_id: textOrNull('As in the log.'),
    bytes: { type: ['integer', 'null'], description: 'Of the data that came.' },
    reason: textOrNull('Why it failed.'),
    store: TEXT,
    task_id: TEXT,
    member_id: TEXT,
  },
  ['number', 'at', 'event', 'step', 'user_id', 'project_id', 'request_id', 'bytes', 'reason'],
);

const STORE = {
  id: TEXT,
  description: TEXT,
  default: { type: 'string', enum: ['true'] },
  'read-only': { type: 'string', enum: ['true'] },
};

/** The operations of API v2, below `/v2` (api-v2 sheet 1.2). */
export const V2_OPERATIONS: Operations = {
  '/images': {
    get: {
      summary: 'List the images that the caller sees',
      parameters: V2_LIST_PARAMETERS,
      success: { 200: json('A page', ref('Images')) },
    },
    post: {
      summary: 'Create an image without data',
      body: { 'application/json': ref('Image') },
      success: {
        201: { ...image, headers: { Location: 'URL of the image' } },
      },
      refusals: [409, 413],
    },
  },
  '/images/{id}': {
    get: { summary: 'Show an image', success: { 200: image } },
    patch: {
      summary: 'Change an image',
      body: {
        'application/openstack-images-v2.1-json-patch': patches(
          '{"op": "replace", "path": "/name", "value": "new"}',
        ),
        'application/openstack-images-v2.0-json-patch': patches(
          '{"replace": "/name", "value": "new"}',
        ),
      },
      success: { 200: image },
      refusals: [409, 413, 415],
    },
    delete: {
      summary: 'Delete an image and its data',
      success: { 204: EMPTY('It is gone.') },
      refusals: [409],
    },
  },
  '/images/{id}/file': {
    get: {
      summary: 'Download the data of an image, or a part of it',
      parameters: [
        header('Range', 'One range of bytes.'),
        header('Content-Range', 'The same, as older clients say it.'),
        query('prefer', 'Stores to read from first, separated by commas.'),
      ],
      success: {
        200: {
          description: 'All of it',
          body: DATA,
          headers: { 'Content-MD5': 'MD5 of the whole data, hexadecimal' },
        },
        204: EMPTY('There is no data.'),
        206: {
          description: 'The part',
          body: DATA,
          headers: { 'Content-Range': 'Which part', 'Content-MD5': 'MD5 of the whole data' },
        },
      },
      refusals: [416],
    },
    put: {
      summary: 'Upload the data of a queued image',
      parameters: uploadHeaders,
      body: { [DATA]: BINARY, 'multipart/form-data': ref('UploadForm') },
      success: uploaded,
      refusals: UPLOAD_REFUSALS,
    },
    post: {
      summary: 'The same from a form of a browser',
      parameters: uploadHeaders,
      body: { 'multipart/form-data': ref('UploadForm') },
      success: uploaded,
      refusals: [405, ...UPLOAD_REFUSALS],
    },
  },
  '/images/{id}/locations': {
    get: {
      summary: 'List the places where the data of an image is',
      success: { 200: json('The places', listOf(location)) },
    },
    post: {
      summary: 'Give a queued image the data that is at a URL',
      body: {
        'application/json': object(
          {
            url: TEXT,
            validation_data: object({
              os_hash_algo: { type: 'string', enum: ['sha1', 'sha256', 'sha512', 'md5'] },
              os_hash_value: TEXT,
            }),
          },
          ['url'],
        ),
      },
      success: { 202: EMPTY('The image is active, or will be when its hash has been checked.') },
      refusals: [409, 413],
    },
  },
  '/images/{id}/actions/deactivate': {
    post: {
      summary: 'Keep the data of an image from everybody but admins',
      success: { 204: EMPTY('The image is deactivated.') },
      refusals: [409],
    },
  },
  '/images/{id}/actions/reactivate': {
    post: {
      summary: 'Give the data of a deactivated image back',
      success: { 204: EMPTY('The image is active.') },
      refusals: [409],
    },
  },
  '/images/{id}/tags/{tag}': {
    put: { summary: 'Add a tag', success: { 204: EMPTY('It is there.') }, refusals: [413] },
    delete: { summary: 'Remove a tag', success: { 204: EMPTY('It is gone.') } },
  },
  '/images/{id}/members': {
    get: {
      summary: 'List the projects that an image is shared with',
      success: {
        200: json('The members', object({ members: listOf(ref('Member')), schema: TEXT })),
      },
    },
    post: {
      summary: 'Share an image with a project',
      body: { 'application/json': object({ member: TEXT }, ['member']) },
      success: { 200: member },
      refusals: [409, 413],
    },
  },
  '/images/{id}/members/{member}': {
    get: { summary: 'Show a membership', success: { 200: member } },
    put: {
      summary: 'Accept or reject a shared image',
      body: {
        'application/json': object(
          { status: { type: 'string', enum: ['pending', 'accepted', 'rejected'] } },
          ['status'],
        ),
      },
      success: { 200: member },
    },
    delete: { summary: 'Share an image no longer', success: { 204: EMPTY('It is over.') } },
  },
  '/images/{id}/tasks': {
    get: {
      summary: 'Work done on an image',
      success: { 200: json('The oldest first', object({ tasks: listOf({ type: 'object' }) })) },
    },
  },
  '/images/{id}/timeline': {
    get: {
      summary: 'What happened to an image, for its owner',
      parameters: [
        query('limit', 'Most entries on the page.', INTEGER),
        query('marker', 'Number of the entry after which the page begins.', INTEGER),
        query('sort_dir', 'asc (default): the oldest first; desc.'),
      ],
      success: {
        200: json(
          'A page',
          object({ timeline: listOf(timelineEntry), first: TEXT, next: TEXT }, [
            'timeline',
            'first',
          ]),
        ),
      },
    },
  },
  '/images/{id}/stage': {
    put: {
      summary: 'Leave data for an import by glance-direct',
      parameters: uploadHeaders.slice(0, 1),
      body: { 'application/octet-stream': BINARY },
      success: { 204: EMPTY('The data waits, the image is `uploading`.') },
      refusals: UPLOAD_REFUSALS,
    },
  },
  '/images/{id}/import': {
    post: {
      summary: 'Give an image its data, or copy it to further stores',
      parameters: [header('x-image-meta-store', 'One store, the older way.')],
      body: {
        'application/json': object(
          {
            method: object(
              {
                name: { type: 'string', enum: [...IMPORT_METHODS] },
                uri: { ...TEXT, description: 'Of `web-download`.' },
              },
              ['name'],
            ),
            stores: listOf(TEXT),
            all_stores: { type: 'boolean' },
            all_stores_must_succeed: { type: 'boolean' },
          },
          ['method'],
        ),
      },
      success: { 202: EMPTY('It goes on as a task of the image.') },
      refusals: [409, 413],
    },
  },
  '/tasks': {
    get: {
      summary: 'List tasks',
      parameters: [
        query('limit', 'Most tasks on the page.', INTEGER),
        query('marker', 'Id of the task after which the page begins.'),
        query('sort_key', TASK_SORT_KEYS.join(', ')),
        query('sort_dir', 'asc or desc (default).'),
        query('status', TASK_STATUSES.join(', ')),
        query('type', 'import, export, clone, api_image_import or location_import.'),
      ],
      success: { 200: json('A page', object({ tasks: listOf({ type: 'object' }) })) },
    },
    post: {
      summary: 'Import from a URL into a new image, clone an image, or export one to a file',
      body: {
        'application/json': object(
          {
            type: { type: 'string', enum: ['import', 'export', 'clone'] },
            input: { type: 'object' },
          },
          ['type', 'input'],
        ),
      },
      success: { 201: json('The task', { type: 'object' }) },
      refusals: [409, 413],
    },
  },
  '/tasks/{id}': {
    get: { summary: 'Show a task', success: { 200: json('The task', { type: 'object' }) } },
  },
  '/schemas/image': schema('an image'),
  '/schemas/images': schema('a list of images'),
  '/schemas/member': schema('a membership'),
  '/schemas/members': schema('a list of memberships'),
  '/schemas/task': schema('a task'),
  '/schemas/tasks': schema('a list of tasks'),
  '/schemas/metadefs/namespace': schema('a namespace of metadata definitions'),
  '/schemas/metadefs/namespaces': schema('a list of namespaces'),
  '/schemas/metadefs/object': schema('an object'),
  '/schemas/metadefs/objects': schema('a list of objects'),
  '/schemas/metadefs/property': schema('a property definition'),
  '/schemas/metadefs/properties': schema('property definitions by name'),
  '/schemas/metadefs/tag': schema('a tag of a namespace'),
  '/schemas/metadefs/tags': schema('a list of tags'),
  '/schemas/metadefs/resource_type': schema('an association with a resource type'),
  '/schemas/metadefs/resource_types': schema('a list of associations'),
  '/info/import': {
    get: {
      summary: 'Ways to import images',
      success: { 200: json('The methods', { type: 'object' }) },
    },
  },
  '/info/usage': {
    get: {
      summary: 'What the project uses of its limits',
      success: {
        200: json(
          'By limit; nothing where no limits are kept in Keystone',
          object({
            usage: object({
              image_size_total: limitUsage('MiB of data'),
              image_stage_total: limitUsage('MiB of data being staged or imported'),
              image_count_total: limitUsage('Images'),
              image_count_uploading: limitUsage('Images whose data is coming in'),
            }),
          }),
        ),
      },
    },
  },
  '/info/stores': {
    get: {
      summary: 'List the stores of a site that has several with names; 404 on others',
      success: { 200: json('The stores', object({ stores: listOf(object(STORE)) })) },
    },
  },
  '/info/stores/detail': {
    get: {
      summary:
        'List the stores with their kinds and properties; 404 on sites without names for them',
      success: {
        200: json(
          'The stores',
          object({
            stores: listOf(
              object({ ...STORE, type: TEXT, weight: INTEGER, properties: object({}) }),
            ),
          }),
        ),
      },
    },
  },
  '/stores/{store}/{id}': {
    delete: {
      summary: 'Remove the data of an image from one of the stores that have it',
      success: { 204: EMPTY('It is gone from there.') },
      refusals: [409],
    },
  },
  ...METADEF_OPERATIONS,
  ...CACHE_OPERATIONS,
};
