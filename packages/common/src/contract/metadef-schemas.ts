import Joi from 'joi';
import { hasFourByteCharacter, isPrototypeName } from '../text';
import {
  METADEF_ITEM_SORT_KEYS,
  METADEF_KINDS,
  METADEF_NAMESPACE_SORT_KEYS,
  type CreateMetadefNamespace,
  type MetadefAssociationRequest,
  type MetadefItemQuery,
  type MetadefItemRequest,
  type MetadefKind,
  type MetadefNamespaceFields,
  type MetadefNamespaceQuery,
  type PutMetadefTags,
} from './metadef-types';
import { text } from './schema-parts';

/** Characters of every name of the catalogue (metadefs sheet §4). */
export const METADEF_NAME_LENGTH = 80;
/** Of each kind, in one request. */
export const MAX_METADEF_ITEMS = 20_000;
const MAX_ASSOCIATIONS = 1000;
const MAX_LIMIT = 100_000;
/** Of a TEXT column. */
const TEXT_BYTES = 65_535;
const tooLong = { custom: `{{#label}} is longer than ${TEXT_BYTES} bytes` };

/**
 * A name that is looked up: what no column can hold is not found, which is for the database or
 * {@link isMetadefName} to say.
 */
const soughtName = Joi.string().allow('').required();

/** Whether there can be something of that name; without a query there is none of any other. */
export function isMetadefName(name: string): boolean {
  return name !== '' && name.length <= METADEF_NAME_LENGTH && !name.includes('\0');
}

/** Text whose characters upstream does not check: the database does (metadefs sheet §4). */
const uncheckedText = (length: number): Joi.StringSchema =>
  Joi.string()
    .allow('')
    .max(length)
    .custom((value: string, helpers) =>
      value.includes('\0')
        ? helpers.message({ custom: '{{#label}} must not contain NUL characters' })
        : value,
    );

const givenName = (base: Joi.StringSchema): Joi.StringSchema =>
  base
    .invalid('')
    .custom((value: string, helpers) =>
      isPrototypeName(value)
        ? helpers.message({ custom: `The name '${value}' is not allowed` })
        : value,
    );

export const metadefName = givenName(text(METADEF_NAME_LENGTH)).required();
export const metadefDescription = text(TEXT_BYTES)
  .custom((value: string, helpers) =>
    Buffer.byteLength(value) > TEXT_BYTES ? helpers.message(tooLong) : value,
  )
  .allow(null)
  .required();

/** A definition, or an object's: stored as JSON in ASCII, which escapes take six bytes each in. */
export const metadefDefinition: Joi.ObjectSchema = Joi.object()
  .unknown(true)
  .custom((value: unknown, helpers) => {
    const fault = faultOf(value);
    if (fault !== undefined) return helpers.message({ custom: `{{#label}} ${fault}` });
    const stored = JSON.stringify(value).replace(/[\u007f-\uffff]/g, '\\u0000');
    return stored.length > TEXT_BYTES ? helpers.message(tooLong) : value;
  });

