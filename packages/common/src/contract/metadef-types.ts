/** Any JSON object: definitions are stored as they were given (metadefs sheet §8). */
export type JsonObject = Record<string, unknown>;

/** A namespace of the catalogue of metadata definitions. Times are as in `ImageRecord`. */
export interface MetadefNamespace {
  namespace: string;
  displayName: string | null;
  description: string | null;
  visibility: 'public' | 'private';
  protected: boolean;
  /** A project. Null only in databases of others. */
  owner: string | null;
  createdAt: string;
  updatedAt: string | null;
}

/** What an association says besides when it was made. */
export interface MetadefAssociationRequest {
  /** Of the resource type. */
  name: string;
  prefix: string | null;
  propertiesTarget: string | null;
}

export interface MetadefAssociation extends MetadefAssociationRequest {
  createdAt: string;
  updatedAt: string | null;
}

export interface MetadefResourceType {
  name: string;
  protected: boolean;
  createdAt: string;
  updatedAt: string | null;
}

export const METADEF_KINDS = ['objects', 'properties', 'tags'] as const;
/** What a namespace holds besides associations. */
export type MetadefKind = (typeof METADEF_KINDS)[number];

/** One object, property or tag of a namespace, without its times. */
export interface MetadefItemRequest {
  name: string;
  /** Of objects only, else null. */
  description: string | null;
  /** Of objects only, else null. */
  required: string[] | null;
  /** An object's properties by name, or the definition of a property; null for tags. */
  schema: JsonObject | null;
}

export interface MetadefItem extends MetadefItemRequest {
  createdAt: string;
  updatedAt: string | null;
}

/** As a list has it. */
export interface ListedMetadefNamespace extends MetadefNamespace {
  /** In the order in which they were made. */
  associations: MetadefAssociation[];
}

/** With all that it holds, each in the order in which it was made. */
export interface MetadefNamespaceContent extends ListedMetadefNamespace {
  objects: MetadefItem[];
  properties: MetadefItem[];
  tags: MetadefItem[];
}

export const METADEF_NAMESPACE_SORT_KEYS = [
  'id',
  'namespace',
  'display_name',
  'description',
  'visibility',
  'protected',
  'owner',
  'created_at',
  'updated_at',
] as const;
export type MetadefNamespaceSortKey = (typeof METADEF_NAMESPACE_SORT_KEYS)[number];

export interface MetadefNamespaceQuery {
  visibility?: 'public' | 'private';
  /** Only namespaces that are associated with one of these. */
  resourceTypes?: string[];
  sortKey: MetadefNamespaceSortKey;
  sortDirection: 'asc' | 'desc';
  /** The namespace after which the page starts. */
  marker?: string;
  limit: number;
}

export const METADEF_ITEM_SORT_KEYS = ['id', 'name', 'created_at', 'updated_at'] as const;
export type MetadefItemSortKey = (typeof METADEF_ITEM_SORT_KEYS)[number];

export interface MetadefItemQuery {
  sortKey: MetadefItemSortKey;
  sortDirection: 'asc' | 'desc';
  /** The item after which the page starts. */
  marker?: string;
  /** All without one. */
  limit?: number;
}

/** The base fields of a namespace, as a creation or a full replacement gives them. */
export interface MetadefNamespaceFields {
  namespace: string;
  displayName: string | null;
  description: string | null;
  visibility: 'public' | 'private';
  protected: boolean;
  owner: string;
}

export interface CreateMetadefNamespace extends MetadefNamespaceFields {
  associations: MetadefAssociationRequest[];
  objects: MetadefItemRequest[];
  properties: MetadefItemRequest[];
  tags: MetadefItemRequest[];
}

/** Many tags at once. */
export interface PutMetadefTags {
  names: string[];
  /** Adds to the tags that are there; else takes their place, unless no name is given. */
  append: boolean;
}

/** A property definition that applies to resources of a type. */
export interface AppliedMetadefProperty {
  namespace: string;
  /** Of the resource's property: with the prefix of the association. */
  name: string;
  schema: JsonObject;
}
