import {
  BINARY,
  DATA,
  EMPTY,
  INTEGER,
  header,
  json,
  listOf,
  object,
  query,
  ref,
  TEXT,
  type Operation,
  type Operations,
  type Parameter,
} from './operation';

/** The parameters of a list, besides `property-NAME`. */
export const V1_LIST_PARAMETERS: readonly Parameter[] = [
  query('limit', 'Most images on the page.', INTEGER),
  query('marker', 'Id of the image after which the page begins.'),
  query(
    'sort_key',
    'name, status, container_format, disk_format, size, id, created_at, updated_at.',
  ),
  query('sort_dir', 'asc or desc.'),
  query('is_public', 'For admins: true, false, or none for all images.'),
  query('changes-since', 'Images changed after this ISO 8601 time, deleted ones too.'),
  query('name', 'Name, `eq:NAME` or `in:A,B`.'),
  query('status', 'Status, likewise.'),
  query('container_format', 'Container format, likewise.'),
  query('disk_format', 'Disk format, likewise.'),
  query('min_ram', 'Exactly so many MB.', INTEGER),
  query('min_disk', 'Exactly so many GB.', INTEGER),
  query('size_min', 'At least so many bytes.', INTEGER),
  query('size_max', 'At most so many bytes.', INTEGER),
  query('protected', 'true or false.'),
];

const META: readonly Parameter[] = [
  ...['id', 'name', 'disk_format', 'container_format', 'size', 'checksum', 'owner', 'min_disk'],
  ...['min_ram', 'is_public', 'protected', 'store', 'location'],
].map((name) => header(`x-image-meta-${name}`, `The ${name} of the image.`));
const CHANGE: readonly Parameter[] = [
  ...META,
  header('x-image-meta-property-NAME', 'A custom property.'),
  header('x-glance-api-copy-from', 'URL to fetch the data from.'),
];
const image = json('The image', object({ image: ref('ImageV1') }));
const CHANGE_REFUSALS = [408, 409, 410, 412, 413, 415];
const list = (summary: string, items: string): Operation => ({
  summary,
  parameters: V1_LIST_PARAMETERS,
  success: { 200: json('A page', object({ images: listOf(ref(items)) })) },
});

/** The operations of API v1, below `/v1` (api-v1 sheet 2.1). */
export const V1_OPERATIONS: Operations = {
  '/': { get: list('List images, as /images', 'BriefImageV1') },
  '/images': {
    get: list('List images in brief', 'BriefImageV1'),
    post: {
      summary: 'Create an image, with its data or without',
      parameters: CHANGE,
      body: { [DATA]: BINARY },
      success: { 201: { ...image, headers: { Location: 'URL of the image' } } },
      refusals: CHANGE_REFUSALS,
    },
  },
  '/images/detail': { get: list('List images', 'ImageV1') },
  '/images/{id}': {
    head: { summary: 'Show an image, in headers', success: { 200: EMPTY('x-image-meta-…') } },
    get: {
      summary: 'Download the data of an image',
      success: { 200: { description: 'All of it', body: DATA } },
      refusals: [],
    },
    put: {
      summary: 'Change an image, or upload its data',
      parameters: [
        ...CHANGE,
        header('x-glance-registry-purge-props', 'false: keep properties that are not given.'),
      ],
      body: { [DATA]: BINARY },
      success: { 200: image },
      refusals: CHANGE_REFUSALS,
    },
    delete: {
      summary: 'Delete an image and its data',
      success: { 200: EMPTY('It is gone.') },
      refusals: [409],
    },
  },
  '/images/{id}/members': {
    get: {
      summary: 'List the projects that an image is shared with',
      success: { 200: json('The members', object({ members: listOf(ref('MemberV1')) })) },
    },
    put: {
      summary: 'Share an image with these projects and no others',
      body: { 'application/json': object({ memberships: listOf(ref('MemberV1')) }) },
      success: { 204: EMPTY('Done.') },
      refusals: [409, 413],
    },
  },
  '/images/{id}/members/{member}': {
    put: {
      summary: 'Share an image with a project',
      body: { 'application/json': object({ member: object({ can_share: { type: 'boolean' } }) }) },
      success: { 204: EMPTY('Done.') },
      refusals: [409, 413],
    },
    delete: {
      summary: 'Share an image no longer',
      success: { 204: EMPTY('Done.') },
      refusals: [409],
    },
  },
  '/shared-images/{member}': {
    get: {
      summary: 'List the images shared with a project',
      success: {
        200: json(
          'The memberships',
          object({
            shared_images: listOf(object({ image_id: TEXT, can_share: { type: 'boolean' } })),
          }),
        ),
      },
    },
  },
};
