import {
  DomainError,
  hasFourByteCharacter,
  invalidRequest,
  type CreateMetadefNamespace,
  type JsonObject,
  type MetadefAssociationRequest,
  type MetadefItemRequest,
  type MetadefNamespaceFields,
} from '@glance/common';
import type { Caller } from '../../auth/caller';
import type { JsonSchema } from '../schemas/image-schema';
import {
  ASSOCIATION_SCHEMA,
  NAMESPACE_SCHEMA,
  OBJECT_SCHEMA,
  PROPERTY_SCHEMA,
  TAG_SCHEMA,
  UNNAMED_PROPERTY_SCHEMA,
} from '../schemas/metadef-schemas';
import { SchemaCheck } from '../schemas/schema-check';
import { checkDefinition, checkName, definitionsView, definitionView } from './property-definition';

const TIMES = ['created_at', 'updated_at'];
const LINKS_AND_TIMES = ['self', 'schema', ...TIMES];

const bodyCheck = (schema: JsonSchema) => new SchemaCheck({ type: 'object', ...schema });
const namespaceCheck = bodyCheck(NAMESPACE_SCHEMA);
const objectCheck = bodyCheck(OBJECT_SCHEMA);
const propertyCheck = bodyCheck(PROPERTY_SCHEMA);
const unnamedPropertyCheck = bodyCheck(UNNAMED_PROPERTY_SCHEMA);
const associationCheck = bodyCheck(ASSOCIATION_SCHEMA);
const tagCheck = bodyCheck(TAG_SCHEMA);
const tagsCheck = bodyCheck({
  name: 'tags',
  properties: {
    tags: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: { type: 'string' } },
        required: ['name'],
        additionalProperties: false,
      },
    },
  },
  required: ['tags'],
  additionalProperties: false,
});

interface NamespaceBody {
  namespace: string;
  display_name?: string;
  description?: string;
  visibility?: 'public' | 'private';
  protected?: boolean;
  owner?: string;
  resource_type_associations?: Partial<AssociationBody>[];
  properties?: Record<string, JsonObject>;
  objects?: Partial<ObjectBody>[];
  tags?: { name?: string }[];
}

interface AssociationBody {
  name: string;
  prefix?: string;
  properties_target?: string;
}

interface ObjectBody {
  name: string;
  description?: string;
  required?: string[];
  properties?: Record<string, JsonObject>;
}

/**
 * The bodies of metadata definitions (metadefs sheet §4–§6).
 * @throws DomainError `invalid_request` for what does not match the schema; `forbidden` for fields
 * that only the service sets.
 */
export function parseNewNamespace(json: unknown, caller: Caller): CreateMetadefNamespace {
  const body = checked<NamespaceBody>(json, namespaceCheck, LINKS_AND_TIMES);
  return {
    ...fieldsOf(body, caller),
    associations: (body.resource_type_associations ?? []).map((each) =>
      associationOf(named(each, 'resource type association')),
    ),
    objects: (body.objects ?? []).map((each) => objectOf(named(each, 'object'))),
    properties: Object.entries(body.properties ?? {}).map(([name, definition]) =>
      propertyOf(name, definition),
    ),
    tags: (body.tags ?? []).map((each) => tagOf(named(each, 'tag').name)),
  };
}

/** What else a replacement holds is checked and not used. */
export function parseNamespaceFields(json: unknown, caller: Caller): MetadefNamespaceFields {
  return fieldsOf(checked<NamespaceBody>(json, namespaceCheck, LINKS_AND_TIMES), caller);
}

export function parseNewObject(json: unknown): MetadefItemRequest {
  const body = checked<ObjectBody>(json, objectCheck, LINKS_AND_TIMES);
  for (const each of Object.values(body.properties ?? {})) unnamedPropertyCheck.check(each);
  return objectOf(body);
}

export function parseObject(json: unknown): MetadefItemRequest {
  return objectOf(checked<ObjectBody>(json, objectCheck, LINKS_AND_TIMES));
}

export function parseProperty(json: unknown): MetadefItemRequest {
  const body = checked<JsonObject & { name: string }>(json, propertyCheck, TIMES);
  return propertyOf(body.name, body);
}

export function parseTag(json: unknown): string {
  const { name } = checked<{ name: string }>(json, tagCheck, TIMES);
  checkName(name);
  return name;
}

export function parseTags(json: unknown): string[] {
  const { tags } = checked<{ tags: { name: string }[] }>(json, tagsCheck, []);
  for (const { name } of tags) checkName(name);
  return tags.map(({ name }) => name);
}

export function parseAssociation(json: unknown): MetadefAssociationRequest {
  return associationOf(checked<AssociationBody>(json, associationCheck, TIMES));
}

/** One tag, whose name may come from the path. */
export function tagOf(name: string): MetadefItemRequest {
  tagCheck.check({ name });
  checkTexts(name);
  checkName(name);
  return { name, description: null, required: null, schema: null };
}

function checked<T>(json: unknown, check: SchemaCheck, readOnly: readonly string[]): T {
  if (typeof json === 'object' && json !== null) {
    const at = readOnly.find((each) => Object.hasOwn(json, each));
    if (at !== undefined) throw new DomainError('forbidden', `Attribute '${at}' is read-only.`);
  }
  check.check(json);
  checkTexts(json);
  return json as T;
}

/** The tables hold three bytes a character (schema sheet §1). */
function checkTexts(value: unknown): void {
  if (typeof value === 'string') {
    if (hasFourByteCharacter(value)) {
      throw invalidRequest("Metadata definitions can't contain 4 byte unicode characters.");
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      checkTexts(key);
      checkTexts(each);
    }
  }
}

function fieldsOf(body: NamespaceBody, { projectId }: Caller): MetadefNamespaceFields {
  checkName(body.namespace);
  const owner = body.owner ?? projectId;
  if (owner === null) {
    throw invalidRequest('A namespace belongs to a project: name one as its owner.');
  }
  return {
    namespace: body.namespace,
    displayName: body.display_name ?? null,
    description: body.description ?? null,
    visibility: body.visibility ?? 'private',
    protected: body.protected ?? false,
    owner,
  };
}

function associationOf({
  name,
  prefix,
  properties_target: target,
}: AssociationBody): MetadefAssociationRequest {
  checkName(name);
  return { name, prefix: prefix ?? null, propertiesTarget: target ?? null };
}

function objectOf({ name, description, required, properties }: ObjectBody): MetadefItemRequest {
  checkName(name);
  for (const [key, each] of Object.entries(properties ?? {})) checkDefinition(key, each);
  return {
    name,
    description: description ?? null,
    required: required ?? null,
    schema: definitionsView(properties ?? {}),
  };
}

function propertyOf(name: string, definition: JsonObject): MetadefItemRequest {
  checkDefinition(name, definition);
  return { name, description: null, required: null, schema: definitionView(definition) };
}

function named<T extends { name?: string }>(each: T, what: string): T & { name: string } {
  const { name } = each;
  if (name === undefined) throw invalidRequest(`Every ${what} needs a name.`);
  return { ...each, name };
}
