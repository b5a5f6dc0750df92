import {
  DomainError,
  canTransition,
  imageNotFound,
  type BeginDeletion,
  type ClaimDeletion,
  type DeletionPlan,
} from '@glance/common';
import { conflict, transition, type FakeImage } from './fake-image';
import { markDeleted } from './fake-image-record';

/** @throws DomainError as `Registry.beginDeletion`, of an image that the caller may change */
export function checkDeletable({ record }: FakeImage): void {
  const details = { imageId: record.id };
  if (record.status === 'deleted') throw imageNotFound(record.id);
  if (record.status === 'pending_delete') {
    const text = `Image ${record.id} is being deleted.`;
    throw new DomainError('image_pending_delete', text, { details });
  }
  if (record.protected) {
    const text = `Image ${record.id} is protected and cannot be deleted.`;
    throw new DomainError('image_protected', text, { details });
  }
}

/** After {@link checkDeletable}; uploads and imports are somebody else's. */
export function beginFakeDeletion(
  image: FakeImage,
  { delayed }: BeginDeletion,
  now: string,
): DeletionPlan {
  const { record } = image;
  const before = structuredClone(record);
  const data = [...before.locations, ...image.removals.map(({ location }) => location)];
  const staysPending = data.length > 0 && canTransition(record.status, 'pending_delete');
  transition(image, staysPending ? 'pending_delete' : 'deleted');
  markDeleted(record, now);
  // Whoever finishes the deletion later has to find the data.
  record.locations = data.map((each) => ({ ...each, status: 'pending_delete' }));
  if (staysPending) {
    image.beforeDeletion = before;
    image.deletion = { isDelayed: delayed, scrubs: delayed ? 0 : 1 };
  } else {
    image.removals = record.locations.map((location) => ({
      location,
      begunAt: now,
      isDelayed: false,
    }));
  }
  return { image: record, locations: data };
}

export function finishFakeDeletion(image: FakeImage, now: string): void {
  image.removals = [];
  if (image.record.status === 'deleted') {
    image.record.locations = [];
    return;
  }
  if (image.record.status !== 'pending_delete') throw conflict(image.record.id);
  transition(image, 'deleted');
  image.beforeDeletion = null;
  image.deletion = null;
  image.members.clear();
  markDeleted(image.record, now);
}

/** @param scrubs how many may have begun to remove the data */
export function takeBackFakeDeletion(image: FakeImage, scrubs: number, now: string): void {
  const { record, beforeDeletion, deletion } = image;
  if (record.status !== 'pending_delete' || !beforeDeletion || !deletion) throw conflict(record.id);
  if (deletion.scrubs > scrubs) throw conflict(record.id);
  image.record = { ...beforeDeletion, updatedAt: now };
  image.beforeDeletion = null;
  image.deletion = null;
}

/** @returns whether anybody had claimed it. */
export function releaseFakeDeletion({ record, deletion }: FakeImage): boolean {
  if (record.status !== 'pending_delete' || !deletion) throw conflict(record.id);
  if (deletion.scrubs === 0) return false;
  deletion.scrubs -= 1;
  return true;
}

/** The next one that is due, which is claimed by that. */
export function claimFakeDeletion(
  images: Iterable<FakeImage>,
  { after = '', graceSeconds, scrubSeconds }: ClaimDeletion,
  nowMs: number,
): DeletionPlan | null {
  const [image] = [...images]
    .filter(({ record, deletion }) => {
      if (record.status !== 'pending_delete' || record.id <= after) return false;
      const keptSeconds = deletion?.isDelayed === false ? graceSeconds : scrubSeconds;
      return nowMs - Date.parse(`${record.deletedAt}Z`) >= keptSeconds * 1000;
    })
    .sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
  if (!image) return null;
  if (image.deletion) image.deletion.scrubs += 1;
  return { image: image.record, locations: image.record.locations };
}
