import { describeError, isDomainError } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { serviceContext } from '../auth/call-context';
import type { WorkArea } from '../imports/preparation/work-area';
import type { StagingArea } from '../imports/staging-area';
import type { Logger } from '@glance/service-kit';
import type { InstrumentedStore, StoreSet, UnfinishedBlob, UnfinishedFate } from '@glance/stores';

/** Bytes of an upload that the registry does not know are kept this long: its database may be younger than the store. */
const UNKNOWN_UPLOAD_GRACE_SECONDS = 24 * 3600;

export interface SweeperOptions {
  registry: Registry;
  stores: StoreSet;
  /** Of this node; none where nothing is ever staged. */
  staging?: StagingArea;
  /** Of this node; none where nothing is imported. */
  work?: WorkArea;
  /** Where exports go; undefined where there are none. */
  exports?: StagingArea | undefined;
  logger: Logger;
}

/** A store, or what is like one in this. */
type Sweepable = Pick<InstrumentedStore, 'id' | 'listUnfinished' | 'removeUnfinished'>;

/**
 * Removes what uploads of processes that died left in the stores, at the start and from time to
 * time (reliability sheet §9). Each is removed only when the registry says that its upload is over,
 * so any number of nodes may sweep a shared store.
 */
export class UnfinishedSweeper {
  constructor(private readonly options: SweeperOptions) {}

  /** @returns how many were removed. */
  async sweep(): Promise<number> {
    let removed = await this.sweepStaging();
    for (const store of this.options.stores.list()) removed += await this.sweepStore(store);
    return removed;
  }

  /**
   * What imports keep on this node alone, which costs next to nothing: what is staged for an image
   * that somebody deletes is in nobody's quota any more, and on this node's disk.
   * @returns how many were removed.
   */
  async sweepStaging(): Promise<number> {
    const { staging, exports, work } = this.options;
    const area = await staging?.openIfThere().catch(() => undefined);
    let removed = 0;
    const exportArea = await exports?.openIfThere().catch(() => undefined);
    for (const store of [area?.store, exportArea?.store, work]) {
      if (store !== undefined) removed += await this.sweepStore(store);
    }
    return removed;
  }

  private async sweepStore(store: Sweepable): Promise<number> {
    let removed = 0;
    try {
      for (const blob of await store.listUnfinished()) {
        const fate = await this.fateOf(blob);
        if (fate === undefined) continue;
        await store.removeUnfinished(blob, fate);
        removed += 1;
        this.report(store, blob, fate);
      }
    } catch (error) {
      this.options.logger.warn(`The left-overs of store ${store.id} could not all be swept`, {
        error: describeError(error),
      });
    }
    return removed;
  }

  /** @returns undefined while the upload runs, or may run for all that is known. */
  private async fateOf(blob: UnfinishedBlob): Promise<UnfinishedFate | undefined> {
    try {
      const { state } = await this.options.registry.getUpload(
        blob.imageId,
        blob.uploadId,
        serviceContext(),
      );
      if (state === 'live' || state === 'staged') return undefined;
      return state === 'committed' ? 'owned or unknown' : 'abandoned';
    } catch (error) {
      if (!isDomainError(error, 'not_found', 'image_not_found')) throw error;
      return blob.ageSeconds > UNKNOWN_UPLOAD_GRACE_SECONDS ? 'owned or unknown' : undefined;
    }
  }

  private report(
    store: Pick<InstrumentedStore, 'id'>,
    blob: UnfinishedBlob,
    fate: UnfinishedFate,
  ): void {
    this.options.logger.info('Removed what an unfinished upload left behind', {
      store: store.id,
      image: blob.imageId,
      upload: blob.uploadId,
      bytes: blob.sizeBytes,
      data: fate === 'abandoned' ? 'removed' : 'kept if an image has it',
    });
  }
}
