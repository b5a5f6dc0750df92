import {
  DomainError,
  invalidRequest,
  parseIso8601,
  toCanonicalUuid,
  toWireTime,
  VISIBILITIES,
  type Identity,
  type ImageListQuery,
  type ImageProperty,
  type ImageSortKey,
} from '@glance/common';

export interface ListLimits {
  defaultLimit: number;
  maxLimit: number;
}

const SORT_KEYS: Readonly<Record<string, ImageSortKey>> = {
  name: 'name',
  status: 'status',
  container_format: 'containerFormat',
  disk_format: 'diskFormat',
  size: 'sizeBytes',
  id: 'id',
  created_at: 'createdAt',
  updated_at: 'updatedAt',
};

const TEXT_FILTERS = {
  name: 'name',
  status: 'status',
  container_format: 'containerFormat',
  disk_format: 'diskFormat',
} as const;

/**
 * Turns the query of a v1 list into the registry's (api-v1 sheet §3). Of a repeated parameter the
 * last one counts; unknown ones are ignored.
 * @throws DomainError `invalid_request`.
 */
export function parseListQuery(
  search: URLSearchParams,
  identity: Identity,
  limits: ListLimits,
): ImageListQuery {
  const given = new Map(search);
  const query: ImageListQuery = {
    ...visibilityScope(given, identity),
    memberStatus: 'all',
    deleted: false,
    sort: [{ key: sortKey(given), direction: sortDirection(given) }],
    limit: Math.min(
      nonNegative(given, 'limit', limitError) ?? limits.defaultLimit,
      limits.maxLimit,
    ),
  };
  for (const [parameter, field] of Object.entries(TEXT_FILTERS)) {
    const value = given.get(parameter);
    if (value !== undefined) query[field] = textFilter(value);
  }
  const minRam = nonNegative(given, 'min_ram', badFilter);
  if (minRam !== undefined) query.minRam = minRam;
  const minDisk = nonNegative(given, 'min_disk', badFilter);
  if (minDisk !== undefined) query.minDisk = minDisk;
  const sizeMin = nonNegative(given, 'size_min', badFilter);
  if (sizeMin !== undefined) query.sizeMin = sizeMin;
  const sizeMax = nonNegative(given, 'size_max', badFilter);
  if (sizeMax !== undefined) query.sizeMax = sizeMax;
  const isProtected = given.get('protected');
  if (isProtected !== undefined) query.protected = strictBoolean('protected', isProtected);

  const changesSince = given.get('changes-since');
  if (changesSince !== undefined) {
    const since = parseIso8601(changesSince);
    if (!since) throw badFilter('changes-since', changesSince);
    query.changesSince = toWireTime(since);
    // Deleted and killed images come with the changes, for any caller.
    query.deleted = 'any';
  }
  const properties: ImageProperty[] = [];
  for (const [parameter, value] of given) {
    if (parameter.startsWith('property-')) properties.push([parameter.slice(9), value]);
  }
  if (properties.length > 0) query.properties = properties;

  const marker = given.get('marker');
  if (marker !== undefined) {
    if (marker === '') throw unknownMarker();
    const id = toCanonicalUuid(marker);
    if (id === undefined) throw invalidRequest('Invalid marker format');
    query.marker = id;
  }
  return query;
}

/** v1 takes a marker that the caller may not see for one that is not there. */
export function unknownMarker(cause?: unknown): DomainError {
  return new DomainError('invalid_request', 'Invalid marker. Image could not be found.', { cause });
}

/** `is_public` is checked for everybody and means something for admins only. */
function visibilityScope(
  given: ReadonlyMap<string, string>,
  identity: Identity,
): Pick<ImageListQuery, 'scope' | 'visibility'> {
  const text = given.get('is_public')?.toLowerCase();
  if (text !== undefined && !['true', 'false', '1', '0', 'none'].includes(text)) {
    throw badFilter('is_public', text);
  }
  if (!identity.isAdmin || text === undefined || text === 'true' || text === '1') {
    return { scope: 'caller' };
  }
  if (text === 'none') return { scope: 'all', visibility: [...VISIBILITIES] };
  return { scope: 'all', visibility: VISIBILITIES.filter((each) => each !== 'public') };
}

function sortKey(given: ReadonlyMap<string, string>): ImageSortKey {
  const name = given.get('sort_key') ?? 'created_at';
  const key = Object.hasOwn(SORT_KEYS, name) ? SORT_KEYS[name] : undefined;
  if (key === undefined) {
    throw invalidRequest(
      `Unsupported sort_key. Acceptable values: ${Object.keys(SORT_KEYS).join(', ')}`,
    );
  }
  return key;
}

function sortDirection(given: ReadonlyMap<string, string>): 'asc' | 'desc' {
  const direction = given.get('sort_dir') ?? 'desc';
  if (direction !== 'asc' && direction !== 'desc') {
    throw invalidRequest('Unsupported sort_dir. Acceptable values: asc, desc');
  }
  return direction;
}

/** `in:a,b` is one of several, `eq:x` and anything else is the text itself. */
function textFilter(value: string): string[] {
  if (value.startsWith('in:')) return splitQuoted(value.slice(3));
  return [value.startsWith('eq:') ? value.slice(3) : value];
}

/** A comma list; double quotes protect commas. */
function splitQuoted(text: string): string[] {
  const items = text.match(/"[^"]*"|[^,]+/g) ?? [];
  return items.map((item) => item.replace(/^"|"$/g, ''));
}

function nonNegative(
  given: ReadonlyMap<string, string>,
  parameter: string,
  refusal: (parameter: string, value: string) => Error,
): number | undefined {
  const value = given.get(parameter);
  if (value === undefined) return undefined;
  if (!/^\d{1,400}$/.test(value)) throw refusal(parameter, value);
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function limitError(_parameter: string, value: string): Error {
  return invalidRequest(
    /^-\d+$/.test(value) ? 'limit param must be positive' : 'limit param must be an integer',
  );
}

function strictBoolean(parameter: string, value: string): boolean {
  const text = value.toLowerCase();
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw badFilter(parameter, value);
}

function badFilter(parameter: string, value: string): Error {
  return invalidRequest(`Bad value passed to filter ${parameter}: ${value.slice(0, 100)}`);
}
