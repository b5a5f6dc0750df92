import {
  metadefAssociationNotFound,
  type AppliedMetadefProperty,
  type CreateMetadefNamespace,
  type Identity,
  type ListedMetadefNamespace,
  type MetadefAssociation,
  type MetadefAssociationRequest,
  type MetadefNamespace,
  type MetadefNamespaceContent,
  type MetadefNamespaceFields,
  type MetadefNamespaceQuery,
  type MetadefResourceType,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { toWireTime } from '../db/values';
import type { Repositories } from '../repositories';
import { listAppliedProperties } from './applied-properties';
import { removable, visible, writable } from './metadef-access';
import { contentOf, createdFrom, madeAt } from './metadef-content';
import { associationEvent, eventsOfCreation, namespaceEvent } from './metadef-events';
import { checkMayGiveTo, checkMayWrite } from './metadef-rights';
import { toAssociation, toNamespace } from './metadef-rows';

/** Namespaces and associations of metadata definitions, as `MetadefCatalogue` of @glance/registry-client promises. */
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
      await repositories.metadefEvents.record(row.id, () =>
        eventsOfCreation(createdFrom(request, now)),
      );
      return { at: now };
    });
    return createdFrom(request, at);
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
      const updated = { ...toNamespace(row), ...fields, updatedAt: toWireTime(now) };
      await repositories.metadefEvents.record(row.id, () => [
        namespaceEvent('update', updated, row.namespace),
      ]);
      return updated;
    });
  }

  async deleteNamespace(namespace: string, identity: Identity, scope: CallScope): Promise<void> {
    await this.transactions.write(scope, async (repositories) => {
      const row = await removable(repositories, namespace, identity, `Namespace ${namespace}`);
      await repositories.metadefNamespaces.delete(row.id);
      await repositories.metadefEvents.record(row.id, () => [
        namespaceEvent('delete', toNamespace(row)),
      ]);
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
      const added = { ...request, ...madeAt(now) };
      await repositories.metadefEvents.record(row.id, () => [
        associationEvent('create', row.namespace, added),
      ]);
      return added;
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
      const association = await repositories.metadefAssociations.find(row.id, resourceType);
      if (!association) throw metadefAssociationNotFound(resourceType);
      await repositories.metadefAssociations.delete(row.id, resourceType);
      await repositories.metadefEvents.record(row.id, () => [
        associationEvent('delete', row.namespace, toAssociation(association)),
      ]);
      return null;
    });
  }

  async listApplied(
    resourceType: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<AppliedMetadefProperty[]> {
    return await listAppliedProperties(this.transactions, resourceType, identity, scope);
  }
}
