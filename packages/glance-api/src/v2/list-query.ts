import {
  IMAGE_SORT_KEYS,
  MEMBER_STATUSES,
  TIME_OPERATORS,
  VISIBILITIES,
  invalidRequest,
  parseIso8601,
  toWireTime,
  type Identity,
  type ImageListQuery,
  type ImageProperty,
  type ImageSortKey,
  type MemberStatus,
  type SortDirection,
  type TimeOperator,
} from '@glance/common';
import { splitList, splitOperator } from './filter-operators';

export interface ListLimits {
  defaultLimit: number;
  maxLimit: number;
}

const SORT_KEYS: ReadonlyMap<string, ImageSortKey> = new Map([
  ['name', 'name'],
  ['status', 'status'],
  ['container_format', 'containerFormat'],
  ['disk_format', 'diskFormat'],
  ['size', 'sizeBytes'],
  ['id', 'id'],
  ['created_at', 'createdAt'],
  ['updated_at', 'updatedAt'],
] satisfies [string, (typeof IMAGE_SORT_KEYS)[number]][]);

/** Of these the first counts, of filters the last (api-v2 sheet 5.1). */
const PAGE_PARAMETERS: ReadonlySet<string> = new Set([
  'limit',
  'marker',
  'sort',
  'sort_key',
  'sort_dir',
  'member_status',
  'tag',
  'deleted',
]);

/** Longer than any column that filters compare: equal to none. */
const MAX_TEXT_LENGTH = 255;

/** Adds a condition to the query; false when nothing can match it. */
type Filter = (query: ImageListQuery, value: string, parameter: string) => boolean;

const FILTERS: Readonly<Record<string, Filter>> = {
  visibility: filterVisibility,
  owner: equals('owner'),
  checksum: equals('checksum'),
  os_hash_value: equals('hashValue'),
  os_hash_algo: equals('hashAlgorithm'),
  name: oneOf('name'),
  id: oneOf('id'),
  status: oneOf('status'),
  container_format: oneOf('containerFormat'),
  disk_format: oneOf('diskFormat'),
  size: equalsNumber('sizeBytes'),
  virtual_size: equalsNumber('virtualSizeBytes'),
  min_ram: equalsNumber('minRam'),
  min_disk: equalsNumber('minDisk'),
  size_min: atLeast('sizeMin'),
  size_max: atMost('sizeMax'),
  virtual_size_min: atLeast('virtualSizeMin'),
  virtual_size_max: atMost('virtualSizeMax'),
  min_ram_min: atLeast('minRamMin'),
  min_ram_max: atMost('minRamMax'),
  min_disk_min: atLeast('minDiskMin'),
  min_disk_max: atMost('minDiskMax'),
  created_at: atTime('createdAt'),
  updated_at: atTime('updatedAt'),
  os_hidden: (query, value) => {
    query.hidden = trueOrFalse('os_hidden', value.toLowerCase());
    return true;
  },
  protected: (query, value) => {
    query.protected = trueOrFalse('protected', value);
    return true;
  },
  'changes-since': () => {
    throw invalidRequest("The filter 'changes-since' is not supported by API v2.");
  },
};

/** The names of all parameters that are no property filters. */
export const LIST_PARAMETERS: readonly string[] = [...PAGE_PARAMETERS, ...Object.keys(FILTERS)];

/**
 * Turns the query of `GET /v2/images` into the registry's (api-v2 sheet §5). What is no parameter
 * asks for the value of a custom property.
 * @returns undefined when no image can match.
 * @throws DomainError `invalid_request`.
 */
export function parseListQuery(
  search: URLSearchParams,
  identity: Identity,
  limits: ListLimits,
): ImageListQuery | undefined {
  const query: ImageListQuery = {
    scope: identity.isAdmin ? 'all' : 'caller',
    memberStatus: memberStatus(search.get('member_status') ?? 'accepted'),
    deleted: false,
    hidden: false,
    sort: sortOrder(search),
    limit: Math.min(pageSize(search.get('limit')) ?? limits.defaultLimit, limits.maxLimit),
  };
  const marker = search.get('marker');
  if (marker !== null) {
    if (marker === '') throw invalidRequest('Invalid marker. Image could not be found.');
    query.marker = marker.toLowerCase().slice(0, MAX_TEXT_LENGTH);
  }
  const tags = search.getAll('tag').map((tag) => tag.trim());
  let possible = tags.every((tag) => tag.length <= MAX_TEXT_LENGTH);
  if (tags.length > 0) query.tags = tags;
  const properties: ImageProperty[] = [];
  for (const [parameter, value] of new Map(search)) {
    if (PAGE_PARAMETERS.has(parameter)) continue;
    const filter = Object.hasOwn(FILTERS, parameter) ? FILTERS[parameter] : undefined;
    if (filter) possible = filter(query, value, parameter) && possible;
    else properties.push([parameter, value]);
  }
  if (properties.length > 0) query.properties = properties;
  return possible ? query : undefined;
}

function pageSize(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\+?\d+$/.test(text.trim())) return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
  throw invalidRequest(
    /^-\d+$/.test(text) ? 'limit param must be positive' : 'limit param must be an integer',
  );
}

