import {
  checkCountQuota,
  DomainError,
  isServiceProperty,
  type UpdateImageRequest,
} from '@glance/common';

export type PropertyChange = NonNullable<UpdateImageRequest['properties']>;

/** A change of an image's properties with the names before and after it. */
export interface NamedChange {
  before: ReadonlySet<string>;
  after: ReadonlySet<string>;
  change: PropertyChange;
  /** The most names after a change that adds one; null for no limit. */
  quota: number | null;
}

/**
 * Whoever lowers a quota does not lock the images that are above it: what adds no name is allowed
 * (api-v2 sheet §14). Names of the service's own do not count.
 * @throws DomainError `conflict` for a name that must or must not have been there;
 * `quota_exceeded`.
 */
export function checkPropertyChange(
  imageId: string,
  { before, after, change, quota }: NamedChange,
): void {
  const conflict = (property: string, how: string): DomainError =>
    new DomainError('conflict', `Property ${property} ${how}.`, {
      details: { imageId, property },
    });
  for (const name of change.createOnly ?? []) {
    if (before.has(name)) throw conflict(name, 'already present');
  }
  for (const name of change.mustExist ?? []) {
    if (!before.has(name)) throw conflict(name, 'does not exist');
  }
  const counted = [...after].filter((name) => !isServiceProperty(name));
  if (counted.every((name) => before.has(name))) return;
  checkCountQuota('image properties', counted.length, quota);
}
