import {
  addMetadefAssociationSchema,
  addMetadefItemSchema,
  checkAgainst,
  createMetadefNamespaceSchema,
  METADEF_WORDS,
  metadefAssociationExists,
  metadefAssociationNotFound,
  metadefItemExists,
  metadefItemNotFound,
  metadefNamespaceExists,
  metadefNamespaceNotFound,
  metadefNotYours,
  metadefOwnerRefused,
  metadefProtected,
  putMetadefTagsSchema,
  updateMetadefNamespaceSchema,
  type AppliedMetadefProperty,
  type CreateMetadefNamespace,
  type Identity,
  type ListedMetadefNamespace,
  type MetadefAssociation,
  type MetadefAssociationRequest,
  type MetadefItem,
  type MetadefItemQuery,
  type MetadefItemRequest,
  type MetadefKind,
  type MetadefNamespace,
  type MetadefNamespaceContent,
  type MetadefNamespaceFields,
  type MetadefNamespaceQuery,
  type MetadefResourceType,
  type PutMetadefTags,
} from '@glance/common';
import type { MetadefCatalogue } from '../metadef-catalogue';
import type { CallContext } from '../registry';
import { readOnly } from './fake-image';

interface Numbered {
  id: number;
}
type Stored<T> = Numbered & T;

interface Space extends Numbered {
  record: MetadefNamespace;
  associations: MetadefAssociation[];
  items: Record<MetadefKind, Stored<MetadefItem>[]>;
}

/** The catalogue of metadata definitions, in memory. */
export class FakeMetadefs implements MetadefCatalogue {
  private spaces: Space[] = [];
  private readonly types = new Map<string, MetadefResourceType>();
  private lastId = 0;

  constructor(private readonly now: () => string) {}

  async listNamespaces(
    query: MetadefNamespaceQuery,
    { identity }: CallContext,
  ): Promise<ListedMetadefNamespace[]> {
    const keys: Record<string, (space: Space) => string> = {
      id: ({ id }) => padded(id),
      namespace: ({ record }) => record.namespace,
      display_name: ({ record }) => record.displayName ?? '',
      description: ({ record }) => record.description ?? '',
      visibility: ({ record }) => record.visibility,
      protected: ({ record }) => String(record.protected),
      owner: ({ record }) => record.owner ?? '',
      created_at: ({ record }) => record.createdAt,
      updated_at: ({ record }) => record.updatedAt ?? '',
    };
    const seen = inOrder(
      this.spaces.filter(({ record }) => mayRead(identity, record)),
      keys[query.sortKey]!,
      query.sortDirection,
    );
    const start = query.marker === undefined ? 0 : positionAfter(seen, query.marker);
    return seen
      .slice(start)
      .filter(({ record }) => !query.visibility || record.visibility === query.visibility)
      .filter(
        ({ associations }) =>
          !query.resourceTypes ||
          associations.some(({ name }) => query.resourceTypes!.includes(name)),
      )
      .slice(0, query.limit)
      .map(({ record, associations }) => structuredClone({ ...record, associations }));
  }

  async getNamespace(namespace: string, { identity }: CallContext): Promise<MetadefNamespace> {
    return { ...this.visible(namespace, identity).record };
  }

  async getNamespaceContent(
    namespace: string,
    { identity }: CallContext,
  ): Promise<MetadefNamespaceContent> {
    return contentOf(this.visible(namespace, identity));
  }

  async createNamespace(
    request: CreateMetadefNamespace,
    { identity }: CallContext,
  ): Promise<MetadefNamespaceContent> {
    checkAgainst(createMetadefNamespaceSchema, request);
    const { associations, objects, properties, tags, ...fields } = request;
    if (identity.readOnly) throw readOnly();
    checkOwner(identity, fields.owner);
    this.checkFree(fields.namespace);
    for (const { name } of associations) this.typeOf(name);
    const space: Space = {
      id: ++this.lastId,
      record: { ...fields, ...this.times() },
      associations: [],
      items: { objects: [], properties: [], tags: [] },
    };
    for (const each of associations) this.associate(space, each);
    for (const each of objects) this.insert(space, 'objects', each);
    for (const each of properties) this.insert(space, 'properties', each);
    for (const each of tags) this.insert(space, 'tags', each);
    this.spaces.push(space);
    return contentOf(space);
  }

  async updateNamespace(
    namespace: string,
    fields: MetadefNamespaceFields,
    { identity }: CallContext,
  ): Promise<MetadefNamespace> {
    checkAgainst(updateMetadefNamespaceSchema, { namespace, fields });
    const space = this.writable(namespace, identity);
    checkOwner(identity, fields.owner);
    if (!same(fields.namespace, namespace)) this.checkFree(fields.namespace);
    Object.assign(space.record, fields, { updatedAt: this.now() });
    return { ...space.record };
  }

