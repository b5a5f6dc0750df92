import {
  SERVICE_IDENTITY,
  VISIBILITIES,
  describeError,
  isDomainError,
  type ImageRecord,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import { newRequestId, type Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { finishDeletion } from './delete-image';
import { finishRemoval } from './remove-locations';

const PAGE = 100;

export interface DeletionSweeperOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
  /** Seconds that a deletion is left to the process that began it. */
  graceSeconds: number;
  /** Seconds that the data of deleted images is kept where deletion is delayed. */
  scrubAfterSeconds: number;
}

/**
 * Finishes deletions whose process died, whose store did not answer, or that were delayed: D3 and
 * D4 of the reliability sheet §4. Any number of nodes may do so at once: data already gone and a
 * record already finished are what each of them wants.
 */
export class DeletionSweeper {
  constructor(private readonly options: DeletionSweeperOptions) {}

  /** @returns how many deletions, of images and of single locations, were finished. */
  async sweep(now = new Date()): Promise<number> {
    const context: CallContext = { identity: SERVICE_IDENTITY, requestId: newRequestId() };
    return (await this.sweepImages(now, context)) + (await this.sweepLocations(now, context));
  }

  private async sweepLocations(now: Date, context: CallContext): Promise<number> {
    const { registry, stores, logger, graceSeconds } = this.options;
    let finished = 0;
    for (let after = 0; ;) {
      const page = await registry.listRemovals({ after, limit: PAGE }, context);
      for (const removal of page) {
        const { imageId, begunAt } = removal;
        if (ageSeconds(begunAt, now) < graceSeconds) continue;
        try {
          if (await finishRemoval(removal, { registry, stores }, context)) finished += 1;
        } catch (error) {
          logger.warn('The data of a location cannot be removed; the next sweep tries again', {
            image: imageId,
            begun: begunAt,
            error: describeError(error),
          });
        }
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE) return finished;
      after = last.location.id;
    }
  }

  private async sweepImages(now: Date, context: CallContext): Promise<number> {
    let finished = 0;
    let marker: string | undefined;
    for (;;) {
      const page = await this.pendingDeletions(marker, context);
      for (const image of page) {
        if (this.isDue(image, now) && (await this.finish(image, context))) finished += 1;
      }
      marker = page.at(-1)?.id;
      if (page.length < PAGE) return finished;
    }
  }

  private async pendingDeletions(
    marker: string | undefined,
    context: CallContext,
  ): Promise<ImageRecord[]> {
    return await this.options.registry.listImages(
      {
        scope: 'all',
        visibility: [...VISIBILITIES],
        memberStatus: 'all',
        deleted: true,
        status: ['pending_delete'],
        sort: [{ key: 'createdAt', direction: 'asc' }],
        limit: PAGE,
        ...(marker === undefined ? {} : { marker }),
      },
      context,
    );
  }

  private isDue(image: ImageRecord, now: Date): boolean {
    if (image.deletedAt === null) return false;
    const { graceSeconds, scrubAfterSeconds } = this.options;
    return ageSeconds(image.deletedAt, now) >= Math.max(graceSeconds, scrubAfterSeconds);
  }

  private async finish(image: ImageRecord, context: CallContext): Promise<boolean> {
    const { registry, stores, logger } = this.options;
    try {
      await finishDeletion(image.id, image.locations, { registry, stores }, context);
      logger.info('Finished a deletion', { image: image.id, begun: image.deletedAt });
      return true;
    } catch (error) {
      // Another node was faster, or an operator took the deletion back.
      if (isDomainError(error, 'image_not_found', 'conflict')) return false;
      logger.warn('The data of a deleted image cannot be removed; the next sweep tries again', {
        image: image.id,
        begun: image.deletedAt,
        error: describeError(error),
      });
      return false;
    }
  }
}

function ageSeconds(wireTime: string, now: Date): number {
  return (now.getTime() - Date.parse(`${wireTime}Z`)) / 1000;
}
