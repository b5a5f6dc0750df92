import {
  metadefItemNotFound,
  METADEF_WORDS,
  type Identity,
  type MetadefItem,
  type MetadefItemQuery,
  type MetadefItemRequest,
  type MetadefKind,
  type PutMetadefTags,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { toWireTime } from '../db/values';
import type { Repositories } from '../repositories';
import { removable, visible, writable } from './metadef-access';
import { madeAt, storedAs } from './metadef-content';
import { itemEvent, namespaceEvent } from './metadef-events';
import { toItem, toNamespace, type ItemRow, type NamespaceRow } from './metadef-rows';

/** Objects, properties and tags, as `MetadefCatalogue` of @glance/registry-client promises. */
export class MetadefItemService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

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
      const added = { ...storedAs(kind, request), ...madeAt(now) };
      await repositories.metadefEvents.record(row.id, () => [
        itemEvent('create', kind, row.namespace, added),
      ]);
      return added;
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
      const updated = {
        ...storedAs(kind, request),
        createdAt: toWireTime(before.created_at),
        updatedAt: toWireTime(now),
      };
      await repositories.metadefEvents.record(row.id, () => [
        itemEvent('update', kind, row.namespace, updated, before.name),
      ]);
      return updated;
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
      const found = await item(repositories, row, kind, name);
      await repositories.metadefItems.delete(kind, found.id);
      await repositories.metadefEvents.record(row.id, () => [
        itemEvent('delete', kind, row.namespace, toItem(kind, found)),
      ]);
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
      await repositories.metadefEvents.record(row.id, () => [
        namespaceEvent(`delete_${kind}`, toNamespace(row)),
      ]);
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
        await repositories.metadefEvents.record(row.id, () =>
          tags.map((tag) => itemEvent('create', 'tags', row.namespace, { ...tag, ...madeAt(now) })),
        );
      }
      return { at: now };
    });
    return tags.map((tag) => ({ ...tag, ...madeAt(at) }));
  }
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