  async deleteNamespace(namespace: string, { identity }: CallContext): Promise<void> {
    const space = this.removable(namespace, identity, `Namespace ${namespace}`);
    this.spaces = this.spaces.filter((each) => each !== space);
  }

  async listResourceTypes(): Promise<MetadefResourceType[]> {
    return [...this.types.values()].map((each) => ({ ...each }));
  }

  async listAssociations(
    namespace: string,
    { identity }: CallContext,
  ): Promise<MetadefAssociation[]> {
    return structuredClone(this.visible(namespace, identity).associations);
  }

  async addAssociation(
    namespace: string,
    request: MetadefAssociationRequest,
    { identity }: CallContext,
  ): Promise<MetadefAssociation> {
    checkAgainst(addMetadefAssociationSchema, { namespace, association: request });
    const space = this.writable(namespace, identity);
    this.typeOf(request.name);
    return { ...this.associate(space, request) };
  }

  async deleteAssociation(
    namespace: string,
    resourceType: string,
    { identity }: CallContext,
  ): Promise<void> {
    const space = this.removable(namespace, identity, `Namespace ${namespace}`);
    const left = space.associations.filter(({ name }) => !same(name, resourceType));
    if (left.length === space.associations.length) {
      throw metadefAssociationNotFound(resourceType);
    }
    space.associations = left;
  }

  async listItems(
    namespace: string,
    kind: MetadefKind,
    query: MetadefItemQuery,
    { identity }: CallContext,
  ): Promise<MetadefItem[]> {
    const keys: Record<string, (item: Stored<MetadefItem>) => string> = {
      id: ({ id }) => padded(id),
      name: ({ name }) => name,
      created_at: ({ createdAt }) => createdAt,
      updated_at: ({ updatedAt }) => updatedAt ?? '',
    };
    const { items } = this.visible(namespace, identity);
    const found = inOrder(items[kind], keys[query.sortKey]!, query.sortDirection);
    const at =
      query.marker === undefined ? -1 : found.findIndex((i) => same(i.name, query.marker!));
    if (query.marker !== undefined && at < 0)
      throw metadefItemNotFound(kind, query.marker, namespace);
    const end = query.limit === undefined ? undefined : at + 1 + query.limit;
    return found.slice(at + 1, end).map(copyOf);
  }

