import { SERVICE_IDENTITY, describeError, isDomainError } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { newRequestId, type Logger } from '@glance/service-kit';
import type { InstrumentedStore, StoreSet, UnfinishedBlob } from '@glance/stores';

/** Bytes of an upload that the registry does not know are kept this long: its database may be younger than the store. */
const UNKNOWN_UPLOAD_GRACE_SECONDS = 24 * 3600;

export interface SweeperOptions {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
}

/**
 * Removes what uploads of processes that died left in the stores, at the start and from time to
 * time (reliability sheet §9). Each is removed only when the registry says that its upload is over,
 * so any number of nodes may sweep a shared store.
 */
export class UnfinishedSweeper {
  constructor(private readonly options: SweeperOptions) {}

  /** @returns how many were removed. */
  async sweep(): Promise<number> {
    const { stores, logger } = this.options;
    let removed = 0;
    for (const store of stores.list()) {
      try {
        for (const blob of await store.listUnfinished()) {
          if (!(await this.isOver(blob))) continue;
          await store.removeUnfinished(blob);
          removed += 1;
          this.report(store, blob);
        }
      } catch (error) {
        logger.warn(`The left-overs of store ${store.id} could not all be swept`, {
          error: describeError(error),
        });
      }
    }
    return removed;
  }

  private async isOver(blob: UnfinishedBlob): Promise<boolean> {
    try {
      const { state } = await this.options.registry.getUpload(blob.imageId, blob.uploadId, {
        identity: SERVICE_IDENTITY,
        requestId: newRequestId(),
      });
      return state !== 'live';
    } catch (error) {
      if (!isDomainError(error, 'not_found', 'image_not_found')) throw error;
      return blob.ageSeconds > UNKNOWN_UPLOAD_GRACE_SECONDS;
    }
  }

  private report(store: InstrumentedStore, blob: UnfinishedBlob): void {
    this.options.logger.info('Removed what an unfinished upload left behind', {
      store: store.id,
      image: blob.imageId,
      upload: blob.uploadId,
      bytes: blob.sizeBytes,
    });
  }
}
