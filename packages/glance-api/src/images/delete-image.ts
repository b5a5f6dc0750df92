import {
  DomainError,
  describeError,
  failPoint,
  isDomainError,
  type ImageLocation,
  type ImageRecord,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { refusableFirst, removeData } from './remove-data';
import { removeTakenLocations } from './remove-locations';

export interface DeletionOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
  /** Leave the data to the deletion sweeper. */
  delayed: boolean;
}

/**
 * Deletes an image in the order D1–D4 of the reliability sheet §4: first nobody can see it, then
 * its data goes, then its record says so. When this process dies in between, or a store does not
 * answer, the image stays `pending_delete` and the deletion sweeper finishes.
 * @throws DomainError of the registry (protected, not found, forbidden), or of a store that
 * refuses to give the data up; then the image is back as it was.
 */
export async function deleteImage(
  imageId: string,
  options: DeletionOptions,
  context: CallContext,
): Promise<ImageRecord> {
  const { registry, logger, delayed } = options;
  const plan = await registry.beginDeletion(imageId, { delayed }, context);
  if (plan.image.status === 'deleted') {
    // An image that was not active may have data all the same, of a failed import.
    if (plan.locations.length > 0) await removeRemains(imageId, options, context);
    return plan.image;
  }
  try {
    failPoint('D1');
    if (delayed) return plan.image;
    return await finishDeletion(imageId, plan.locations, options, context);
  } catch (error) {
    if (isDomainError(error, 'store_in_use', 'store_delete_denied')) {
      const isBack = await revert(imageId, registry, context);
      if (isBack) throw error;
    }
    logger.error(`The deletion of image ${imageId} could not be finished yet; a sweep will`, {
      image: imageId,
      error: describeError(error),
    });
    return plan.image;
  }
}

/** @returns false when a sweep removes the data already: then it goes on. */
async function revert(imageId: string, registry: Registry, context: CallContext): Promise<boolean> {
  try {
    await registry.revertDeletion(imageId, context);
    return true;
  } catch (error) {
    if (isDomainError(error, 'conflict', 'image_not_found')) return false;
    throw error;
  }
}

/** The image is deleted whatever comes of it; a store that refuses is asked again by a sweep. */
async function removeRemains(
  imageId: string,
  options: DeletionOptions,
  { requestId }: CallContext,
): Promise<void> {
  await removeTakenLocations(imageId, options, requestId).catch((error: unknown) => {
    options.logger.warn('A store keeps what a deleted image had there; a sweep tries again', {
      image: imageId,
      error: describeError(error),
    });
  });
}

/**
 * D3 and D4: removes the data of an image that nobody can see any more, then says so in its
 * record. Data already gone is as good; the first location that cannot be removed ends it.
 */
export async function finishDeletion(
  imageId: string,
  locations: readonly ImageLocation[],
  { registry, stores }: Pick<DeletionOptions, 'registry' | 'stores'>,
  context: CallContext,
): Promise<ImageRecord> {
  let removed = 0;
  for (const location of refusableFirst(locations, stores)) {
    try {
      if (await removeData(location, stores)) removed += 1;
    } catch (error) {
      if (removed === 0) throw error;
      // Part of the data is gone: whatever the reason, there is no way back.
      throw new DomainError('store_failed', 'Only a part of the data could be removed', {
        cause: error,
      });
    }
  }
  failPoint('D3');
  const image = await registry.finishDeletion(imageId, context);
  failPoint('D4');
  return image;
}
