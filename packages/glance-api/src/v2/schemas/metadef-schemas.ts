import { collectionSchema, type JsonSchema } from './image-schema';

/** Schemas of metadata definitions (metadefs sheet §7), as draft 4 writes them. */

const POSITIVE = { $ref: '#/definitions/positiveInteger' };
const POSITIVE_OR_0 = { $ref: '#/definitions/positiveIntegerDefault0' };
const TEXTS = { $ref: '#/definitions/stringArray' };
const TYPE: JsonSchema = {
  type: 'string',
  enum: ['array', 'boolean', 'integer', 'number', 'object', 'string', null],
};
const text = (maxLength: number, description?: string): JsonSchema => ({
  type: 'string',
  ...(description === undefined ? {} : { description }),
  maxLength,
});
const time = (description: string): JsonSchema => ({
  type: 'string',
  readOnly: true,
  description,
  format: 'date-time',
});
const times = (of: string): Readonly<Record<string, JsonSchema>> => ({
  created_at: time(`When the ${of} was created`),
  updated_at: time(`When the ${of} was last changed`),
});
const links: Readonly<Record<string, JsonSchema>> = {
  self: { type: 'string', readOnly: true },
  schema: { type: 'string', readOnly: true },
};

/** What a property definition may say. */
const DEFINITION: Readonly<Record<string, JsonSchema>> = {
  name: text(80),
  title: { type: 'string' },
  description: { type: 'string' },
  operators: { type: 'array', items: { type: 'string' } },
  type: TYPE,
  required: TEXTS,
  minimum: { type: 'number' },
  maximum: { type: 'number' },
  maxLength: POSITIVE,
  minLength: POSITIVE_OR_0,
  pattern: { type: 'string', format: 'regex' },
  enum: { type: 'array' },
  readonly: { type: 'boolean' },
  default: {},
  items: { type: 'object', properties: { type: TYPE, enum: { type: 'array' } } },
  maxItems: POSITIVE,
  minItems: POSITIVE_OR_0,
  uniqueItems: { type: 'boolean', default: false },
  additionalItems: { type: 'boolean' },
};

const INTEGERS: Readonly<Record<string, JsonSchema>> = {
  positiveInteger: { minimum: 0, type: 'integer' },
  positiveIntegerDefault0: { allOf: [POSITIVE, { default: 0 }] },
};
const STRING_ARRAY: JsonSchema = { type: 'array', items: { type: 'string' }, uniqueItems: true };
const PROPERTY_DEFINITIONS: Readonly<Record<string, JsonSchema>> = {
  ...INTEGERS,
  stringArray: { ...STRING_ARRAY, minItems: 1 },
};
const DEFINITIONS: Readonly<Record<string, JsonSchema>> = {
  ...INTEGERS,
  stringArray: STRING_ARRAY,
  property: {
    type: 'object',
    additionalProperties: { type: 'object', properties: DEFINITION, required: ['title', 'type'] },
  },
};

const PROPERTIES_OF = { $ref: '#/definitions/property' };
const ANY_OBJECT: Readonly<Record<string, JsonSchema>> = {
  description: { type: 'string' },
  required: TEXTS,
  properties: PROPERTIES_OF,
};

const ASSOCIATION: Readonly<Record<string, JsonSchema>> = {
  name: text(80, 'Name of the resource type, as Heat names it'),
  prefix: text(
    80,
    'What begins the names of the properties where they are applied to resources of the type, with its separator (such as a colon)',
  ),
  properties_target: text(
    80,
    'Which of several sets of properties is meant where a resource has more than one, such as those of a volume and of its image',
  ),
};

const schemaOf = (
  name: string,
  properties: JsonSchema,
  required: readonly string[],
  definitions?: JsonSchema,
): JsonSchema => ({
  name,
  properties,
  additionalProperties: false,
  required,
  ...(definitions === undefined ? {} : { definitions }),
});

export const NAMESPACE_SCHEMA = schemaOf(
  'namespace',
  {
    namespace: text(80, 'Name of the namespace; there is one of a name'),
    display_name: text(80, 'Name to show to people'),
    description: text(500, 'What the namespace is for'),
    visibility: { type: 'string', description: 'Who sees it', enum: ['public', 'private'] },
    protected: { type: 'boolean', description: 'If true, it cannot be deleted.' },
    owner: text(255, 'Project that owns the namespace'),
    ...times('namespace'),
    ...links,
    resource_type_associations: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          prefix: { type: 'string' },
          properties_target: { type: 'string' },
        },
      },
    },
    properties: PROPERTIES_OF,
    objects: {
      type: 'array',
      items: { type: 'object', properties: { name: { type: 'string' }, ...ANY_OBJECT } },
    },
    tags: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' } } } },
  },
  ['namespace'],
  DEFINITIONS,
);

export const OBJECT_SCHEMA = schemaOf(
  'object',
  { name: text(80), ...ANY_OBJECT, ...links, ...times('object') },
  ['name'],
  DEFINITIONS,
);

export const PROPERTY_SCHEMA = schemaOf(
  'property',
  DEFINITION,
  ['type', 'title', 'name'],
  PROPERTY_DEFINITIONS,
);

/** A property of an object, whose name is that of its place. */
export const UNNAMED_PROPERTY_SCHEMA = schemaOf(
  'property',
  DEFINITION,
  ['type', 'title'],
  PROPERTY_DEFINITIONS,
);

export const TAG_SCHEMA = schemaOf('tag', { name: text(80), ...times('tag') }, ['name']);

export const ASSOCIATION_SCHEMA = schemaOf(
  'resource_type_association',
  { ...ASSOCIATION, ...times('association') },
  ['name'],
);

function collection(name: string, item: JsonSchema, items?: JsonSchema): JsonSchema {
  const { definitions, ...each } = item;
  return {
    ...collectionSchema(name, items ?? { type: 'array', items: each }),
    ...(definitions === undefined ? {} : { definitions }),
  };
}

const { definitions: _, required: __, ...PROPERTY_BY_NAME } = PROPERTY_SCHEMA;

/** By the last parts of their paths below `/v2/schemas/`. */
export const METADEF_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  'metadefs/namespace': NAMESPACE_SCHEMA,
  'metadefs/namespaces': collection('namespaces', NAMESPACE_SCHEMA),
  'metadefs/object': OBJECT_SCHEMA,
  'metadefs/objects': collection('objects', OBJECT_SCHEMA),
  'metadefs/property': PROPERTY_SCHEMA,
  'metadefs/properties': collection('properties', PROPERTY_SCHEMA, {
    type: 'object',
    additionalProperties: { ...PROPERTY_BY_NAME, required: ['type', 'title'] },
  }),
  'metadefs/tag': TAG_SCHEMA,
  'metadefs/tags': collection('tags', TAG_SCHEMA),
  'metadefs/resource_type': ASSOCIATION_SCHEMA,
  'metadefs/resource_types': collection('resource_type_associations', ASSOCIATION_SCHEMA),
};