function memberStatus(text: string): MemberStatus | 'all' {
  const found = ([...MEMBER_STATUSES, 'all'] as const).find((status) => status === text);
  if (found === undefined) throw invalidRequest(`Invalid status: ${text.slice(0, 100)}`);
  return found;
}

/** `sort=key[:dir],…`, or `sort_key` and `sort_dir`, each given as often as needed. */
function sortOrder(search: URLSearchParams): ImageListQuery['sort'] {
  const keys = search.getAll('sort_key');
  const directions = search.getAll('sort_dir');
  const sort = search.get('sort');
  if (sort !== null) {
    if (keys.length > 0 || directions.length > 0) {
      throw invalidRequest('Old and new sorting syntax cannot be combined');
    }
    return sort.split(',').map((part) => {
      const [key = '', direction = '', ...rest] = part.split(':').map((each) => each.trim());
      if (rest.length > 0) throw invalidRequest(`Invalid sort: ${part.slice(0, 100)}`);
      return { key: sortKey(key), direction: sortDirection(direction || 'desc') };
    });
  }
  if (directions.length > 1 && directions.length !== keys.length) {
    throw invalidRequest('Number of sort dirs does not match the number of sort keys');
  }
  const direction = sortDirection(directions[0] ?? 'desc');
  const wanted = keys.length > 0 ? keys : ['created_at'];
  return wanted.map((key, index) => ({
    key: sortKey(key),
    direction: directions.length > 1 ? sortDirection(directions[index] ?? '') : direction,
  }));
}

function sortKey(name: string): ImageSortKey {
  const key = SORT_KEYS.get(name);
  if (key !== undefined) return key;
  throw invalidRequest(
    `Invalid sort key: ${name.slice(0, 100)}. It must be one of the following: ${[...SORT_KEYS.keys()].join(', ')}.`,
  );
}

function sortDirection(text: string): SortDirection {
  if (text === 'asc' || text === 'desc') return text;
  throw invalidRequest(
    `Invalid sort direction: ${text.slice(0, 100)}. It must be one of the following: asc, desc.`,
  );
}

function filterVisibility(query: ImageListQuery, value: string): boolean {
  // No image has no visibility.
  if (value === '') return false;
  const found = VISIBILITIES.find((visibility) => visibility === value);
  if (found === undefined && value !== 'all') {
    throw invalidRequest(`Invalid visibility value: ${value.slice(0, 100)}`);
  }
  query.visibility = found === undefined ? [...VISIBILITIES] : [found];
  return true;
}

function equals(field: 'owner' | 'checksum' | 'hashValue' | 'hashAlgorithm'): Filter {
  return (query, value) => {
    if (value.length > MAX_TEXT_LENGTH) return false;
    query[field] = value;
    return true;
  };
}

function oneOf(field: 'name' | 'id' | 'status' | 'containerFormat' | 'diskFormat'): Filter {
  return (query, text, parameter) => {
    const { operator, value } = splitOperator(text);
    if (operator !== 'eq' && operator !== 'in') throw badOperator(parameter, operator);
    const values = operator === 'in' ? splitList(value) : [value];
    query[field] = values.filter((each) => each.length <= MAX_TEXT_LENGTH);
    return query[field].length > 0;
  };
}

/** What is no number equals none. */
function equalsNumber(field: 'sizeBytes' | 'virtualSizeBytes' | 'minRam' | 'minDisk'): Filter {
  return (query, value) => {
    if (!/^\d+$/.test(value) || Number(value) > Number.MAX_SAFE_INTEGER) return false;
    query[field] = Number(value);
    return true;
  };
}

function atLeast(field: 'sizeMin' | 'virtualSizeMin' | 'minRamMin' | 'minDiskMin'): Filter {
  return (query, value, parameter) => {
    query[field] = Math.max(0, bound(parameter, value));
    return true;
  };
}

function atMost(field: 'sizeMax' | 'virtualSizeMax' | 'minRamMax' | 'minDiskMax'): Filter {
  return (query, value, parameter) => {
    const limit = bound(parameter, value);
    if (limit < 0) return false;
    query[field] = limit;
    return true;
  };
}

function bound(parameter: string, text: string): number {
  if (!/^[+-]?\d+$/.test(text.trim())) {
    throw invalidRequest(
      `Unable to filter on a range with a non-numeric value: ${parameter}=${text.slice(0, 100)}`,
    );
  }
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

function atTime(field: 'createdAt' | 'updatedAt'): Filter {
  return (query, text, parameter) => {
    const { operator, value } = splitOperator(text);
    if (!isTimeOperator(operator)) throw badOperator(parameter, operator);
    const time = parseIso8601(value);
    if (!time) throw invalidRequest(`Invalid time format: ${value.slice(0, 100)}`);
    query[field] = { operator, value: toWireTime(time) };
    return true;
  };
}

function isTimeOperator(operator: string): operator is TimeOperator {
  return TIME_OPERATORS.some((each) => each === operator);
}

function trueOrFalse(parameter: string, value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw invalidRequest(
    `Invalid value '${value.slice(0, 100)}' for '${parameter}' filter: it must be true or false`,
  );
}

function badOperator(parameter: string, operator: string): Error {
  return invalidRequest(
    `Unable to filter by unknown operator '${operator.slice(0, 100)}' in ${parameter}. A value with a colon needs an operator or quotes: eq:VALUE or in:"VALUE".`,
  );
}
