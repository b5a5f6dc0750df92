import { setMaxListeners } from 'node:events';
import { DomainError, describeError, isDomainError, type RecordHashes } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { ExternalBody } from '../transfer/external-body';
import type { HashPool } from '../transfer/hash-pool';
import { UploadSource } from '../transfer/upload-source';

export interface LocationHasherOptions {
  registry: Registry;
  stores: StoreSet;
  hashPool: HashPool;
  logger: Logger;
  /** Locations read at a time in this process. */
  concurrency: number;
  /** `http_retries`: attempts after the first. */
  retries: number;
  /** For one attempt as a whole. */
  timeoutMs: number;
}

/** An image that is active with a location, and the size it has been shown with. */
export interface LocationToHash {
  imageId: string;
  url: string;
  sizeBytes: number;
}

/** More than can wait would be forgotten at the next stop anyhow. */
const MOST_WAITING = 1000;

/**
 * Learns what the data of images hashes to that became active with a location (api-v2 sheet §9.2).
 * The hashes are an extra: they are not there when this process ends first, or the data cannot be
 * read, which the log tells.
 */
export class LocationHasher {
  private readonly waiting: LocationToHash[] = [];
  private readonly workers = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(private readonly options: LocationHasherOptions) {
    // Every worker listens.
    setMaxListeners(0, this.stopping.signal);
  }

  /** Returns at once. */
  begin(location: LocationToHash): void {
    if (this.stopping.signal.aborted) return;
    if (this.waiting.length >= MOST_WAITING) {
      this.options.logger.warn('Too many locations wait to be hashed; the image has no hashes', {
        image: location.imageId,
      });
      return;
    }
    this.waiting.push(location);
    if (this.workers.size >= this.options.concurrency) return;
    const worker = this.work();
    this.workers.add(worker);
    void worker.then(() => this.workers.delete(worker));
  }

  /** Gives up what runs and what waits. */
  async close(): Promise<void> {
    this.waiting.length = 0;
    this.stopping.abort(new DomainError('shutting_down', 'The service is being stopped'));
    await Promise.all(this.workers);
  }

  private async work(): Promise<void> {
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      await this.hash(next);
    }
  }

  private async hash(location: LocationToHash): Promise<void> {
    const { registry, logger, retries } = this.options;
    const about = { image: location.imageId };
    for (let attempt = 0; attempt <= retries; attempt += 1) {
      try {
        const request = await this.read(location);
        const context = serviceContext();
        const isRecorded = await registry.recordHashes(location.imageId, request, context);
        logger.info(
          isRecorded
            ? 'Recorded the hashes of a location'
            : 'The image of a location has changed meanwhile; its hashes are not recorded',
          about,
        );
        return;
      } catch (error) {
        if (isDomainError(error, 'shutting_down')) return;
        logger.warn('The data of a location could not be hashed', {
          ...about,
          attempt: attempt + 1,
          error: describeError(error),
        });
      }
    }
  }

  /** @throws DomainError whatever keeps the data from being read whole. */
  private async read({ url, sizeBytes }: LocationToHash): Promise<RecordHashes> {
    const { stores, hashPool, timeoutMs } = this.options;
    const { signal } = this.stopping;
    const body = new ExternalBody(
      (ended) => stores.forLocation({ url, metadata: {} }).get(url, { signal: ended }),
      timeoutMs,
    );
    const source = new UploadSource(body, hashPool, {
      maxBytes: sizeBytes,
      tooLargeMessage: `The location has more than the ${sizeBytes} bytes that the image has.`,
      sizeBytes,
      md5: undefined,
    });
    const stop = (): void => {
      source.abort(signal.reason as Error);
    };
    signal.addEventListener('abort', stop);
    try {
      signal.throwIfAborted();
      await readToEnd(source);
      const { md5, hashAlgorithm: algorithm, hashValue: value } = source.digests;
      return { locationUrl: url, sizeBytes, checksum: md5, hash: { algorithm, value } };
    } finally {
      signal.removeEventListener('abort', stop);
      await source.close();
    }
  }
}

async function readToEnd(source: UploadSource): Promise<void> {
  const chunks = source[Symbol.asyncIterator]();
  while (!(await chunks.next()).done);
}
