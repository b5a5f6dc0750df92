import { describeError, isDomainError, type DeletionPlan } from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { finishDeletion } from './delete-image';
import { finishRemoval } from './remove-locations';

const PAGE = 100;

export interface DeletionSweeperOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
  /** Seconds that a deletion is left to the process that began it. */
  graceSeconds: number;
  /** Seconds that data is kept whose deletion is delayed. */
  scrubAfterSeconds: number;
  /** Images whose data is removed at a time. */
  poolSize: number;
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
    const context = serviceContext();
    return (await this.sweepImages(context)) + (await this.sweepLocations(now, context));
  }

  private async sweepLocations(now: Date, context: CallContext): Promise<number> {
    const { registry, stores, logger, graceSeconds, scrubAfterSeconds } = this.options;
    let finished = 0;
    for (let after = 0; ;) {
      const page = await registry.listRemovals({ after, limit: PAGE }, context);
      for (const removal of page) {
        const { imageId, begunAt, isDelayed } = removal;
        const keptSeconds = isDelayed === true ? scrubAfterSeconds : graceSeconds;
        if (ageSeconds(begunAt, now) < keptSeconds) continue;
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

  /** Several at a time; each is asked for after the one before, so that a pass meets it once. */
  private async sweepImages(context: CallContext): Promise<number> {
    const { registry, graceSeconds, scrubAfterSeconds: scrubSeconds, poolSize } = this.options;
    let finished = 0;
    let after: string | undefined;
    let isOver = false;
    const next = async (): Promise<DeletionPlan | null> => {
      if (isOver) return null;
      const request = { graceSeconds, scrubSeconds, ...(after === undefined ? {} : { after }) };
      const plan = await registry.claimDeletion(request, context);
      after = plan?.image.id;
      isOver = plan === null;
      return plan;
    };
    let asking: Promise<DeletionPlan | null> = Promise.resolve(null);
    const work = async (): Promise<void> => {
      for (;;) {
        asking = asking.then(next);
        const plan = await asking;
        if (plan === null) return;
        if (await this.finish(plan, context)) finished += 1;
      }
    };
    await Promise.all(Array.from({ length: poolSize }, work));
    return finished;
  }

  private async finish({ image, locations }: DeletionPlan, context: CallContext): Promise<boolean> {
    const { registry, stores, logger } = this.options;
    try {
      await finishDeletion(image.id, locations, { registry, stores }, context);
      logger.info('Finished a deletion', { image: image.id, begun: image.deletedAt });
      return true;
    } catch (error) {
      // Another node was faster.
      if (isDomainError(error, 'image_not_found', 'conflict')) return false;
      logger.warn('The data of a deleted image cannot be removed; the next sweep tries again', {
        image: image.id,
        begun: image.deletedAt,
        error: describeError(error),
      });
      if (isDomainError(error, 'store_in_use', 'store_delete_denied')) {
        await this.release(image.id, context);
      }
      return false;
    }
  }

  /** All of the data is there still: an operator may bring the image back. */
  private async release(imageId: string, context: CallContext): Promise<void> {
    const { registry, logger } = this.options;
    await registry.releaseDeletion(imageId, context).catch((error: unknown) => {
      logger.warn('A deleted image cannot be restored although its data is there', {
        image: imageId,
        error: describeError(error),
      });
    });
  }
}

function ageSeconds(wireTime: string, now: Date): number {
  return (now.getTime() - Date.parse(`${wireTime}Z`)) / 1000;
}
