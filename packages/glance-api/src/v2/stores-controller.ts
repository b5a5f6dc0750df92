import { DomainError, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreInfo, StoreSet } from '@glance/stores';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { contextOf } from '../auth/call-context';
import { requireWriter } from '../auth/require-writer';
import { removeTakenLocations } from '../images/remove-locations';
import { enforceOnImage } from '../policy/image-access';
import { newImageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import { answerEmpty, answerJson } from './answer';
import { findImage } from './find-image';
import { recordedPlaces } from './image-locations';

export interface StoresControllerOptions {
  registry: Registry;
  stores: StoreSet;
  policy: Policy;
  logger: Logger;
  /** The data is left to the scrubber. */
  delayedDelete: boolean;
}

/**
 * The stores of a site that has several with names (api-v2 sheet §8.6, §10.2, §10.3). Each method is
 * one route.
 */
export class StoresController {
  constructor(private readonly options: StoresControllerOptions) {}

  index = (_req: Request, res: Response): void => {
    answerJson(res, { stores: this.describe().map(storeView) });
  };

  detail = (req: Request, res: Response): void => {
    const described = this.describe();
    const caller = identityOf(req);
    const target = newImageTarget({ owner: caller.projectId, visibility: 'private' }, caller);
    this.options.policy.enforce('stores_info_detail', caller, target);
    answerJson(res, {
      stores: described.map((store) => ({
        ...storeView(store),
        type: store.type,
        weight: store.weight,
        properties: store.properties,
      })),
    });
  };

  /** Takes the data of an image from one store; another must have it still. */
  removeImage = async (req: Request, res: Response): Promise<void> => {
    const { registry, stores, policy, logger, delayedDelete } = this.options;
    const storeId = String(req.params['store']);
    if (!this.describe().some(({ id }) => id === storeId)) {
      throw new DomainError('conflict', `Store ${storeId.slice(0, 100)} is not on this node`);
    }
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'get_image_location', caller, image);
    enforceOnImage(policy, 'delete_image_location', caller, image);
    if (image.status !== 'active') {
      const text = `Image ${image.id} is ${image.status}: only an active one can be taken from a store`;
      throw new DomainError('conflict', text);
    }
    const seen = recordedPlaces(image);
    const wanted = this.placesElsewhere(image, storeId);
    const context = contextOf(req);
    const locations = {
      seen,
      wanted,
      sizeBytes: image.sizeBytes ?? 0,
      storageQuotaBytes: null,
      ...(delayedDelete ? { delayed: true } : {}),
    };
    await registry.updateImage(image.id, { locations, ifStatus: ['active'] }, context);
    if (!delayedDelete) {
      await removeTakenLocations(image.id, { registry, stores, logger }, context.requestId);
    }
    answerEmpty(res, 204);
  };

  private placesElsewhere(image: ImageRecord, storeId: string) {
    const places = this.options.stores.arrange(recordedPlaces(image));
    const others = places.filter(({ metadata }) => metadata['store'] !== storeId);
    if (places.length === 1 || (others.length === 0 && places.length > 0)) {
      const text = `Image ${image.id} has its data nowhere but in one store: delete the image instead`;
      throw new DomainError('forbidden', text);
    }
    if (others.length === places.length) {
      throw new DomainError('not_found', `Image ${image.id} is not in store ${storeId}`);
    }
    return others;
  }

  /** @throws DomainError `not_found` where stores have no names. */
  private describe(): StoreInfo[] {
    const { stores } = this.options;
    if (stores.areNamed) return stores.describe();
    throw new DomainError('not_found', 'Multi backend is not supported at this site.');
  }
}

function storeView({ id, description, isDefault, readOnly }: StoreInfo) {
  return {
    id,
    ...(description === undefined ? {} : { description }),
    ...(isDefault ? { default: 'true' } : {}),
    ...(readOnly ? { 'read-only': 'true' } : {}),
  };
}
