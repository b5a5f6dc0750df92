import type { ImageLocation } from './image';

/** A place where the data of an image is. */
export type DataPlace = Pick<ImageLocation, 'url' | 'metadata'>;

/** Whether both are one place with one metadata; the order of keys does not count. */
export function isSamePlace(a: DataPlace, b: DataPlace): boolean {
  return a.url === b.url && canonicalJson(a.metadata) === canonicalJson(b.metadata);
}

export function areSamePlaces(a: readonly DataPlace[], b: readonly DataPlace[]): boolean {
  return (
    a.length === b.length &&
    a.every((place, index) => {
      const other = b[index];
      return other !== undefined && isSamePlace(place, other);
    })
  );
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
