import {
  type DomainError,
  describeError,
  failPoint,
  isDomainError,
  type LocationRemoval,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { removeData } from './remove-data';

export interface RemovalOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
}

/** A request takes away no more than it can name. */
const MOST_OF_ONE_IMAGE = 1000;

/**
 * Removes the data of locations that were taken from an image just now (api-v2 sheet §9.1). When
 * this process dies meanwhile, or a store does not answer, the deletion sweeper finishes.
 * @throws DomainError `store_in_use`, `store_delete_denied` when a store refuses; the location is the
 * image's again then.
 */
export async function removeTakenLocations(
  imageId: string,
  options: RemovalOptions,
  requestId: string,
): Promise<void> {
  const { registry, logger } = options;
  failPoint('D1');
  // The registry knows what else counts on the data. From here on it is the service's own work.
  const context = serviceContext(requestId);
  let removals;
  try {
    removals = await registry.listRemovals({ imageId, limit: MOST_OF_ONE_IMAGE }, context);
  } catch (error) {
    logger.error(`Locations of image ${imageId} could not be removed yet; a sweep will`, {
      image: imageId,
      error: describeError(error),
    });
    return;
  }
  let refusal: DomainError | undefined;
  for (const removal of removals) {
    try {
      await finishRemoval(removal, options, context);
    } catch (error) {
      if (isDomainError(error, 'store_in_use', 'store_delete_denied')) refusal = error;
      else {
        logger.error(`A location of image ${imageId} could not be removed yet; a sweep will`, {
          image: imageId,
          error: describeError(error),
        });
      }
    }
  }
  if (refusal) throw refusal;
}

/**
 * The data goes, then the record of it. A store that refuses to give it up brings the location back.
 * @throws DomainError of the store or the registry.
 */
export async function finishRemoval(
  { imageId, location }: LocationRemoval,
  { registry, stores }: Pick<RemovalOptions, 'registry' | 'stores'>,
  context: CallContext,
): Promise<boolean> {
  try {
    await removeData(location, stores);
  } catch (error) {
    if (isDomainError(error, 'store_in_use', 'store_delete_denied')) {
      await registry.endRemoval(imageId, location.id, { outcome: 'refused' }, context);
    }
    throw error;
  }
  failPoint('D3');
  const isEnded = await registry.endRemoval(imageId, location.id, { outcome: 'gone' }, context);
  failPoint('D4');
  return isEnded;
}
