import { lstat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeError, isDomainError, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import { readBlob } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { ExternalBody } from '../transfer/external-body';
import type { HashPool } from '../transfer/hash-pool';
import { UploadSource } from '../transfer/upload-source';
import type { CacheCleaner } from './cache-cleaner';
import { CacheDirectory, ifThere } from './cache-directory';
import type { CacheEntries, UnverifiedEntry } from './cache-entries';
import { describesData, verifiableData } from './cache-record';
import type { CacheSpace } from './cache-space';
import { CHUNK_BYTES } from './growing-file';

interface SweeperParts {
  directory: CacheDirectory;
  entries: CacheEntries;
  space: CacheSpace;
  cleaner: CacheCleaner;
  registry: Registry;
  hashPool: HashPool;
  logger: Logger;
}

/** In a cache, when it was swept last: it is its time. */
const MARK = '.swept';
const ADOPTION_TIMEOUT_MS = 3600 * 1000;

/**
 * Keeps a cache in order beside the requests, in the place of upstream's cron jobs: cleans and
 * prunes it, removes the images that are gone, which another node may have deleted, and verifies
 * files that nobody has verified: those of upstream's cache, and of processes that died.
 */
export class CacheSweeper {
  private isClosed = false;

  constructor(private readonly parts: SweeperParts) {}

  /** Unless a process of this node did so in the last `intervalSeconds`. */
  async sweepIfDue(intervalSeconds: number): Promise<void> {
    const mark = path.join(this.parts.directory.root, MARK);
    const last = await ifThere(lstat(mark));
    if (last && Date.now() - last.mtimeMs < intervalSeconds * 900) return;
    await writeFile(mark, '', { mode: 0o600 });
    const now = new Date();
    await utimes(mark, now, now);
    await this.sweep();
  }

  /** @throws DomainError when the registry does not answer. */
  async sweep(): Promise<void> {
    const { cleaner, entries, space } = this.parts;
    await cleaner.clean();
    await space.prune();
    const found = await entries.list();
    for (const { imageId, record } of found.entries) {
      if (this.isClosed) return;
      const image = await this.image(imageId);
      const wanted = image && verifiableData(image);
      const isOutdated = wanted !== undefined && !describesData(record, wanted);
      if (!image || isOutdated) await entries.remove(imageId);
    }
    for (const each of found.unverified) {
      if (this.isClosed) return;
      await this.adopt(each);
    }
  }

  /** Lets no further image begin. */
  close(): void {
    this.isClosed = true;
  }

  /** Undefined for one whose data nobody will ever be served. */
  private async image(imageId: string): Promise<ImageRecord | undefined> {
    const context = serviceContext();
    try {
      const image = await this.parts.registry.getImage(imageId, context);
      return image.deleted ? undefined : image;
    } catch (error) {
      if (isDomainError(error, 'image_not_found')) return undefined;
      throw error;
    }
  }

  private async adopt({ imageId, sizeBytes }: UnverifiedEntry): Promise<void> {
    const { entries, hashPool, logger } = this.parts;
    const image = await this.image(imageId);
    const wanted = image && verifiableData(image);
    // A deactivated image may become active again.
    if (image && !wanted && image.status === 'deactivated') return;
    const file = wanted?.sizeBytes === sizeBytes ? await entries.openData(imageId) : undefined;
    if (!wanted || !file) {
      await entries.remove(imageId);
      return;
    }
    const stream = readBlob(
      { read: file.read.bind(file), close: () => Promise.resolve() },
      { offset: 0, length: sizeBytes },
      CHUNK_BYTES,
    );
    const body = new ExternalBody(() => Promise.resolve({ stream }), ADOPTION_TIMEOUT_MS);
    const source = new UploadSource(body, hashPool, {
      maxBytes: sizeBytes,
      tooLargeMessage: 'The file has grown',
      sizeBytes,
      md5: wanted.checksum,
      hash: wanted.hash,
    });
    try {
      const chunks = source[Symbol.asyncIterator]();
      while ((await chunks.next()).done !== true);
      const { md5: checksum, hashAlgorithm: algorithm, hashValue: value } = source.digests;
      await entries.writeRecord(imageId, file, { sizeBytes, checksum, hash: { algorithm, value } });
    } catch (error) {
      logger.warn('A file in the image cache is not what its image is, and was removed', {
        image: imageId,
        error: describeError(error),
      });
      await entries.remove(imageId);
    } finally {
      await source.close();
      await file.close();
    }
  }
}
