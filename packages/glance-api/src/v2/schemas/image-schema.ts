import { IMAGE_STATUSES, MAX_INT32, type Visibility } from '@glance/common';

/** A JSON schema (draft 4, as upstream publishes them). */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface ImageFormats {
  diskFormats: readonly string[];
  containerFormats: readonly string[];
}

/** What a deployment's schema-image.json declares (api-v2 sheet 11.2). */
export interface DeclaredProperties {
  properties: Readonly<Record<string, JsonSchema>>;
  required: readonly string[];
}

export const UUID_PATTERN =
  '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$';
const VISIBILITY_ORDER: readonly Visibility[] = ['community', 'public', 'private', 'shared'];
const STATUS_ORDER = [
  'queued',
  'saving',
  'active',
  'killed',
  'deleted',
  'uploading',
  'importing',
  'pending_delete',
  'deactivated',
] as const satisfies readonly (typeof IMAGE_STATUSES)[number][];

const textOrNull = (maxLength: number, description: string): JsonSchema => ({
  type: ['null', 'string'],
  maxLength,
  description,
});
const readOnly = (schema: JsonSchema): JsonSchema => ({ ...schema, readOnly: true });
const integer = (maximum: number, description: string): JsonSchema => ({
  type: 'integer',
  minimum: 0,
  maximum,
  description,
});

const LOCATION_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    url: { type: 'string', maxLength: 255 },
    metadata: { type: 'object' },
    validation_data: {
      description: 'What the data at the place is known to hash to; never shown.',
      type: 'object',
      writeOnly: true,
      additionalProperties: false,
      properties: {
        checksum: { type: 'string', minLength: 32, maxLength: 32 },
        os_hash_algo: { type: 'string', maxLength: 64 },
        os_hash_value: { type: 'string', maxLength: 128 },
      },
      required: ['os_hash_algo', 'os_hash_value'],
    },
  },
  required: ['url', 'metadata'],
};

/** The 25 properties that every image has a place for (api-v2 sheet 2.1, 11.1). */
export function baseProperties(formats: ImageFormats): Readonly<Record<string, JsonSchema>> {
  return {
    id: { type: 'string', description: 'An identifier for the image', pattern: UUID_PATTERN },
    name: textOrNull(255, 'Descriptive name for the image'),
    status: readOnly({
      type: 'string',
      description: 'Status of the image',
      enum: STATUS_ORDER,
    }),
    visibility: {
      type: 'string',
      description: 'Who sees the image',
      enum: VISIBILITY_ORDER,
    },
    protected: { type: 'boolean', description: 'If true, the image cannot be deleted.' },
    os_hidden: { type: 'boolean', description: 'If true, default lists leave the image out.' },
    checksum: readOnly(textOrNull(32, 'MD5 of the image data, hexadecimal')),
    os_hash_algo: readOnly(textOrNull(64, 'Algorithm of os_hash_value')),
    os_hash_value: readOnly(textOrNull(128, 'Digest of the image data under os_hash_algo')),
    owner: textOrNull(255, 'Project that owns the image'),
    size: readOnly({ type: ['null', 'integer'], description: 'Bytes of the image data' }),
    virtual_size: readOnly({
      type: ['null', 'integer'],
      description: 'Bytes of the disk that the image data stands for',
    }),
    container_format: {
      type: ['null', 'string'],
      description: 'Format of the container',
      enum: [null, ...formats.containerFormats],
    },
    disk_format: {
      type: ['null', 'string'],
      description: 'Format of the disk',
      enum: [null, ...formats.diskFormats],
    },
    created_at: readOnly({ type: 'string', description: 'When the image was registered' }),
    updated_at: readOnly({ type: 'string', description: 'When the image was last changed' }),
    tags: {
      type: 'array',
      items: { type: 'string', maxLength: 255 },
      description: 'Words attached to the image',
    },
    direct_url: readOnly({ type: 'string', description: 'Where the image data is stored' }),
    min_ram: integer(MAX_INT32, 'MB of memory needed to boot the image.'),
    min_disk: integer(MAX_INT32, 'GB of disk needed to boot the image.'),
    self: readOnly({ type: 'string', description: 'Path of the image' }),
    file: readOnly({ type: 'string', description: 'Path of the image data' }),
    stores: readOnly({ type: 'string', description: 'Stores that hold the image data' }),
    schema: readOnly({ type: 'string', description: 'Path of the schema of the image' }),
    locations: {
      type: 'array',
      items: LOCATION_SCHEMA,
      description: 'Places where the image data is stored',
    },
  };
}

/** `/v2/schemas/image` */
export function imageSchema(formats: ImageFormats, declared: DeclaredProperties): JsonSchema {
  return {
    name: 'image',
    properties: { ...baseProperties(formats), ...declared.properties },
    additionalProperties: { type: 'string' },
    links: [
      { rel: 'self', href: '{self}' },
      { rel: 'enclosure', href: '{file}' },
      { rel: 'describedby', href: '{schema}' },
    ],
    ...(declared.required.length > 0 ? { required: declared.required } : {}),
  };
}

/** `/v2/schemas/images` */
export function imagesSchema(image: JsonSchema): JsonSchema {
  return collectionSchema('images', { type: 'array', items: image });
}

/** A page of a list, and the way to the others. */
export function collectionSchema(name: string, entries: JsonSchema): JsonSchema {
  return {
    name,
    properties: {
      [name]: entries,
      first: { type: 'string' },
      next: { type: 'string' },
      schema: { type: 'string' },
    },
    links: [
      { rel: 'first', href: '{first}' },
      { rel: 'next', href: '{next}' },
      { rel: 'describedby', href: '{schema}' },
    ],
  };
}
