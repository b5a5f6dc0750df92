import { describeError, isDomainError, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { openImageData } from '../images/open-image-data';
import type { CacheEntries } from './cache-entries';
import type { CacheFetches } from './cache-fetches';
import type { CacheQueue } from './cache-queue';
import { verifiableData } from './cache-record';

interface PrefetcherParts {
  registry: Registry;
  stores: StoreSet;
  entries: CacheEntries;
  queue: CacheQueue;
  fetches: CacheFetches;
  logger: Logger;
}

/**
 * Brings the images of the queue into the cache, one after the other (lifecycle sheet §4.3). One
 * that fails keeps its mark, and its turn comes again with the next run.
 */
export class Prefetcher {
  private running: Promise<void> | undefined;
  private isAskedAgain = false;
  private isClosed = false;

  constructor(private readonly parts: PrefetcherParts) {}

  /** Resolves when every image that was queued before has had its turn. */
  async run(): Promise<void> {
    if (this.running) {
      this.isAskedAgain = true;
      await this.running;
      return;
    }
    this.running = this.work();
    try {
      await this.running;
    } finally {
      this.running = undefined;
    }
  }

  /** Begins with what is queued, if that is not under way; what fails is in the log. */
  kick(): void {
    this.run().catch((error: unknown) => {
      this.parts.logger.warn('The queue of the image cache cannot be read', {
        error: describeError(error),
      });
    });
  }

  /** Waits for the image under way, which ends when its fetch is given up. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.running?.catch(() => undefined);
  }

  private async work(): Promise<void> {
    do {
      this.isAskedAgain = false;
      for (const imageId of await this.parts.queue.list()) {
        if (this.isClosed) return;
        await this.fetch(imageId);
      }
    } while (this.hasNews());
  }

  private hasNews(): boolean {
    return this.isAskedAgain && !this.isClosed;
  }

  private async fetch(imageId: string): Promise<void> {
    const { registry, queue, logger } = this.parts;
    try {
      const context = serviceContext();
      const image = await registry.getImage(imageId, context);
      if (image.deleted) await queue.remove(imageId);
      // Others may still become it.
      else if (image.status === 'active') await this.fetchActive(image);
    } catch (error) {
      if (isDomainError(error, 'image_not_found')) {
        await queue.remove(imageId);
        return;
      }
      logger.warn('An image that is queued for the cache could not be fetched', {
        image: imageId,
        error: describeError(error),
      });
    }
  }

  private async fetchActive(image: ImageRecord): Promise<void> {
    const { stores, entries, queue, fetches, logger } = this.parts;
    const wanted = verifiableData(image);
    if (!wanted) {
      logger.warn('An image without data, size or hash cannot be cached', { image: image.id });
      await queue.remove(image.id);
      return;
    }
    if (await entries.has(image.id, wanted)) {
      await queue.remove(image.id);
      return;
    }
    const caller = { projectId: image.owner };
    const fetch = await fetches.join(image, wanted, (signal) =>
      openImageData(image, { stores, logger, caller, signal }),
    );
    // Too large, or another process has it in hand.
    if (!fetch) logger.info('An image that is queued is not fetched now', { image: image.id });
    await fetch?.ended;
  }
}
