import { DomainError, failPoint, isDomainError, type ImageRecord } from '@glance/common';
import type { BlobStream } from '@glance/stores';
import type { ImageData } from '../images/open-image-data';
import { ExternalBody } from '../transfer/external-body';
import type { HashPool } from '../transfer/hash-pool';
import { UploadSource } from '../transfer/upload-source';
import type { CacheEntries } from './cache-entries';
import type { VerifiableData } from './cache-record';
import type { CacheAttempt } from './cache-space';
import { removeFile } from './cache-directory';
import { GrowingFile } from './growing-file';

export interface FetchParts {
  entries: CacheEntries;
  hashPool: HashPool;
  /** Milliseconds without a byte after which a fetch is given up. */
  idleMs: number;
  /** When it is in the cache. */
  onCached(imageId: string): Promise<void>;
}

export interface FetchSource {
  image: ImageRecord;
  wanted: VerifiableData;
  /** All of the data. */
  data: ImageData;
  /** Ends the data. */
  ending: AbortController;
}

/** For one image as a whole. */
const TIMEOUT_MS = 24 * 3600 * 1000;

/**
 * Brings the data of one image into the cache. It goes into a file below `incomplete/`, which
 * downloads follow meanwhile, and gets the name of the image once it has the hash of the image. The
 * last bytes are nobody's before that. It goes on when everybody who follows it has gone: the cache
 * wants it.
 */
export class CacheFetch {
  /** Never rejects; the error that kept the image from the cache, undefined when it is there. */
  readonly ended: Promise<Error | undefined>;
  /** Nobody can follow it any more. */
  isGivenUp = false;
  private readonly growing: GrowingFile;
  private readonly source: UploadSource;

  constructor(
    private readonly attempt: CacheAttempt,
    private readonly of: FetchSource,
    private readonly parts: FetchParts,
  ) {
    const { data, wanted } = of;
    this.growing = new GrowingFile(attempt.file, wanted.sizeBytes);
    const stream = data.chunks[Symbol.asyncIterator]() as BlobStream;
    const body = new ExternalBody((signal) => {
      signal.addEventListener('abort', () => of.ending.abort(signal.reason));
      return Promise.resolve({ stream });
    }, TIMEOUT_MS);
    this.source = new UploadSource(body, parts.hashPool, {
      maxBytes: wanted.sizeBytes,
      tooLargeMessage: 'The stored data is longer than the image',
      sizeBytes: wanted.sizeBytes,
      md5: wanted.checksum,
      hash: wanted.hash,
    });
    this.ended = this.run();
  }

  /**
   * The data as it comes; undefined when the fetch has ended.
   * @throws DomainError `store_blob_corrupt` in the place of its last bytes when it has not the hash
   * of the image; anything else when it cannot be had here: the store may still have it.
   */
  follow(): BlobStream | undefined {
    return this.growing.read();
  }

  /** Gives up. Who follows gets the error at once, whatever hangs. */
  abort(error: Error): void {
    this.isGivenUp = true;
    this.growing.fail(error);
    this.of.ending.abort(error);
    this.source.abort(error);
  }

  private async run(): Promise<Error | undefined> {
    try {
      await this.copy();
      await this.commit();
      return undefined;
    } catch (error) {
      const failure = this.explained(error as Error);
      this.growing.fail(failure);
      await removeFile(this.attempt.path).catch(() => undefined);
      return failure;
    } finally {
      await this.source.close();
      await this.growing.release().catch(() => undefined);
    }
  }

  private async copy(): Promise<void> {
    const { idleMs } = this.parts;
    const idle = setTimeout(() => {
      const text = `A fetch into the image cache came no further for ${idleMs / 1000} s`;
      this.abort(new DomainError('store_unavailable', text));
    }, idleMs);
    let position = 0;
    try {
      for await (const chunk of this.source) {
        this.growing.publish(position);
        await writeAll(this.growing.file, chunk, position);
        position += chunk.length;
        idle.refresh();
        failPoint('C1');
      }
    } finally {
      clearTimeout(idle);
    }
    this.growing.publish(position);
  }

  private async commit(): Promise<void> {
    const { image } = this.of;
    const { sizeBytes, md5: checksum, hashAlgorithm, hashValue } = this.source.digests;
    const { file, path } = this.attempt;
    await file.datasync();
    const hash = { algorithm: hashAlgorithm, value: hashValue };
    await this.parts.entries.commit(image.id, path, file, { sizeBytes, checksum, hash });
    await this.parts.onCached(image.id);
  }

  private explained(error: Error): Error {
    if (!isDomainError(error, 'data_mismatch', 'too_large')) return error;
    return new DomainError(
      'store_blob_corrupt',
      `The stored data of image ${this.of.image.id} is not what is recorded of it`,
      { cause: error },
    );
  }
}

async function writeAll(
  file: GrowingFile['file'],
  chunk: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    if (bytesWritten === 0) throw new Error('the file system took no bytes and named no error');
    done += bytesWritten;
  }
}
