import { DomainError } from '@glance/common';
import type { ImageRow } from '../images/image-rows';
import type { Repositories } from '../repositories';
import type { BegunDeletion, DeletionKey } from './deletion-repository';

/** Upstream removes the properties of an image a moment before the image. */
const UPSTREAM_DELETION_SECONDS = 10;

export function deletionOf({
  id,
  deleted_at: deletedAt,
  updated_at: updatedAt,
}: ImageRow): DeletionKey {
  return { imageId: id, at: deletedAt ?? updatedAt ?? '' };
}

/**
 * Brings back what was deleted with an image; what had been taken from it before stays away. Of a
 * deletion by upstream that is known to the second only, and its locations all come back.
 * @returns how many locations
 */
export async function reviveWithImage(
  { locations, deletions }: Repositories,
  key: DeletionKey,
  begun: BegunDeletion | undefined,
): Promise<number> {
  const isOurs = begun !== undefined && begun.previousStatus !== 'pending_delete';
  const revived = await locations.revive(key.imageId, isOurs ? key.at : null);
  const since = isOurs ? key.at : secondsBefore(key.at, UPSTREAM_DELETION_SECONDS);
  await deletions.reviveChildren(key, since);
  return revived;
}

/**
 * The image is what it was before its deletion. One that was deactivated is so again: nobody but an
 * administrator hands it out.
 * @throws DomainError `conflict` when no data is left; the transaction must not go on then.
 */
export async function takeBack(
  repositories: Repositories,
  key: DeletionKey,
  begun: BegunDeletion | undefined,
): Promise<void> {
  const { images, deletions } = repositories;
  const { imageId } = key;
  // An image is never active without data.
  if ((await reviveWithImage(repositories, key, begun)) === 0) {
    throw new DomainError('conflict', `Image ${imageId} has no data left to be restored with`, {
      details: { imageId },
    });
  }
  await images.transition(imageId, ['pending_delete'], 'active', {
    columns: { deleted: 0, deleted_at: null },
  });
  if (begun?.previousStatus === 'deactivated') {
    await images.transition(imageId, ['active'], 'deactivated');
  }
  await deletions.forget(imageId);
}

/** @param at as DATETIME columns hold it */
function secondsBefore(at: string, seconds: number): string {
  const moment = new Date(`${at.replace(' ', 'T')}Z`).getTime() - seconds * 1000;
  return new Date(moment).toISOString().slice(0, 19).replace('T', ' ');
}
