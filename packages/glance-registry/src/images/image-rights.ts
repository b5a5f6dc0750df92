import { imageNotFound, type Identity, type ImageRecord } from '@glance/common';
import type { LockedImage } from './image-repository';
import { checkMayChange } from './visibility';

/**
 * A live image that the caller may change.
 * @throws DomainError `image_not_found` or `forbidden`, see {@link checkMayChange}.
 */
export function requireChangeable(
  image: LockedImage | undefined,
  imageId: string,
  identity: Identity,
): LockedImage {
  if (!image?.visible || image.row.deleted !== 0) throw imageNotFound(imageId);
  checkMayChange(identity, image.row);
  return image;
}

/**
 * The record as the caller may see it. Locations of a deactivated image are for admins only
 * (registry sheet §3), and so is the data that is left of a deleted one.
 */
export function present(record: ImageRecord, identity: Identity): ImageRecord {
  const hidesLocations = record.deleted || record.status === 'deactivated';
  return hidesLocations && !identity.isAdmin ? { ...record, locations: [] } : record;
}

/** The record as this transaction leaves it. */
export function requireFound(record: ImageRecord | undefined): ImageRecord {
  if (!record) throw new Error('an image row vanished inside a transaction that holds it');
  return record;
}
