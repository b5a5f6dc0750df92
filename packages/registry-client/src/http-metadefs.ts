import {
  isMetadefName,
  metadefAssociationNotFound,
  metadefItemNotFound,
  metadefNamespaceNotFound,
  type AppliedMetadefProperty,
  type CreateMetadefNamespace,
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
import {
  decodeAppliedMetadefs,
  decodeMetadefAssociation,
  decodeMetadefAssociations,
  decodeMetadefContent,
  decodeMetadefItem,
  decodeMetadefItems,
  decodeMetadefNamespace,
  decodeMetadefNamespaces,
  decodeMetadefRemoval,
  decodeMetadefResourceTypes,
} from './metadef-answer-checks';
import type { MetadefCatalogue } from './metadef-catalogue';
import type { CallContext } from './registry';
import type { RegistryCall, RegistryTransport } from './registry-transport';

type Send<T> = Pick<RegistryCall<T>, 'operation' | 'decode'>;

/**
 * The catalogue of metadata definitions behind the registry's internal API. Names hold any character,
 * so they are in the query or the body of a call and never in its path.
 */
export class HttpMetadefs implements MetadefCatalogue {
  constructor(private readonly transport: RegistryTransport) {}

  async listNamespaces(
    query: MetadefNamespaceQuery,
    context: CallContext,
  ): Promise<ListedMetadefNamespace[]> {
    if (query.marker !== undefined) checkNamespace(query.marker);
    const { namespaces } = await this.transport.send(
      {
        operation: 'metadefs.listNamespaces',
        kind: 'read',
        // Many resource types would not fit a URI.
        method: 'POST',
        path: '/v1/metadefs/namespaces/search',
        body: query.resourceTypes
          ? { ...query, resourceTypes: query.resourceTypes.filter(isMetadefName) }
          : query,
        decode: decodeMetadefNamespaces,
      },
      context,
    );
    return namespaces;
  }

  async getNamespace(namespace: string, context: CallContext): Promise<MetadefNamespace> {
    checkNamespace(namespace);
    const answer = await this.read(
      { operation: 'getNamespace', decode: decodeMetadefNamespace },
      'namespace',
      { namespace },
      context,
    );
    return answer.namespace;
  }

  async getNamespaceContent(
    namespace: string,
    context: CallContext,
  ): Promise<MetadefNamespaceContent> {
    checkNamespace(namespace);
    const { content } = await this.read(
      { operation: 'getNamespaceContent', decode: decodeMetadefContent },
      'namespace/content',
      { namespace },
      context,
    );
    return content;
  }

  async createNamespace(
    request: CreateMetadefNamespace,
    context: CallContext,
  ): Promise<MetadefNamespaceContent> {
    const { content } = await this.write(
      { operation: 'createNamespace', decode: decodeMetadefContent },
      'POST',
      'namespaces',
      request,
      context,
    );
    return content;
  }

  async updateNamespace(
    namespace: string,
    fields: MetadefNamespaceFields,
    context: CallContext,
  ): Promise<MetadefNamespace> {
    checkNamespace(namespace);
    const answer = await this.write(
      { operation: 'updateNamespace', decode: decodeMetadefNamespace },
      'PUT',
      'namespace',
      { namespace, fields },
      context,
    );
    return answer.namespace;
  }

  async deleteNamespace(namespace: string, context: CallContext): Promise<void> {
    checkNamespace(namespace);
    await this.remove('deleteNamespace', 'namespace', { namespace }, context);
  }

  async listResourceTypes(context: CallContext): Promise<MetadefResourceType[]> {
    const { resourceTypes } = await this.read(
      { operation: 'listResourceTypes', decode: decodeMetadefResourceTypes },
      'resource-types',
      undefined,
      context,
    );
    return resourceTypes;
  }

  async listAssociations(namespace: string, context: CallContext): Promise<MetadefAssociation[]> {
    checkNamespace(namespace);
    const { associations } = await this.read(
      { operation: 'listAssociations', decode: decodeMetadefAssociations },
      'associations',
      { namespace },
      context,
    );
    return associations;
  }

  async addAssociation(
    namespace: string,
    association: MetadefAssociationRequest,
    context: CallContext,
  ): Promise<MetadefAssociation> {
    checkNamespace(namespace);
    const answer = await this.write(
      { operation: 'addAssociation', decode: decodeMetadefAssociation },
      'POST',
      'associations',
      { namespace, association },
      context,
    );
    return answer.association;
  }

  async deleteAssociation(
    namespace: string,
    resourceType: string,
    context: CallContext,
  ): Promise<void> {
    checkNamespace(namespace);
    if (!isMetadefName(resourceType)) throw metadefAssociationNotFound(resourceType);
    await this.remove('deleteAssociation', 'association', { namespace, resourceType }, context);
  }

  async listItems(
    namespace: string,
    kind: MetadefKind,
    query: MetadefItemQuery,
    context: CallContext,
  ): Promise<MetadefItem[]> {
    checkNamespace(namespace);
    if (query.marker !== undefined) checkItem(namespace, kind, query.marker);
    const { items } = await this.read(
      { operation: 'listItems', decode: decodeMetadefItems },
      'items',
      { namespace, kind, query },
      context,
    );
    return items;
  }

  async getItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    context: CallContext,
  ): Promise<MetadefItem> {
    checkItem(namespace, kind, name);
    const { item } = await this.read(
      { operation: 'getItem', decode: decodeMetadefItem },
      'item',
      { namespace, kind, name },
      context,
    );
    return item;
  }

  async addItem(
    namespace: string,
    kind: MetadefKind,
    item: MetadefItemRequest,
    context: CallContext,
  ): Promise<MetadefItem> {
    checkNamespace(namespace);
    const answer = await this.write(
      { operation: 'addItem', decode: decodeMetadefItem },
      'POST',
      'items',
      { namespace, kind, item },
      context,
    );
    return answer.item;
  }

  async updateItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    item: MetadefItemRequest,
    context: CallContext,
  ): Promise<MetadefItem> {
    checkItem(namespace, kind, name);
    const answer = await this.write(
      { operation: 'updateItem', decode: decodeMetadefItem },
      'PUT',
      'item',
      { namespace, kind, name, item },
      context,
    );
    return answer.item;
  }

  async deleteItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    context: CallContext,
  ): Promise<void> {
    checkItem(namespace, kind, name);
    await this.remove('deleteItem', 'item', { namespace, kind, name }, context);
  }

  async deleteItems(namespace: string, kind: MetadefKind, context: CallContext): Promise<void> {
    checkNamespace(namespace);
    await this.remove('deleteItems', 'items', { namespace, kind }, context);
  }

  async putTags(
    namespace: string,
    { names, append }: PutMetadefTags,
    context: CallContext,
  ): Promise<MetadefItem[]> {
    checkNamespace(namespace);
    const { items } = await this.write(
      { operation: 'putTags', decode: decodeMetadefItems },
      'PUT',
      'tags',
      { namespace, names, append },
      context,
    );
    return items;
  }

  async listAppliedProperties(
    resourceType: string,
    context: CallContext,
  ): Promise<AppliedMetadefProperty[]> {
    if (!isMetadefName(resourceType)) return [];
    const { properties } = await this.read(
      { operation: 'listAppliedProperties', decode: decodeAppliedMetadefs },
      'applied-properties',
      { resourceType },
      context,
    );
    return properties;
  }

  private read<T>(
    { operation, decode }: Send<T>,
    path: string,
    query: object | undefined,
    context: CallContext,
  ): Promise<T> {
    return this.transport.send(
      {
        operation: `metadefs.${operation}`,
        kind: 'read',
        method: 'GET',
        path: `/v1/metadefs/${path}${query === undefined ? '' : queryOf(query)}`,
        decode,
      },
      context,
    );
  }

  private write<T>(
    { operation, decode }: Send<T>,
    method: 'POST' | 'PUT',
    path: string,
    body: object,
    context: CallContext,
  ): Promise<T> {
    return this.transport.send(
      {
        operation: `metadefs.${operation}`,
        kind: 'write',
        method,
        path: `/v1/metadefs/${path}`,
        body,
        decode,
      },
      context,
    );
  }

  private async remove(
    operation: string,
    path: string,
    query: object,
    context: CallContext,
  ): Promise<void> {
    await this.transport.send(
      {
        operation: `metadefs.${operation}`,
        kind: 'write',
        method: 'DELETE',
        path: `/v1/metadefs/${path}${queryOf(query)}`,
        decode: decodeMetadefRemoval,
      },
      context,
    );
  }
}

/** The whole query is one JSON document, as in every call of the contract. */
function queryOf(query: object): string {
  return `?query=${encodeURIComponent(JSON.stringify(query))}`;
}

/** What no column can hold is not found without a query, however long it is. */
function checkNamespace(namespace: string): void {
  if (!isMetadefName(namespace)) throw metadefNamespaceNotFound(namespace);
}

function checkItem(namespace: string, kind: MetadefKind, name: string): void {
  checkNamespace(namespace);
  if (!isMetadefName(name)) throw metadefItemNotFound(kind, name, namespace);
}
