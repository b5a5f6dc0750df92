import type {
  CreateMetadefNamespace,
  MetadefItem,
  MetadefItemRequest,
  MetadefKind,
  MetadefNamespaceContent,
} from '@glance/common';
import { toWireTime } from '../db/values';
import type { Repositories } from '../repositories';
import { toAssociation, toItem, toNamespace, type NamespaceRow } from './metadef-rows';

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

/** What a request has made, as it will be read. */
export function createdFrom(request: CreateMetadefNamespace, at: string): MetadefNamespaceContent {
  const made = (kind: MetadefKind, items: readonly MetadefItemRequest[]): MetadefItem[] =>
    items.map((each) => ({ ...storedAs(kind, each), ...madeAt(at) }));
  return {
    ...request,
    ...madeAt(at),
    associations: request.associations.map((each) => ({ ...each, ...madeAt(at) })),
    objects: made('objects', request.objects),
    properties: made('properties', request.properties),
    tags: made('tags', request.tags),
  };
}

/** @param at by the database's clock */
export function madeAt(at: string): { createdAt: string; updatedAt: string } {
  return { createdAt: toWireTime(at), updatedAt: toWireTime(at) };
}

/** As it will be read. */
export function storedAs(kind: MetadefKind, request: MetadefItemRequest): MetadefItemRequest {
  const { name, description, required, schema } = request;
  return {
    name,
    description,
    required: required !== null && required.length > 0 ? required : null,
    schema: kind === 'tags' ? null : (schema ?? {}),
  };
}