/** What the tables do not hold, or must not, at any depth. */
function faultOf(value: unknown): string | undefined {
  if (typeof value === 'string') {
    return hasFourByteCharacter(value) ? "can't contain 4 byte unicode characters." : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return firstFault(value);
  const keys = Object.keys(value);
  const forbidden = keys.find(isPrototypeName);
  if (forbidden !== undefined) return `must not have the name '${forbidden}'`;
  return firstFault(keys) ?? firstFault(Object.values(value));
}

function firstFault(values: readonly unknown[]): string | undefined {
  for (const each of values) {
    const fault = faultOf(each);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Stored with commas between them. */
export const metadefRequired = Joi.array()
  .items(
    text(TEXT_BYTES)
      .invalid('')
      .pattern(/^[^,]*$/, 'a name without commas'),
  )
  .custom((value: string[], helpers) =>
    Buffer.byteLength(value.join(',')) > TEXT_BYTES ? helpers.message(tooLong) : value,
  )
  .allow(null)
  .required();

const object = Joi.object<MetadefItemRequest>({
  name: metadefName,
  description: metadefDescription,
  required: metadefRequired,
  schema: metadefDefinition.allow(null).required(),
});
const property = Joi.object<MetadefItemRequest>({
  name: metadefName,
  description: Joi.valid(null).required(),
  required: Joi.valid(null).required(),
  schema: metadefDefinition.required(),
});
const tag = Joi.object<MetadefItemRequest>({
  name: metadefName,
  description: Joi.valid(null).required(),
  required: Joi.valid(null).required(),
  schema: Joi.valid(null).required(),
});
const association = Joi.object<MetadefAssociationRequest>({
  name: givenName(uncheckedText(METADEF_NAME_LENGTH)).required(),
  prefix: uncheckedText(METADEF_NAME_LENGTH).allow(null).required(),
  propertiesTarget: uncheckedText(METADEF_NAME_LENGTH).allow(null).required(),
});

const fields = {
  namespace: metadefName,
  displayName: text(METADEF_NAME_LENGTH).allow(null).required(),
  description: metadefDescription,
  visibility: Joi.string().valid('public', 'private').required(),
  protected: Joi.boolean().required(),
  owner: text(255).required(),
};
const many = (item: Joi.Schema, max = MAX_METADEF_ITEMS): Joi.ArraySchema =>
  Joi.array().items(item).max(max).required();

const kind = Joi.string()
  .valid(...METADEF_KINDS)
  .required();
const sortDirection = Joi.string().valid('asc', 'desc').required();
const limit = Joi.number().integer().min(0).max(MAX_LIMIT);
const marker = Joi.string().allow('');

export const metadefNamespaceQuerySchema = Joi.object<MetadefNamespaceQuery>({
  visibility: Joi.string().valid('public', 'private'),
  resourceTypes: Joi.array().items(Joi.string().allow('')).max(1000),
  sortKey: Joi.string()
    .valid(...METADEF_NAMESPACE_SORT_KEYS)
    .required(),
  sortDirection,
  marker,
  limit: limit.required(),
});

export const createMetadefNamespaceSchema = Joi.object<CreateMetadefNamespace>({
  ...fields,
  associations: many(association, MAX_ASSOCIATIONS),
  objects: many(object),
  properties: many(property),
  tags: many(tag),
});

export interface UpdateMetadefNamespace {
  namespace: string;
  fields: MetadefNamespaceFields;
}
export const updateMetadefNamespaceSchema = Joi.object<UpdateMetadefNamespace>({
  namespace: soughtName,
  fields: Joi.object(fields).required(),
});

export interface SoughtMetadefNamespace {
  namespace: string;
}
export const soughtMetadefNamespaceSchema = Joi.object<SoughtMetadefNamespace>({
  namespace: soughtName,
});

export interface AddMetadefAssociation {
  namespace: string;
  association: MetadefAssociationRequest;
}
export const addMetadefAssociationSchema = Joi.object<AddMetadefAssociation>({
  namespace: soughtName,
  association: association.required(),
});

export interface SoughtMetadefAssociation {
  namespace: string;
  resourceType: string;
}
export const soughtMetadefAssociationSchema = Joi.object<SoughtMetadefAssociation>({
  namespace: soughtName,
  resourceType: soughtName,
});

export interface SoughtMetadefKind {
  namespace: string;
  kind: MetadefKind;
}
export const soughtMetadefKindSchema = Joi.object<SoughtMetadefKind>({
  namespace: soughtName,
  kind,
});

export interface ListMetadefItems extends SoughtMetadefKind {
  query: MetadefItemQuery;
}
export const listMetadefItemsSchema = Joi.object<ListMetadefItems>({
  namespace: soughtName,
  kind,
  query: Joi.object({
    sortKey: Joi.string()
      .valid(...METADEF_ITEM_SORT_KEYS)
      .required(),
    sortDirection,
    marker,
    limit,
  }).required(),
});

export interface SoughtMetadefItem extends SoughtMetadefKind {
  name: string;
}
export const soughtMetadefItemSchema = Joi.object<SoughtMetadefItem>({
  namespace: soughtName,
  kind,
  name: soughtName,
});

const itemOfKind = Joi.when('kind', [
  { is: 'objects', then: object.required() },
  { is: 'properties', then: property.required() },
  { is: 'tags', then: tag.required() },
]);

export interface AddMetadefItem extends SoughtMetadefKind {
  item: MetadefItemRequest;
}
export const addMetadefItemSchema = Joi.object<AddMetadefItem>({
  namespace: soughtName,
  kind,
  item: itemOfKind,
});

export interface UpdateMetadefItem extends AddMetadefItem {
  name: string;
}
export const updateMetadefItemSchema = Joi.object<UpdateMetadefItem>({
  namespace: soughtName,
  kind,
  name: soughtName,
  item: itemOfKind,
});

export interface PutMetadefTagsOf extends PutMetadefTags {
  namespace: string;
}
export const putMetadefTagsSchema = Joi.object<PutMetadefTagsOf>({
  namespace: soughtName,
  names: many(givenName(uncheckedText(METADEF_NAME_LENGTH))),
  append: Joi.boolean().required(),
});

export interface SoughtMetadefResourceType {
  resourceType: string;
}
export const soughtMetadefResourceTypeSchema = Joi.object<SoughtMetadefResourceType>({
  resourceType: soughtName,
});
