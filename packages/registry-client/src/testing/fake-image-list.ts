import {
  DomainError,
  invalidRequest,
  type Identity,
  type ImageListQuery,
  type ImageRecord,
  type ImageSortKey,
  type SortDirection,
  type TimeOperator,
} from '@glance/common';
import { wasVisibleTo, type FakeImage } from './fake-image';

type SortTerm = ImageListQuery['sort'][number];

/**
 * The page a query asks for. Text is compared by code point, where MySQL compares without case.
 * @throws DomainError as `Registry.listImages`
 */
export function listFakeImages(
  images: Iterable<FakeImage>,
  query: ImageListQuery,
  identity: Identity,
): ImageRecord[] {
  if (query.scope === 'all' && !identity.isAdmin) {
    throw new DomainError('forbidden', 'Only an admin may list the images of all projects.');
  }
  const all = [...images];
  const inOrder = comparator(completeSort(query.sort));
  let page = all
    .filter((image) => isInScope(image, query, identity) && isMatch(image.record, query))
    .map(({ record }) => record)
    .sort(inOrder);
  if (query.marker !== undefined) {
    const marker = findMarker(all, query.marker, query, identity);
    page = page.filter((record) => inOrder(record, marker) > 0);
  }
  return page.slice(0, query.limit);
}

/** Which images the list is made of, before any filter (schema sheet 5.2, points 1 and 2). */
function isInScope(
  { record, members }: FakeImage,
  query: ImageListQuery,
  identity: Identity,
): boolean {
  const { projectId } = identity;
  const isOwn = projectId !== null && record.owner === projectId;
  if (query.scope === 'caller') {
    const membership = projectId === null ? undefined : members.get(projectId);
    const isShared =
      record.visibility === 'shared' &&
      membership !== undefined &&
      (query.memberStatus === 'all' || membership.status === query.memberStatus);
    const isOpen = record.visibility === 'public' || record.visibility === 'community';
    if (!isOpen && !isOwn && !isShared) return false;
  }
  return query.visibility === undefined
    ? record.visibility !== 'community' || isOwn
    : query.visibility.includes(record.visibility);
}

function isMatch(record: ImageRecord, query: ImageListQuery): boolean {
  return (
    (query.deleted === 'any' || record.deleted === query.deleted) &&
    (query.deleted !== false || record.status !== 'killed') &&
    equals(record.hidden, query.hidden) &&
    isOneOf(record.id, query.id) &&
    isOneOf(record.name, query.name) &&
    isOneOf(record.status, query.status) &&
    isOneOf(record.containerFormat, query.containerFormat) &&
    isOneOf(record.diskFormat, query.diskFormat) &&
    equals(record.owner, query.owner) &&
    equals(record.checksum, query.checksum) &&
    equals(record.hashAlgorithm, query.hashAlgorithm) &&
    equals(record.hashValue, query.hashValue) &&
    equals(record.minDisk, query.minDisk) &&
    equals(record.minRam, query.minRam) &&
    equals(record.sizeBytes, query.sizeBytes) &&
    equals(record.virtualSizeBytes, query.virtualSizeBytes) &&
    equals(record.protected, query.protected) &&
    isWithin(record.sizeBytes, query.sizeMin, query.sizeMax) &&
    isWithin(record.virtualSizeBytes, query.virtualSizeMin, query.virtualSizeMax) &&
    isWithin(record.minDisk, query.minDiskMin, query.minDiskMax) &&
    isWithin(record.minRam, query.minRamMin, query.minRamMax) &&
    (query.changesSince === undefined || record.updatedAt > query.changesSince) &&
    isAtTime(record.createdAt, query.createdAt) &&
    isAtTime(record.updatedAt, query.updatedAt) &&
    (query.properties ?? []).every(([name, value]) =>
      record.properties.some((property) => property[0] === name && property[1] === value),
    ) &&
    (query.tags ?? []).every((tag) => record.tags.includes(tag))
  );
}

function equals<T>(value: T | null, wanted: T | undefined): boolean {
  return wanted === undefined || value === wanted;
}

function isOneOf(value: string | null, wanted: readonly string[] | undefined): boolean {
  return wanted === undefined || (value !== null && wanted.includes(value));
}

/** Bounds are inclusive; NULL is within none. */
function isWithin(value: number | null, least = -Infinity, most = Infinity): boolean {
  if (least === -Infinity && most === Infinity) return true;
  return value !== null && value >= least && value <= most;
}

const TIME_TESTS: Record<TimeOperator, (time: string, bound: string) => boolean> = {
  gt: (time, bound) => time > bound,
  gte: (time, bound) => time >= bound,
  lt: (time, bound) => time < bound,
  lte: (time, bound) => time <= bound,
  eq: (time, bound) => time === bound,
  neq: (time, bound) => time !== bound,
};

function isAtTime(time: string, condition: ImageListQuery['createdAt']): boolean {
  return condition === undefined || TIME_TESTS[condition.operator](time, condition.value);
}

/** `createdAt` and `id` make the order total. */
function completeSort(sort: readonly SortTerm[]): SortTerm[] {
  const direction: SortDirection = sort.at(-1)?.direction ?? 'desc';
  const terms = [...sort];
  for (const key of ['createdAt', 'id'] as const) {
    if (!terms.some((term) => term.key === key)) terms.push({ key, direction });
  }
  return terms;
}

function comparator(sort: readonly SortTerm[]): (a: ImageRecord, b: ImageRecord) => number {
  return (a, b) => {
    for (const { key, direction } of sort) {
      const order = compareBy(key, a, b);
      if (order !== 0) return direction === 'asc' ? order : -order;
    }
    return 0;
  };
}

/** NULL is the lowest value, as in MySQL and SQLite. */
function compareBy(key: ImageSortKey, a: ImageRecord, b: ImageRecord): number {
  const left = a[key];
  const right = b[key];
  if (left === right) return 0;
  if (left === null) return -1;
  if (right === null) return 1;
  return left < right ? -1 : 1;
}

function findMarker(
  images: readonly FakeImage[],
  id: string,
  query: ImageListQuery,
  identity: Identity,
): ImageRecord {
  const marker = images.find(({ record }) => record.id === id);
  // A deleted image marks a place where deleted ones are listed (registry sheet §4), and for admins.
  const isGone =
    marker?.record.deleted === true &&
    !identity.isAdmin &&
    (query.deleted === false || !wasVisibleTo(identity, marker));
  if (marker === undefined || isGone) {
    throw invalidRequest('Invalid marker. Image could not be found.');
  }
  if (!wasVisibleTo(identity, marker)) {
    throw new DomainError('forbidden', 'You are not permitted to see the image of the marker.', {
      details: { marker: id },
    });
  }
  return marker.record;
}
