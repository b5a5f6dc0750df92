import { describeError, type ImageListQuery } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { StoreAccess } from './store-access';

const SWEEP_NAME = 'access';
const PAGE = 100;

const EVERY_IMAGE: ImageListQuery = {
  scope: 'all',
  visibility: ['public', 'community', 'shared', 'private'],
  memberStatus: 'all',
  deleted: false,
  sort: [{ key: 'id', direction: 'asc' }],
  limit: PAGE,
};

export interface AccessSweeperOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
}

/**
 * Tells stores with access lists of their own once more who reads each image. A process that died
 * between a change and the store, or a store that did not answer, left a list as it was: whom the
 * image is no longer shared with could go on reading it there. Any number of nodes may do so at once,
 * beside any change. A sweep that dies or is cancelled leaves the images after it to the next one.
 */
export class AccessSweeper {
  constructor(private readonly options: AccessSweeperOptions) {}

  /** A sweep, unless any process of the service began one in the last interval. */
  async sweepIfDue(intervalSeconds: number, isCancelled: () => boolean): Promise<void> {
    const claim = { name: SWEEP_NAME, intervalSeconds };
    const isDue = await this.options.registry.claimSweep(claim, serviceContext());
    if (isDue) await this.sweep(isCancelled);
  }

  /** @returns of how many images the stores were told. */
  async sweep(isCancelled: () => boolean = () => false): Promise<number> {
    const { registry, logger } = this.options;
    const access = new StoreAccess(this.options);
    const context = serviceContext();
    let told = 0;
    let failed = 0;
    let reason = '';
    for (let marker: string | undefined; !isCancelled();) {
      const page = await registry.listImages(
        { ...EVERY_IMAGE, ...(marker !== undefined && { marker }) },
        context,
      );
      for (const image of page) {
        if (isCancelled() || access.placesOf(image).length === 0) continue;
        try {
          await access.set(image.id, context);
          told += 1;
        } catch (error) {
          failed += 1;
          reason = `${image.id}: ${describeError(error)}`;
        }
      }
      marker = page.at(-1)?.id;
      if (page.length < PAGE) break;
    }
    if (failed > 0) {
      logger.warn(
        'Who may read the data of some images could not be set in their stores; the next sweep tries again',
        { images: failed, last: reason },
      );
    }
    return told;
  }
}
