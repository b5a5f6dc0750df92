import {
  areSamePlaces,
  type ChangeLocations,
  type DataPlace,
  type ImageLocation,
  type ListRemovals,
  type LocationRemoval,
} from '@glance/common';
import { conflict, transition, type FakeImage } from './fake-image';

/** @throws DomainError `conflict` as `Registry.updateImage` */
export function checkLocationChange({ record }: FakeImage, { seen }: ChangeLocations): void {
  const isCurrent = areSamePlaces(record.locations, seen);
  if (!isCurrent || !['queued', 'active'].includes(record.status)) throw conflict(record.id);
}

/** Bytes of the quota that the change takes beside what there is. */
export function addedBytes({ record }: FakeImage, change: ChangeLocations): number {
  const { kept } = sortOut(record.locations, change.wanted);
  const sizeBytes = record.status === 'queued' ? change.sizeBytes : (record.sizeBytes ?? 0);
  return sizeBytes * (change.wanted.length - kept.length);
}

/** After {@link checkLocationChange}. */
export function changeFakeLocations(
  image: FakeImage,
  { wanted, sizeBytes, checksum, hash, delayed }: ChangeLocations,
  others: Iterable<FakeImage>,
  nextId: () => number,
  now: string,
): void {
  const { record } = image;
  if (record.status === 'queued') {
    transition(image, 'active');
    record.sizeBytes = sizeBytes;
    record.checksum = checksum ?? record.checksum;
    if (hash) Object.assign(record, { hashAlgorithm: hash.algorithm, hashValue: hash.value });
  }
  const { kept, removed } = sortOut(record.locations, wanted);
  record.locations = wanted.map((place, index) => ({
    ...placeOf(place),
    id: kept[index]?.id ?? nextId(),
    status: 'active',
  }));
  const inUse = new Set([...others].flatMap(({ record: { locations } }) => urlsOf(locations)));
  for (const location of removed) {
    if (inUse.has(location.url)) continue;
    image.removals.push({
      location: { ...location, status: 'pending_delete' },
      begunAt: now,
      isDelayed: delayed === true,
    });
  }
}

export function listFakeRemovals(
  images: Iterable<FakeImage>,
  { imageId, after = 0, limit }: ListRemovals,
): LocationRemoval[] {
  return [...images]
    .filter(
      ({ record }) =>
        record.status !== 'pending_delete' && [undefined, record.id].includes(imageId),
    )
    .flatMap(({ record, removals }) => removals.map((each) => ({ imageId: record.id, ...each })))
    .filter(({ location }) => location.id > after)
    .sort((a, b) => a.location.id - b.location.id)
    .slice(0, limit);
}

/** @returns false when there is no such removal. */
export function endFakeRemoval(
  image: FakeImage | undefined,
  locationId: number,
  outcome: 'gone' | 'refused',
): boolean {
  if (!image) return false;
  const { status } = image.record;
  if (status === 'pending_delete') return false;
  if (outcome === 'refused' && status !== 'active' && status !== 'deactivated') return false;
  const index = image.removals.findIndex(({ location }) => location.id === locationId);
  const [removal] = index === -1 ? [] : image.removals.splice(index, 1);
  if (!removal) return false;
  if (status === 'deleted') image.record.locations = image.removals.map((each) => each.location);
  if (outcome === 'refused') {
    image.record.locations.push({ ...removal.location, status: 'active' });
    image.record.locations.sort((a, b) => a.id - b.id);
  }
  return true;
}

function sortOut(rows: readonly ImageLocation[], wanted: readonly DataPlace[]) {
  const open = urlsOf(wanted);
  const kept: ImageLocation[] = [];
  const removed: ImageLocation[] = [];
  for (const row of rows) {
    const index = open.indexOf(row.url);
    if (index !== -1) open.splice(index, 1);
    (index === -1 ? removed : kept).push(row);
  }
  return { kept, removed };
}

function urlsOf(places: readonly DataPlace[]): string[] {
  return places.map(({ url }) => url);
}

function placeOf({ url, metadata }: DataPlace): DataPlace {
  return { url, metadata };
}
