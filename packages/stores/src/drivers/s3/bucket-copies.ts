import type { ByteRange } from '../../store-driver';
import { UPLOAD_ID } from './object-metadata';
import type { ObjectName } from './object-metadata';
import type { S3Connection } from './s3-connection';
import { copyUnsupported, refusedCopy, toStoreError } from './s3-errors';

/** A server copies so many times faster than it has to take bytes from a client. */
const COPY_SPEED = 16;

/** The requests by which the server copies objects within a bucket. */
export class BucketCopies {
  constructor(
    private readonly connection: S3Connection,
    private readonly bucket: string,
  ) {}

  /**
   * An object that is not there yet, of the bytes of another. Rejects with the SDK's errors: the
   * caller wants to know what became of it.
   * @throws as {@link part}, too.
   */
  async whole(
    original: { key: string; sizeBytes: number },
    { key, uploadId }: ObjectName,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.connection
      .request(
        (client, options) =>
          client.copyObject(
            {
              Bucket: this.bucket,
              Key: key,
              CopySource: this.sourceOf(original.key),
              ContentType: 'application/octet-stream',
              MetadataDirective: 'REPLACE',
              Metadata: { [UPLOAD_ID]: uploadId },
              // Tags may be what the store's user may not read.
              TaggingDirective: 'REPLACE',
              IfNoneMatch: '*',
            },
            options,
          ),
        { signal, bodyBytes: original.sizeBytes / COPY_SPEED },
      )
      .catch(refusedCopy);
  }

  /**
   * A range of another object as a part.
   * @returns its ETag.
   * @throws `store_blob_missing`; `store_get_unsupported` where the server does not do it.
   */
  async part(
    original: { key: string; range: ByteRange },
    { key, multipartId }: { key: string; multipartId: string },
    number: number,
    signal: AbortSignal,
  ): Promise<string> {
    const { offset, length } = original.range;
    const copying = this.connection.request(
      (client, options) =>
        client.uploadPartCopy(
          {
            Bucket: this.bucket,
            Key: key,
            UploadId: multipartId,
            PartNumber: number,
            CopySource: this.sourceOf(original.key),
            CopySourceRange: `bytes=${offset}-${offset + length - 1}`,
          },
          options,
        ),
      { signal, bodyBytes: length / COPY_SPEED },
    );
    const { CopyPartResult } = await copying.catch(refusedCopy).catch((error: unknown) => {
      throw toStoreError(error, 'write');
    });
    if (CopyPartResult?.ETag === undefined) throw copyUnsupported();
    return CopyPartResult.ETag;
  }

  /** Keys of blobs need no quoting. */
  private sourceOf(key: string): string {
    return `${this.bucket}/${key}`;
  }
}
