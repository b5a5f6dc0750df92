import {
  metadefAssociationNotFound,
  metadefItemNotFound,
  METADEF_WORDS,
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
import type { CallScope, TransactionRunner } from '../db/transaction';
import { toWireTime } from '../db/values';
import type { Repositories } from '../repositories';
import { listAppliedProperties } from './applied-properties';
import {
  toAssociation,
  toItem,
  toNamespace,
  type ItemRow,
  type NamespaceRow,
} from './metadef-rows';
import {
  checkMayGiveTo,
  checkMayWrite,
  requireRemovable,
  requireVisible,
  requireWritable,
} from './metadef-rights';

/** The catalogue of metadata definitions, as `MetadefCatalogue` of @glance/registry-client promises. */
export class MetadefService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async listNamespaces(
    query: MetadefNamespaceQuery,
    identity: Identity,
    scope: CallScope,
  ): Promise<ListedMetadefNamespace[]> {
    return await this.transactions.read(scope, async (repositories) => {
      const { metadefNamespaces, metadefAssociations } = repositories;
      const marker =
        query.marker === undefined
          ? undefined
          : await visible(repositories, query.marker, identity);
      const rows = await metadefNamespaces.list(query, marker?.id, identity);
      const associations = await metadefAssociations.listOf(rows.map(({ id }) => id));
      return rows.map((row) => ({
        ...toNamespace(row),
        associations: associations
          .filter((each) => each.namespace_id === row.id)
          .map(toAssociation),
      }));
    });
  }

  async getNamespace(
    namespace: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefNamespace> {
    return await this.transactions.read(scope, async (repositories) =>
      toNamespace(await visible(repositories, namespace, identity)),
    );
  }

  async getContent(
    namespace: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefNamespaceContent> {
    return await this.transactions.read(scope, async (repositories) => {
      const row = await visible(repositories, namespace, identity);
      return await contentOf(repositories, row);
    });
  }

  async createNamespace(
    request: CreateMetadefNamespace,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefNamespaceContent> {
    const { associations, objects, properties, tags, ...fields } = request;
    // The stored answer of a repeated call is only when it happened: all else is in the request.
    const { at } = await this.transactions.write(scope, async (repositories) => {
      checkMayWrite(identity);
      checkMayGiveTo(identity, fields.owner);
      const { metadefNamespaces, metadefAssociations, metadefItems } = repositories;
      const now = await metadefNamespaces.now();
      const row = await metadefNamespaces.insert(fields, now, now);
      const times = { createdAt: now, updatedAt: now, typesAreProtected: false };
      await metadefAssociations.insert(row.id, row.namespace, associations, times);
      await metadefItems.insert(row, 'objects', objects, now, now);
      await metadefItems.insert(row, 'properties', properties, now, now);
      await metadefItems.insert(row, 'tags', tags, now, now);
      return { at: now };
    });
    const times = { createdAt: toWireTime(at), updatedAt: toWireTime(at) };
    const made = (kind: MetadefKind, items: readonly MetadefItemRequest[]): MetadefItem[] =>
      items.map((item) => ({ ...storedAs(kind, item), ...times }));
    return {
      ...fields,
      ...times,
      associations: associations.map((each) => ({ ...each, ...times })),
      objects: made('objects', objects),
      properties: made('properties', properties),
      tags: made('tags', tags),
    };
  }

  async updateNamespace(
    namespace: string,
    fields: MetadefNamespaceFields,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefNamespace> {
    return await this.transactions.write(scope, async (repositories) => {
      const row = await writable(repositories, namespace, identity);
      checkMayGiveTo(identity, fields.owner);
      const now = await repositories.metadefNamespaces.now();
      await repositories.metadefNamespaces.update(row.id, fields, now);
      return { ...toNamespace(row), ...fields, updatedAt: toWireTime(now) };
    });
  }

  async deleteNamespace(namespace: string, identity: Identity, scope: CallScope): Promise<void> {
    await this.transactions.write(scope, async (repositories) => {
      const row = await removable(repositories, namespace, identity, `Namespace ${namespace}`);
      await repositories.metadefNamespaces.delete(row.id);
      return null;
    });
  }

  async listResourceTypes(scope: CallScope): Promise<MetadefResourceType[]> {
    return await this.transactions.read(scope, ({ metadefAssociations }) =>
      metadefAssociations.listTypes(),
    );
  }

  async listAssociations(
    namespace: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefAssociation[]> {
    return await this.transactions.read(scope, async (repositories) => {
      const { id } = await visible(repositories, namespace, identity);
      return (await repositories.metadefAssociations.listOf([id])).map(toAssociation);
    });
  }

  async addAssociation(
    namespace: string,
    request: MetadefAssociationRequest,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefAssociation> {
    return await this.transactions.write(scope, async (repositories) => {
      const row = await writable(repositories, namespace, identity);
      const now = await repositories.metadefNamespaces.now();
      await repositories.metadefAssociations.insert(row.id, row.namespace, [request], {
        createdAt: now,
        updatedAt: now,
        typesAreProtected: false,
      });
      return { ...request, createdAt: toWireTime(now), updatedAt: toWireTime(now) };
    });
  }

  async deleteAssociation(
    namespace: string,
    resourceType: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<void> {
    await this.transactions.write(scope, async (repositories) => {
      const row = await removable(repositories, namespace, identity, `Namespace ${namespace}`);
      if (!(await repositories.metadefAssociations.delete(row.id, resourceType))) {
        throw metadefAssociationNotFound(resourceType);
      }
      return null;
    });
  }

  async listItems(
    namespace: string,
    kind: MetadefKind,
    query: MetadefItemQuery,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefItem[]> {
    return await this.transactions.read(scope, async (repositories) => {
      const row = await visible(repositories, namespace, identity);
      const marker =
        query.marker === undefined ? undefined : await item(repositories, row, kind, query.marker);
      const rows = await repositories.metadefItems.list(row.id, kind, query, marker?.id);
      return rows.map((each) => toItem(kind, each));
    });
  }

  async getItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefItem> {
    return await this.transactions.read(scope, async (repositories) => {
      const row = await visible(repositories, namespace, identity);
      return toItem(kind, await item(repositories, row, kind, name));
    });
  }

  async addItem(
    namespace: string,
    kind: MetadefKind,
    request: MetadefItemRequest,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefItem> {
    return await this.transactions.write(scope, async (repositories) => {
      const row = await writable(repositories, namespace, identity);
      const now = await repositories.metadefNamespaces.now();
      await repositories.metadefItems.insert(row, kind, [request], now, now);
      return {
        ...storedAs(kind, request),
        createdAt: toWireTime(now),
        updatedAt: toWireTime(now),
      };
    });
  }

  async updateItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    request: MetadefItemRequest,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefItem> {
    return await this.transactions.write(scope, async (repositories) => {
      const row = await writable(repositories, namespace, identity);
      const before = await item(repositories, row, kind, name);
      const now = await repositories.metadefNamespaces.now();
      await repositories.metadefItems.update(row, kind, before.id, request, now);
      return {
        ...storedAs(kind, request),
        createdAt: toWireTime(before.created_at),
        updatedAt: toWireTime(now),
      };
    });
  }

  async deleteItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<void> {
    await this.transactions.write(scope, async (repositories) => {
      const what = `${METADEF_WORDS[kind]} ${name}`;
      const row = await removable(repositories, namespace, identity, what);
      const { id } = await item(repositories, row, kind, name);
      await repositories.metadefItems.delete(kind, id);
      return null;
    });
  }

  async deleteItems(
    namespace: string,
    kind: MetadefKind,
    identity: Identity,
    scope: CallScope,
  ): Promise<void> {
    await this.transactions.write(scope, async (repositories) => {
      const row = await removable(repositories, namespace, identity, `Namespace ${namespace}`);
      await repositories.metadefItems.deleteAll(row.id, kind);
      return null;
    });
  }

  async putTags(
    namespace: string,
    { names, append }: PutMetadefTags,
    identity: Identity,
    scope: CallScope,
  ): Promise<MetadefItem[]> {
    const tags = names.map((name) => ({ name, description: null, required: null, schema: null }));
    const { at } = await this.transactions.write(scope, async (repositories) => {
      const row = await writable(repositories, namespace, identity);
      const now = await repositories.metadefNamespaces.now();
      if (names.length > 0) {
        if (!append) await repositories.metadefItems.deleteAll(row.id, 'tags');
        await repositories.metadefItems.insert(row, 'tags', tags, now, now);
      }
      return { at: now };
    });
    return tags.map((tag) => ({ ...tag, createdAt: toWireTime(at), updatedAt: toWireTime(at) }));
  }

  async listApplied(
    resourceType: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<AppliedMetadefProperty[]> {
    return await listAppliedProperties(this.transactions, resourceType, identity, scope);
  }
}

async function visible(
  { metadefNamespaces }: Repositories,
  namespace: string,
  identity: Identity,
): Promise<NamespaceRow> {
  return requireVisible(await metadefNamespaces.find(namespace), namespace, identity);
}

/** Locked, as everything that is to be changed. */
async function writable(
  { metadefNamespaces }: Repositories,
  namespace: string,
  identity: Identity,
): Promise<NamespaceRow> {
  return requireWritable(await metadefNamespaces.lock(namespace), namespace, identity);
}

async function removable(
  { metadefNamespaces }: Repositories,
  namespace: string,
  identity: Identity,
  what: string,
): Promise<NamespaceRow> {
  return requireRemovable(await metadefNamespaces.lock(namespace), namespace, identity, what);
}

async function item(
  { metadefItems }: Repositories,
  { id, namespace }: NamespaceRow,
  kind: MetadefKind,
  name: string,
): Promise<ItemRow> {
  const row = await metadefItems.find(id, kind, name);
  if (!row) throw metadefItemNotFound(kind, name, namespace);
  return row;
}

/** All that a namespace holds. */
export async function contentOf(
  { metadefAssociations, metadefItems }: Repositories,
  row: NamespaceRow,
): Promise<MetadefNamespaceContent> {
  const itemsOf = async (kind: MetadefKind): Promise<MetadefItem[]> =>
    (await metadefItems.list(row.id, kind)).map((each) => toItem(kind, each));
  return {
    ...toNamespace(row),
    associations: (await metadefAssociations.listOf([row.id])).map(toAssociation),
    objects: await itemsOf('objects'),
    properties: await itemsOf('properties'),
    tags: await itemsOf('tags'),
  };
}

/** As it will be read. */
function storedAs(kind: MetadefKind, request: MetadefItemRequest): MetadefItemRequest {
  const { name, description, required, schema } = request;
  return {
    name,
    description,
    required: required !== null && required.length > 0 ? required : null,
    schema: kind === 'tags' ? null : (schema ?? {}),
  };
}
