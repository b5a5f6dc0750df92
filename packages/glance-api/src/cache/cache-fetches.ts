import { DomainError, describeError, type ImageRecord } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { ImageData } from '../images/open-image-data';
import { CacheFetch, type FetchParts } from './cache-fetch';
import type { VerifiableData } from './cache-record';
import type { CacheAttempt, CacheSpace } from './cache-space';

interface FetchesOptions extends FetchParts {
  space: CacheSpace;
  logger: Logger;
}

/** @param signal ends the data. */
type OpenData = (signal: AbortSignal) => Promise<ImageData>;

/**
 * Fetches at a time in one process, of 1 MiB each beside the downloads that follow them. An image
 * beyond is downloaded from its store and not cached.
 */
const MOST_FETCHES = 8;

/** The fetches that run in this process: one for each image, whoever wants it. */
export class CacheFetches {
  /** By image. Undefined when it cannot be cached now. */
  private readonly beginning = new Map<string, Promise<CacheFetch | undefined>>();
  private isClosed = false;

  constructor(private readonly options: FetchesOptions) {}

  /**
   * The fetch of this data: the one that runs, or one that begins.
   * @param open reads the data from a store. When it fails so does this, for whoever began it.
   * @returns undefined when it is not to be cached, or cannot, or has just come into the cache.
   */
  async join(
    image: ImageRecord,
    wanted: VerifiableData,
    open: OpenData,
  ): Promise<CacheFetch | undefined> {
    const key = [image.id, wanted.sizeBytes, wanted.hash?.value ?? wanted.checksum].join(' ');
    const running = this.beginning.get(key);
    if (running) {
      // What kept another from beginning, such as the end of its token, may be no matter here.
      const fetch = await running.catch(() => undefined);
      return fetch?.isGivenUp === true ? undefined : fetch;
    }
    if (this.isClosed || this.beginning.size >= MOST_FETCHES) return undefined;
    const begun = this.begin(image, wanted, open);
    this.beginning.set(key, begun);
    void this.watch(begun, image).finally(() => this.beginning.delete(key));
    return await begun;
  }

  /** Gives up what runs. */
  async close(): Promise<void> {
    this.isClosed = true;
    const stopped = new DomainError('shutting_down', 'The service is being stopped');
    const all = [...this.beginning.values()].map(async (begun) => {
      const fetch = await begun.catch(() => undefined);
      fetch?.abort(stopped);
      await fetch?.ended;
    });
    await Promise.all(all);
  }

  private async begin(
    image: ImageRecord,
    wanted: VerifiableData,
    open: OpenData,
  ): Promise<CacheFetch | undefined> {
    const { entries, space, logger } = this.options;
    const take = async (): Promise<CacheAttempt | undefined> => {
      // A fetch may have ended since the caller looked.
      if (await entries.has(image.id, wanted)) return undefined;
      return await space.take(image.id, wanted.sizeBytes);
    };
    const attempt = await take().catch((error: unknown) => {
      logger.warn('The image cache cannot be written; downloads come from the store', {
        image: image.id,
        error: describeError(error),
      });
      return undefined;
    });
    if (!attempt) return undefined;
    const ending = new AbortController();
    try {
      const data = await open(ending.signal);
      return new CacheFetch(attempt, { image, wanted, data, ending }, this.options);
    } catch (error) {
      await attempt.discard();
      throw error;
    }
  }

  private async watch(begun: Promise<CacheFetch | undefined>, image: ImageRecord): Promise<void> {
    const { logger } = this.options;
    const fetch = await begun.catch(() => undefined);
    if (!fetch) return;
    const failure = await fetch.ended;
    const about = { image: image.id };
    if (!failure) logger.info('An image has come into the cache', about);
    else {
      const error = describeError(failure);
      logger.warn('An image did not come into the cache', { ...about, error });
    }
  }
}
