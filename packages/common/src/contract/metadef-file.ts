import Joi from 'joi';
import {
  metadefDefinition,
  metadefDescription,
  metadefName,
  metadefRequired,
} from './metadef-schemas';
import type {
  CreateMetadefNamespace,
  JsonObject,
  MetadefAssociationRequest,
  MetadefItemRequest,
} from './metadef-types';
import { text } from './schema-parts';

/** A namespace as a file describes it (metadefs sheet §8). */
export interface MetadefFile extends Omit<CreateMetadefNamespace, 'owner'> {
  /** Undefined when the file names none. */
  owner: string | undefined;
}

/** What is wrong with a file, and where in it. */
export class BadMetadefFile extends Error {
  /** @param place path inside of the document, as in `properties.hw_x.type`; empty for all of it */
  constructor(
    readonly place: string,
    readonly reason: string,
  ) {
    super(place === '' ? reason : `${place}: ${reason}`);
    this.name = 'BadMetadefFile';
  }
}

const shortText = text(80).allow(null);

/** What the API shows and nobody writes: a file may be one of its answers. */
const IGNORED = {
  self: Joi.any(),
  schema: Joi.any(),
  created_at: Joi.any(),
  updated_at: Joi.any(),
};

const fileSchema = Joi.object({
  namespace: metadefName,
  display_name: shortText,
  description: metadefDescription.optional(),
  visibility: Joi.string().valid('public', 'private').allow(null),
  protected: Joi.boolean().allow(null),
  owner: text(255),
  resource_type_associations: Joi.array(),
  properties: Joi.object().unknown(true),
  objects: Joi.array(),
  tags: Joi.array(),
  ...IGNORED,
}).required();

const associationSchema = Joi.object({
  name: metadefName,
  prefix: shortText,
  properties_target: shortText,
  ...IGNORED,
}).required();

const objectSchema = Joi.object({
  name: metadefName,
  description: metadefDescription.optional(),
  required: metadefRequired.optional(),
  properties: Joi.object().unknown(true).allow(null),
  ...IGNORED,
}).required();

const tagSchema = Joi.object({ name: metadefName, ...IGNORED }).required();

const texts = Joi.array().items(Joi.string().allow(''));
const count = Joi.number().integer().min(0);
/** Words that nobody knows are kept as they are. */
const definitionSchema = metadefDefinition
  .keys({
    name: Joi.string(),
    title: Joi.string().allow('').required(),
    type: Joi.string()
      .valid('array', 'boolean', 'integer', 'number', 'object', 'string')
      .required(),
    description: Joi.string().allow(''),
    operators: texts,
    readonly: Joi.boolean(),
    minimum: Joi.number(),
    maximum: Joi.number(),
    enum: Joi.array(),
    pattern: Joi.string().allow(''),
    minLength: count,
    maxLength: count,
    items: Joi.object({ type: Joi.string(), enum: Joi.array() }).unknown(true),
    minItems: count,
    maxItems: count,
    uniqueItems: Joi.boolean(),
    required: texts,
  })
  .required();

interface NamespaceDocument {
  namespace: string;
  display_name?: string | null;
  description?: string | null;
  visibility?: 'public' | 'private' | null;
  protected?: boolean | null;
  owner?: string;
  resource_type_associations?: unknown[];
  properties?: JsonObject;
  objects?: unknown[];
  tags?: unknown[];
}

/** @throws BadMetadefFile for the first thing that is wrong with it. */
export function readMetadefFile(document: unknown): MetadefFile {
  const file = take<NamespaceDocument>(fileSchema, document, []);
  return {
    namespace: file.namespace,
    displayName: file.display_name ?? null,
    description: file.description ?? null,
    visibility: file.visibility ?? 'private',
    protected: file.protected ?? false,
    owner: file.owner,
    associations: (file.resource_type_associations ?? []).map((each, index) =>
      readAssociation(each, ['resource_type_associations', index]),
    ),
    objects: (file.objects ?? []).map((each, index) => readObject(each, ['objects', index])),
    properties: Object.entries(readDefinitions(file.properties ?? {}, ['properties'])).map(
      ([name, schema]) => ({ name, description: null, required: null, schema }),
    ),
    tags: (file.tags ?? []).map((each, index) => ({
      name: take<{ name: string }>(tagSchema, each, ['tags', index]).name,
      description: null,
      required: null,
      schema: null,
    })),
  };
}

function readAssociation(value: unknown, place: Place): MetadefAssociationRequest {
  const { name, prefix, properties_target } = take<{
    name: string;
    prefix?: string | null;
    properties_target?: string | null;
  }>(associationSchema, value, place);
  return { name, prefix: prefix ?? null, propertiesTarget: properties_target ?? null };
}

function readObject(value: unknown, place: Place): MetadefItemRequest {
  const { name, description, required, properties } = take<{
    name: string;
    description?: string | null;
    required?: string[] | null;
    properties?: JsonObject | null;
  }>(objectSchema, value, place);
  const schema = readDefinitions(properties ?? {}, [...place, 'properties']);
  take(metadefDefinition, schema, [...place, 'properties']);
  return {
    name,
    description: description ?? null,
    required: required && required.length > 0 ? required : null,
    schema,
  };
}

function readDefinitions(definitions: JsonObject, place: Place): Record<string, JsonObject> {
  for (const [name, definition] of Object.entries(definitions)) {
    take(metadefName, name, [...place, name]);
    take(definitionSchema, definition, [...place, name]);
  }
  return definitions as Record<string, JsonObject>;
}

type Place = readonly (string | number)[];

function take<T>(schema: Joi.Schema, value: unknown, place: Place): T {
  const { error } = schema.validate(value, { convert: false, errors: { label: false } });
  if (!error) return value as T;
  const [first] = error.details;
  throw new BadMetadefFile(
    placeOf([...place, ...(first?.path ?? [])]),
    (first?.message ?? error.message).trim(),
  );
}

function placeOf(place: Place): string {
  return place
    .map((each) => (typeof each === 'number' ? `[${each}]` : `.${each}`))
    .join('')
    .replace(/^\./, '');
}
