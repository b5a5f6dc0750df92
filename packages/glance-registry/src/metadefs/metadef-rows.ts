import type {
  JsonObject,
  MetadefAssociation,
  MetadefItem,
  MetadefKind,
  MetadefNamespace,
} from '@glance/common';
import { toWireTime } from '../db/values';

/** What rows of databases that upstream wrote may hold is read as it is meant (metadefs sheet §3, §8). */

interface TimeColumns {
  created_at: string;
  updated_at: string | null;
}

export interface NamespaceRow extends TimeColumns {
  id: number;
  namespace: string;
  display_name: string | null;
  description: string | null;
  visibility: string | null;
  protected: number | null;
  owner: string | null;
}

export interface ItemRow extends TimeColumns {
  id: number;
  name: string;
  description: string | null;
  required: string | null;
  json_schema: string | null;
}

export interface AssociationRow extends TimeColumns {
  namespace_id: number;
  name: string;
  prefix: string | null;
  properties_target: string | null;
}

export function timesOf(row: TimeColumns): { createdAt: string; updatedAt: string | null } {
  return {
    createdAt: toWireTime(row.created_at),
    updatedAt: row.updated_at === null ? null : toWireTime(row.updated_at),
  };
}

export function toNamespace(row: NamespaceRow): MetadefNamespace {
  return {
    namespace: row.namespace,
    displayName: row.display_name,
    description: row.description,
    visibility: row.visibility === 'public' ? 'public' : 'private',
    protected: row.protected === 1,
    owner: row.owner,
    ...timesOf(row),
  };
}

export function toItem(kind: MetadefKind, row: ItemRow): MetadefItem {
  return {
    name: row.name,
    description: row.description,
    required: row.required === null || row.required === '' ? null : row.required.split(','),
    schema: kind === 'tags' ? null : toDefinition(row.json_schema),
    ...timesOf(row),
  };
}

export function toAssociation(row: AssociationRow): MetadefAssociation {
  return {
    name: row.name,
    prefix: row.prefix,
    propertiesTarget: row.properties_target,
    ...timesOf(row),
  };
}

/** Upstream's loader writes `null` for an object without properties. */
export function toDefinition(text: string | null): JsonObject {
  if (text === null || text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as JsonObject) : {};
  } catch {
    return {};
  }
}
