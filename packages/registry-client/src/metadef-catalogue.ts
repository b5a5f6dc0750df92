import type {
  AppliedMetadefProperty,
  CreateMetadefNamespace,
  ListedMetadefNamespace,
  MetadefAssociation,
  MetadefAssociationRequest,
  MetadefItem,
  MetadefItemQuery,
  MetadefItemRequest,
  MetadefKind,
  MetadefNamespace,
  MetadefNamespaceContent,
  MetadefNamespaceFields,
  MetadefNamespaceQuery,
  MetadefResourceType,
  PutMetadefTags,
} from '@glance/common';
import type { CallContext } from './registry';

/**
 * The catalogue of metadata definitions. Names are compared as the database compares them: on MySQL
 * without regard to case.
 *
 * A namespace is seen by admins, by the project that owns it and, when it is public or has no owner,
 * by everybody; for anybody else every method rejects with `not_found` (detail `namespace`). Writes
 * reject with `forbidden` for read-only callers, and for a namespace of another project, or of none,
 * unless the caller is an admin; with `invalid_request` for what the tables do not hold
 * (`metadef-schemas.ts`). Each write is one transaction.
 */
export interface MetadefCatalogue {
  /** @throws `not_found` for a marker that is not seen */
  listNamespaces(
    query: MetadefNamespaceQuery,
    context: CallContext,
  ): Promise<ListedMetadefNamespace[]>;

  getNamespace(namespace: string, context: CallContext): Promise<MetadefNamespace>;

  getNamespaceContent(namespace: string, context: CallContext): Promise<MetadefNamespaceContent>;

  /**
   * With all that it is to hold, or not at all. Resource types that are not there are made.
   * @throws `conflict` for a name that is taken, also within the request; `forbidden` for another
   * owner than the caller's project, unless the caller is an admin.
   */
  createNamespace(
    request: CreateMetadefNamespace,
    context: CallContext,
  ): Promise<MetadefNamespaceContent>;

  /** Replaces the base fields. @throws as createNamespace */
  updateNamespace(
    namespace: string,
    fields: MetadefNamespaceFields,
    context: CallContext,
  ): Promise<MetadefNamespace>;

  /** With all that it holds. @throws `forbidden` when it is protected */
  deleteNamespace(namespace: string, context: CallContext): Promise<void>;

  listResourceTypes(context: CallContext): Promise<MetadefResourceType[]>;

  listAssociations(namespace: string, context: CallContext): Promise<MetadefAssociation[]>;

  /** Makes the resource type when it is not there. @throws `conflict` when they are associated */
  addAssociation(
    namespace: string,
    request: MetadefAssociationRequest,
    context: CallContext,
  ): Promise<MetadefAssociation>;

  /** The resource type stays. @throws `not_found`; `forbidden` when the namespace is protected */
  deleteAssociation(namespace: string, resourceType: string, context: CallContext): Promise<void>;

  /** @throws `not_found` for a marker that is not there */
  listItems(
    namespace: string,
    kind: MetadefKind,
    query: MetadefItemQuery,
    context: CallContext,
  ): Promise<MetadefItem[]>;

  /** @throws `not_found` */
  getItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    context: CallContext,
  ): Promise<MetadefItem>;

  /** @throws `conflict` for a name that is taken */
  addItem(
    namespace: string,
    kind: MetadefKind,
    item: MetadefItemRequest,
    context: CallContext,
  ): Promise<MetadefItem>;

  /** Replaces all of it, its name too. @throws `not_found`; `conflict` for a name that is taken */
  updateItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    item: MetadefItemRequest,
    context: CallContext,
  ): Promise<MetadefItem>;

  /** @throws `not_found`; `forbidden` when the namespace is protected */
  deleteItem(
    namespace: string,
    kind: MetadefKind,
    name: string,
    context: CallContext,
  ): Promise<void>;

  /** All of a kind. @throws `forbidden` when the namespace is protected */
  deleteItems(namespace: string, kind: MetadefKind, context: CallContext): Promise<void>;

  /**
   * @returns the tags that were given.
   * @throws `conflict` for a name that is given twice or, when they are appended, taken.
   */
  putTags(namespace: string, request: PutMetadefTags, context: CallContext): Promise<MetadefItem[]>;

  /**
   * The properties that the namespaces associated with a resource type define, in objects too, as
   * far as the caller sees them; by namespace and name.
   */
  listAppliedProperties(
    resourceType: string,
    context: CallContext,
  ): Promise<AppliedMetadefProperty[]>;
}
