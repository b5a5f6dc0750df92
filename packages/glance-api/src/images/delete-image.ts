import { describeError, isDomainError, type ImageRecord } from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';

export interface DeletionOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
  /** Leave the data to the scrubber. */
  delayed: boolean;
}

/**
 * Deletes an image in the order D1–D4 of the reliability sheet §4: first nobody can see it, then
 * its data goes, then its record says so. When this process dies in between, or a store does not
 * answer, the image stays `pending_delete` and the sweeper finishes.
 * @throws DomainError of the registry (protected, not found, forbidden), or of a store that
 * refuses to give the data up; then the image is back as it was.
 */
export async function deleteImage(
  imageId: string,
  options: DeletionOptions,
  context: CallContext,
): Promise<ImageRecord> {
  const { registry, stores, logger, delayed } = options;
  const plan = await registry.beginDeletion(imageId, { delayed }, context);
  if (delayed || plan.image.status === 'deleted') return plan.image;
  let untouched = true;
  for (const location of plan.locations) {
    try {
      await stores.forLocation(location).delete(location.url);
      untouched = false;
    } catch (error) {
      if (isDomainError(error, 'store_blob_missing')) continue;
      if (untouched && isDomainError(error, 'store_in_use', 'store_delete_denied')) {
        await registry.revertDeletion(imageId, context);
        throw error;
      }
      logger.error(`The data of deleted image ${imageId} could not be removed yet; a sweep will`, {
        image: imageId,
        error: describeError(error),
      });
      return plan.image;
    }
  }
  return await registry.finishDeletion(imageId, context);
}
