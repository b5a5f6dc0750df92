import type {
  CreateMetadefNamespace,
  ListedMetadefNamespace,
  MetadefAssociation,
  MetadefAssociationRequest,
  MetadefItem,
  MetadefItemRequest,
  MetadefNamespace,
  MetadefNamespaceContent,
  MetadefResourceType,
} from '@glance/common';
import { zulu } from '../image-view';
import { definitionsView, definitionView } from './property-definition';

type View = Record<string, unknown>;

/** Metadata definitions as API v2 shows them (metadefs sheet §5): what is not set is left out. */

export function namespaceView(record: MetadefNamespace): View {
  return {
    namespace: record.namespace,
    ...set('display_name', record.displayName),
    ...set('description', record.description),
    visibility: record.visibility,
    protected: record.protected,
    ...set('owner', record.owner),
    self: `/v2/metadefs/namespaces/${record.namespace}`,
    schema: '/v2/schemas/metadefs/namespace',
    ...timesOf(record),
  };
}

export function listedNamespaceView(listed: ListedMetadefNamespace): View {
  return {
    ...namespaceView(listed),
    ...some('resource_type_associations', listed.associations.map(associationView)),
  };
}

/** @param prefix what the names of properties begin with for the resource type that is asked for. */
export function namespaceContentView(content: MetadefNamespaceContent, prefix = ''): View {
  const { namespace, objects, properties, tags } = content;
  return {
    ...listedNamespaceView(content),
    ...some(
      'objects',
      [...objects].sort(byName).map((each) => objectView(namespace, each, prefix)),
    ),
    ...(properties.length > 0 ? propertiesView(properties, prefix) : {}),
    // The newest first, as the list of tags has them.
    ...some('tags', tags.map(({ name }) => ({ name })).reverse()),
  };
}

/** The answer to a creation: what was asked for, without what the service added to it. */
export function createdNamespaceView(
  { associations, objects, properties, tags }: CreateMetadefNamespace,
  created: MetadefNamespace,
): View {
  return {
    ...namespaceView(created),
    ...some('resource_type_associations', associations.map(associationFields)),
    ...some('objects', objects.map(objectFields)),
    ...(properties.length > 0 ? propertiesView(properties) : {}),
    ...some(
      'tags',
      tags.map(({ name }) => ({ name })),
    ),
  };
}

/** The answer to a change of an object: of these parts, those that it now has. */
export function changedObjectView(namespace: string, object: MetadefItem): View {
  const { required: _, properties: __, ...rest } = objectView(namespace, object);
  return { ...rest, ...objectFields(object) };
}

export function objectView(namespace: string, object: MetadefItem, prefix = ''): View {
  const properties = Object.entries(definitionsView(object.schema ?? {}));
  return {
    name: object.name,
    ...set('description', object.description),
    required: (object.required ?? []).map((each) => `${prefix}${each}`),
    properties: Object.fromEntries(properties.map(([name, each]) => [`${prefix}${name}`, each])),
    self: `/v2/metadefs/namespaces/${namespace}/objects/${object.name}`,
    schema: '/v2/schemas/metadefs/object',
    ...timesOf(object),
  };
}

export function propertiesView(properties: readonly MetadefItemRequest[], prefix = ''): View {
  return {
    properties: Object.fromEntries(
      properties.map(({ name, schema }) => [`${prefix}${name}`, definitionView(schema ?? {})]),
    ),
  };
}

export function propertyView({ name, schema }: MetadefItem): View {
  return { ...definitionView(schema ?? {}), name };
}

export function tagView(tag: MetadefItem): View {
  return { name: tag.name, ...timesOf(tag) };
}

export function associationView(association: MetadefAssociation): View {
  return { ...associationFields(association), ...timesOf(association) };
}

export function resourceTypeView(type: MetadefResourceType): View {
  return { name: type.name, ...timesOf(type) };
}

function associationFields(association: MetadefAssociationRequest): View {
  return {
    name: association.name,
    ...set('prefix', association.prefix),
    ...set('properties_target', association.propertiesTarget),
  };
}

function objectFields({ name, description, required, schema }: MetadefItemRequest): View {
  const properties = definitionsView(schema ?? {});
  return {
    name,
    ...set('description', description),
    ...set('required', required),
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
  };
}

function timesOf({ createdAt, updatedAt }: Pick<MetadefItem, 'createdAt' | 'updatedAt'>): View {
  return {
    created_at: zulu(createdAt),
    ...(updatedAt === null ? {} : { updated_at: zulu(updatedAt) }),
  };
}

function byName(a: MetadefItem, b: MetadefItem): number {
  return a.name < b.name ? -1 : 1;
}

const set = (name: string, value: unknown): View => (value === null ? {} : { [name]: value });
const some = (name: string, values: unknown[]): View =>
  values.length > 0 ? { [name]: values } : {};
