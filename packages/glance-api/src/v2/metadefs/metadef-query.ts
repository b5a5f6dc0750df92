import {
  METADEF_ITEM_SORT_KEYS,
  METADEF_NAMESPACE_SORT_KEYS,
  invalidRequest,
  type MetadefItemQuery,
  type MetadefNamespaceQuery,
} from '@glance/common';
import type { ListLimits } from '../list-query';

const MAX_NAME_LENGTH = 80;

/**
 * The query of `GET /v2/metadefs/namespaces` (metadefs sheet §6); other parameters mean nothing.
 * @throws DomainError `invalid_request`
 */
export function parseNamespaceQuery(
  search: URLSearchParams,
  limits: ListLimits,
): MetadefNamespaceQuery {
  const visibility = search.get('visibility');
  const types = search.get('resource_types');
  return {
    ...(visibility === null ? {} : { visibility: visibilityOf(visibility) }),
    ...(types === null ? {} : { resourceTypes: types.split(',').filter(fits) }),
    sortKey: oneOf('sort_key', search.get('sort_key') ?? 'created_at', METADEF_NAMESPACE_SORT_KEYS),
    sortDirection: directionOf(search),
    ...markerOf(search),
    limit: Math.min(limitOf(search) ?? limits.defaultLimit, limits.maxLimit),
  };
}

/** The query of `GET …/tags`: all without a limit. @throws DomainError `invalid_request` */
export function parseTagQuery(search: URLSearchParams): MetadefItemQuery {
  const limit = limitOf(search);
  return {
    sortKey: oneOf('sort_key', search.get('sort_key') ?? 'created_at', METADEF_ITEM_SORT_KEYS),
    sortDirection: directionOf(search),
    ...markerOf(search),
    ...(limit === undefined ? {} : { limit }),
  };
}

/** `GET …/objects` checks what it then does not use. @throws DomainError `invalid_request` */
export function checkObjectQuery(search: URLSearchParams): void {
  directionOf(search);
  if (limitOf(search) === 0) throw invalidRequest('limit param must be positive');
  const visibility = search.get('visibility');
  if (visibility !== null && visibility !== 'shared') visibilityOf(visibility);
}

function visibilityOf(text: string): 'public' | 'private' {
  return oneOf('visibility', text, ['public', 'private']);
}

function directionOf(search: URLSearchParams): 'asc' | 'desc' {
  return oneOf('sort_dir', search.get('sort_dir') ?? 'desc', ['asc', 'desc']);
}

function markerOf(search: URLSearchParams): { marker?: string } {
  const marker = search.get('marker');
  return marker === null ? {} : { marker };
}

function limitOf(search: URLSearchParams): number | undefined {
  const text = search.get('limit');
  if (text === null) return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw invalidRequest('limit param must be an integer');
  if (text.startsWith('-')) throw invalidRequest('limit param must be positive');
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

function oneOf<T extends string>(parameter: string, text: string, values: readonly T[]): T {
  const found = values.find((each) => each === text);
  if (found !== undefined) return found;
  throw invalidRequest(
    `Invalid value '${text.slice(0, 100)}' for '${parameter}': it must be one of ${values.join(', ')}.`,
  );
}

function fits(name: string): boolean {
  return name !== '' && name.length <= MAX_NAME_LENGTH;
}