  async getItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    { identity }: CallContext,
  ): Promise<MetadefItem> {
    return copyOf(itemOf(this.visible(namespace, identity), kind, name));
  }

  async addItem(
    namespace: string,
    kind: MetadefKind,
    item: MetadefItemRequest,
    { identity }: CallContext,
  ): Promise<MetadefItem> {
    checkAgainst(addMetadefItemSchema, { namespace, kind, item });
    return copyOf(this.insert(this.writable(namespace, identity), kind, item));
  }

  async updateItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    item: MetadefItemRequest,
    { identity }: CallContext,
  ): Promise<MetadefItem> {
    checkAgainst(addMetadefItemSchema, { namespace, kind, item });
    const space = this.writable(namespace, identity);
    const stored = itemOf(space, kind, name);
    if (!same(item.name, name)) checkFreeItem(space, kind, item.name);
    return copyOf(Object.assign(stored, storedAs(kind, item), { updatedAt: this.now() }));
  }

  async deleteItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    { identity }: CallContext,
  ): Promise<void> {
    const space = this.removable(namespace, identity, `${METADEF_WORDS[kind]} ${name}`);
    const item = itemOf(space, kind, name);
    space.items[kind] = space.items[kind].filter((each) => each !== item);
  }

  async deleteItems(
    namespace: string,
    kind: MetadefKind,
    { identity }: CallContext,
  ): Promise<void> {
    this.removable(namespace, identity, `Namespace ${namespace}`).items[kind] = [];
  }

  async putTags(
    namespace: string,
    { names, append }: PutMetadefTags,
    { identity }: CallContext,
  ): Promise<MetadefItem[]> {
    checkAgainst(putMetadefTagsSchema, { namespace, names, append });
    const space = this.writable(namespace, identity);
    if (names.length === 0) return [];
    const before = space.items.tags;
    if (!append) space.items.tags = [];
    else space.items.tags = [...before];
    try {
      return names.map((name) =>
        copyOf(
          this.insert(space, 'tags', { name, description: null, required: null, schema: null }),
        ),
      );
    } catch (error) {
      space.items.tags = before;
      throw error;
    }
  }

  async listAppliedProperties(
    resourceType: string,
    { identity }: CallContext,
  ): Promise<AppliedMetadefProperty[]> {
    const found: AppliedMetadefProperty[] = [];
    for (const { record, associations, items } of this.spaces) {
      const association = associations.find(({ name }) => same(name, resourceType));
      if (!association || !mayRead(identity, record)) continue;
      const add = (name: string, schema: unknown): number =>
        found.push({
          namespace: record.namespace,
          name: `${association.prefix ?? ''}${name}`,
          schema: structuredClone(schema) as AppliedMetadefProperty['schema'],
        });
      for (const { name, schema } of items.properties) add(name, schema);
      for (const { schema } of items.objects) {
        for (const [name, each] of Object.entries(schema ?? {})) add(name, each);
      }
    }
    const keyOf = ({ namespace, name }: AppliedMetadefProperty): string => `${namespace} ${name}`;
    return found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  private times(): { createdAt: string; updatedAt: string } {
    const now = this.now();
    return { createdAt: now, updatedAt: now };
  }

  private visible(namespace: string, identity: Identity): Space {
    const space = this.spaces.find(({ record }) => same(record.namespace, namespace));
    if (!space || !mayRead(identity, space.record)) throw metadefNamespaceNotFound(namespace);
    return space;
  }

  private writable(namespace: string, identity: Identity): Space {
    if (identity.readOnly) throw readOnly();
    const space = this.visible(namespace, identity);
    if (identity.isAdmin || isOwner(identity, space.record)) return space;
    throw metadefNotYours(namespace);
  }

  private removable(namespace: string, identity: Identity, what: string): Space {
    const space = this.writable(namespace, identity);
    if (!space.record.protected) return space;
    throw metadefProtected(what);
  }

  private checkFree(namespace: string): void {
    if (this.spaces.some(({ record }) => same(record.namespace, namespace))) {
      throw metadefNamespaceExists(namespace);
    }
  }

  private typeOf(name: string): void {
    if (!this.types.has(name)) this.types.set(name, { name, protected: false, ...this.times() });
  }

  private associate(space: Space, request: MetadefAssociationRequest): MetadefAssociation {
    if (space.associations.some(({ name }) => same(name, request.name))) {
      throw metadefAssociationExists(request.name, space.record.namespace);
    }
    const association = { ...request, ...this.times() };
    space.associations.push(association);
    return association;
  }

  private insert(space: Space, kind: MetadefKind, item: MetadefItemRequest): Stored<MetadefItem> {
    checkFreeItem(space, kind, item.name);
    const stored = { id: ++this.lastId, ...storedAs(kind, item), ...this.times() };
    space.items[kind].push(stored);
    return stored;
  }
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
const padded = (id: number): string => String(id).padStart(12, '0');
const isOwner = (identity: Identity, { owner }: MetadefNamespace): boolean =>
  owner !== null && owner !== '' && owner === identity.projectId;
const mayRead = (identity: Identity, record: MetadefNamespace): boolean =>
  identity.isAdmin ||
  record.visibility === 'public' ||
  record.owner === null ||
  isOwner(identity, record);

function inOrder<T extends Numbered>(
  all: readonly T[],
  keyOf: (each: T) => string,
  direction: 'asc' | 'desc',
): T[] {
  const sign = direction === 'asc' ? 1 : -1;
  const textOf = (each: T): string => `${keyOf(each)} ${padded(each.id)}`;
  return [...all].sort((a, b) => (textOf(a) < textOf(b) ? -sign : sign));
}

function positionAfter(spaces: readonly Space[], marker: string): number {
  const at = spaces.findIndex(({ record }) => same(record.namespace, marker));
  if (at < 0) throw metadefNamespaceNotFound(marker);
  return at + 1;
}

function checkOwner(identity: Identity, owner: string): void {
  if (identity.isAdmin || (owner !== '' && owner === identity.projectId)) return;
  throw metadefOwnerRefused();
}

function checkFreeItem({ record, items }: Space, kind: MetadefKind, name: string): void {
  if (!items[kind].some((each) => same(each.name, name))) return;
  throw metadefItemExists(kind, name, record.namespace);
}

function itemOf({ record, items }: Space, kind: MetadefKind, name: string): Stored<MetadefItem> {
  const item = items[kind].find((each) => same(each.name, name));
  if (!item) throw metadefItemNotFound(kind, name, record.namespace);
  return item;
}

function copyOf({ id: _, ...item }: Stored<MetadefItem>): MetadefItem {
  return structuredClone(item);
}

function contentOf({ record, associations, items }: Space): MetadefNamespaceContent {
  const { objects, properties, tags } = items;
  return structuredClone({
    ...record,
    associations,
    objects: objects.map(copyOf),
    properties: properties.map(copyOf),
    tags: tags.map(copyOf),
  });
}

/** As the tables hold it. */
function storedAs(kind: MetadefKind, item: MetadefItemRequest): MetadefItemRequest {
  const { name, description, required, schema } = structuredClone(item);
  return {
    name,
    description,
    required: required && required.length > 0 ? required : null,
    schema: kind === 'tags' ? null : (schema ?? {}),
  };
}
