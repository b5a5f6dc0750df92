import type { CompletedPart, GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { BucketCopies } from './bucket-copies';
import { UPLOAD_ID } from './object-metadata';
import type { ObjectName } from './object-metadata';
import { isNoSuchBucket, isNotFound, statusOf, toStoreError } from './s3-errors';
import type { StoreAction } from '../../store-errors';
import type { S3Connection } from './s3-connection';
import type { StreamedBody } from './streamed-body';

export interface FoundObject {
  sizeBytes: number;
  /** Undefined on an object of upstream's. */
  uploadId: string | undefined;
  modified: Date;
}

export interface ListedObject {
  key: string;
  sizeBytes: number;
  modified: Date;
}

export interface MultipartUpload {
  key: string;
  multipartId: string;
  begun: Date;
}

/** One bucket: the requests of the protocol that the store makes. Errors are of the store family. */
export class S3Bucket {
  readonly copies: BucketCopies;

  constructor(
    private readonly connection: S3Connection,
    readonly name: string,
    private readonly mayCreate: boolean,
  ) {
    this.copies = new BucketCopies(connection, name);
  }

  /**
   * @param action that it is looked for, which errors are named by.
   * @returns undefined when there is no such object, or no such bucket: the answer does not say.
   */
  async find(
    key: string,
    { signal, action = 'read' }: { signal?: AbortSignal | undefined; action?: StoreAction } = {},
  ): Promise<FoundObject | undefined> {
    try {
      const found = await this.connection.request(
        (client, options) => client.headObject({ Bucket: this.name, Key: key }, options),
        { signal },
      );
      return {
        sizeBytes: found.ContentLength ?? 0,
        uploadId: found.Metadata?.[UPLOAD_ID],
        modified: found.LastModified ?? new Date(0),
      };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw signal?.aborted === true ? error : toStoreError(error, action);
    }
  }

  async exists(): Promise<boolean> {
    try {
      await this.connection.request((client, options) =>
        client.headBucket({ Bucket: this.name }, options),
      );
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw toStoreError(error, 'write');
    }
  }

  /** An empty object, in the bucket that is made for it where that is wanted. */
  async putMark(key: string): Promise<void> {
    const put = (): Promise<unknown> =>
      this.connection.request((client, options) =>
        client.putObject({ Bucket: this.name, Key: key, Body: Buffer.alloc(0) }, options),
      );
    try {
      await put().catch(async (error: unknown) => {
        if (!this.mayCreate || !isNoSuchBucket(error)) throw error;
        await this.create();
        await put();
      });
    } catch (error) {
      throw toStoreError(error, 'write');
    }
  }

  /** Rejects with the SDK's errors: the caller wants to know what became of it. */
  async put(
    { key, uploadId }: ObjectName,
    body: Buffer | StreamedBody,
    sizeBytes: number,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.connection.request(
      (client, options) =>
        client.putObject(
          {
            Bucket: this.name,
            Key: key,
            Body: body,
            ContentLength: sizeBytes,
            ContentType: 'application/octet-stream',
            Metadata: { [UPLOAD_ID]: uploadId },
            IfNoneMatch: '*',
          },
          options,
        ),
      {
        signal,
        bodyBytes: sizeBytes,
        ...(Buffer.isBuffer(body) ? {} : { bodyEnd: body.sourceEnd }),
      },
    );
  }

  async beginMultipart({ key, uploadId }: ObjectName, signal?: AbortSignal): Promise<string> {
    const { UploadId } = await this.connection.request(
      (client, options) =>
        client.createMultipartUpload(
          {
            Bucket: this.name,
            Key: key,
            ContentType: 'application/octet-stream',
            Metadata: { [UPLOAD_ID]: uploadId },
          },
          options,
        ),
      { action: 'write', signal },
    );
    if (UploadId === undefined) throw new Error('S3 server: a multipart upload without an id');
    return UploadId;
  }

  /** @returns its ETag. */
  async uploadPart(
    { key, multipartId }: { key: string; multipartId: string },
    number: number,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<string> {
    const { ETag } = await this.connection.request(
      (client, options) =>
        client.uploadPart(
          {
            Bucket: this.name,
            Key: key,
            UploadId: multipartId,
            PartNumber: number,
            Body: body,
            ContentLength: body.length,
          },
          options,
        ),
      { action: 'write', signal, bodyBytes: body.length },
    );
    if (ETag === undefined) throw new Error('S3 server: a part without an ETag');
    return ETag;
  }

  /** Rejects with the SDK's errors: the caller wants to know what became of it. */
  async completeMultipart(
    { key, multipartId }: { key: string; multipartId: string },
    parts: CompletedPart[],
  ): Promise<void> {
    await this.connection.request(
      (client, options) =>
        client.completeMultipartUpload(
          {
            Bucket: this.name,
            Key: key,
            UploadId: multipartId,
            MultipartUpload: { Parts: parts },
            IfNoneMatch: '*',
          },
          options,
        ),
      // The server may have to put a large object together.
      { bodyBytes: parts.length * 1024 * 1024 },
    );
  }

  /** Gone already is a success. */
  async abortMultipart({ key, multipartId }: { key: string; multipartId: string }): Promise<void> {
    try {
      await this.connection.request((client, options) =>
        client.abortMultipartUpload(
          { Bucket: this.name, Key: key, UploadId: multipartId },
          options,
        ),
      );
    } catch (error) {
      if (!isNotFound(error)) throw toStoreError(error, 'delete');
    }
  }

  /** @param range as in the header. */
  async open(
    key: string,
    range: string | undefined,
    signal?: AbortSignal,
  ): Promise<GetObjectCommandOutput> {
    return await this.connection.request(
      (client, options) => client.getObject({ Bucket: this.name, Key: key, Range: range }, options),
      { signal },
    );
  }

  /** Gone already is a success. */
  async remove(key: string): Promise<void> {
    await this.connection.request(
      (client, options) => client.deleteObject({ Bucket: this.name, Key: key }, options),
      { action: 'delete' },
    );
  }

  /** Objects whose key begins so, page by page; without a prefix, those with no slash in theirs. */
  async *list(prefix?: string): AsyncGenerator<ListedObject, undefined> {
    let from: string | undefined;
    do {
      const page = await this.connection.request(
        (client, options) =>
          client.listObjectsV2(
            {
              Bucket: this.name,
              ContinuationToken: from,
              ...(prefix === undefined ? { Delimiter: '/' } : { Prefix: prefix }),
            },
            options,
          ),
        { action: 'read' },
      );
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        yield { key: Key, sizeBytes: Size ?? 0, modified: LastModified ?? new Date(0) };
      }
      from = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (from !== undefined);
  }

  async listMultiparts(prefix?: string): Promise<MultipartUpload[]> {
    const found: MultipartUpload[] = [];
    let from: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined =
      {};
    while (from !== undefined) {
      const marker: object = from;
      const page = await this.connection.request(
        (client, options) =>
          client.listMultipartUploads({ Bucket: this.name, Prefix: prefix, ...marker }, options),
        { action: 'read' },
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined) continue;
        found.push({ key: Key, multipartId: UploadId, begun: Initiated ?? new Date(0) });
      }
      from =
        page.IsTruncated === true
          ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
          : undefined;
    }
    return found;
  }

  /** What the parts of an upload amount to; nothing when it is over. */
  async measureParts({
    key,
    multipartId,
  }: MultipartUpload): Promise<{ sizeBytes: number; modified: Date }> {
    let sizeBytes = 0;
    let latest = 0;
    let from: string | undefined;
    do {
      const page = await this.connection
        .request((client, options) =>
          client.listParts(
            { Bucket: this.name, Key: key, UploadId: multipartId, PartNumberMarker: from },
            options,
          ),
        )
        .catch((error: unknown) => {
          if (isNotFound(error)) return { Parts: [], IsTruncated: false, NextPartNumberMarker: '' };
          throw toStoreError(error, 'read');
        });
      for (const { Size, LastModified } of page.Parts ?? []) {
        sizeBytes += Size ?? 0;
        latest = Math.max(latest, LastModified?.getTime() ?? 0);
      }
      from = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (from !== undefined);
    return { sizeBytes, modified: new Date(latest) };
  }

  private async create(): Promise<void> {
    await this.connection.request((client, options) =>
      client.createBucket({ Bucket: this.name }, options).catch((error: unknown) => {
        // Another upload was first.
        if ((error as Error).name !== 'BucketAlreadyOwnedByYou') throw error;
      }),
    );
  }
}
