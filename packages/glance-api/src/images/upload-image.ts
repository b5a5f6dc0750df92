import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DomainError,
  describeError,
  failPoint,
  isDomainError,
  type AbandonUpload,
  type BeginUpload,
  type BeginUploadResult,
  type DataHash,
  type ImageRecord,
  type LearnedFacts,
  type ProjectLimits,
  type UploadLease,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import { continueBody, type Logger } from '@glance/service-kit';
import type { AddedBlob, InstrumentedStore, StoreCaller } from '@glance/stores';
import { FormatInspection, type FormatRules } from '../formats/format-inspection';
import { signatureCheckOf } from '../signatures/image-signatures';
import type { SignatureCheck } from '../signatures/signature-check';
import type { HashPool } from '../transfer/hash-pool';
import { RequestBody, type BodyLimits } from '../transfer/request-body';
import { UploadSource, type UploadBody, type UploadDigests } from '../transfer/upload-source';
import { LeaseKeeper } from './lease-keeper';

export interface UploaderOptions {
  registry: Registry;
  hashPool: HashPool;
  logger: Logger;
  bodyLimits: BodyLimits;
  /** Names this process in leases. */
  node: string;
  imageSizeCapBytes: number;
  storageQuotaBytes: number | null;
  formatRules: Omit<FormatRules, 'warn'>;
  /** Aborted when the process must end: running uploads take their abort path. */
  shutdown: AbortSignal;
}

export interface UploadRequest {
  imageId: string;
  request: IncomingMessage;
  response: ServerResponse;
  store: InstrumentedStore;
  /** Who uploads, for a store that asks its server as them. */
  caller: StoreCaller;
  /** Announced by the client, checked against the data. */
  sizeBytes: number | undefined;
  md5: string | undefined;
  /** What the image is to have, checked as the checksum is. */
  hash?: DataHash | undefined;
  /** As PEM, of the signature that the image says it has. */
  certificate?: string | undefined;
  /** Takes the data out of a body that is more than the data; its length then says nothing. */
  unwrap?: ((body: UploadBody) => UploadBody) | undefined;
  failureStatus: BeginUpload['failureStatus'];
  /** The store is this staging area: the data waits there for an import. */
  stagingAreaId?: string | undefined;
  /** Of the image's owner. */
  limits: ProjectLimits | undefined;
  context: CallContext;
  /** Takes the image for this attempt: it is `saving` under a lease afterwards. */
  claim(upload: BeginUpload): Promise<BeginUploadResult>;
}

/** Takes the bytes of an image, all or nothing: a store, or what only reads them. */
export type TransferDestination = Pick<InstrumentedStore, 'add'>;

/** The bytes of an image that is claimed, on their way to where they are wanted. */
export interface Transfer {
  image: ImageRecord;
  /** @param ended aborted with the transfer, for what does not read the bytes. */
  destination(ended: AbortSignal): TransferDestination;
  /** Whose the bytes are to be, where stores make a difference. */
  caller: StoreCaller;
  body(): UploadBody;
  /** Must come true, as must checksum and hash. */
  sizeBytes: number | undefined;
  md5: string | undefined;
  hash?: DataHash | undefined;
  /** What the store prepares for; undefined when not known. */
  announcedBytes: number | undefined;
  /** Whether the lease holds the announced bytes of the quota, or more is taken as bytes come. */
  reserves: 'announced' | 'as it comes';
  /** Of the image's owner; undefined where none are kept. Asked when the image is claimed. */
  limits(): Promise<ProjectLimits | undefined>;
  /** Whether there may be limits. */
  isLimited: boolean;
  context: CallContext;
  /** As in UploadRequest. */
  stagingAreaId?: string | undefined;
  /** Nothing that was inspected when it came, or will be before the image has it. */
  isInspected?: boolean;
  /** Asked when the body was opened, which may have shown what the image is. */
  learned?(): LearnedFacts | undefined;
  /** What users are told of a failure that nobody waits for. Else: what the client was answered. */
  failureText?(error: unknown): string;
  /** Of data that the destination had without the body. */
  knownDigests?(): UploadDigests | undefined;
  /** Called when bytes may come. */
  begin?(): void;
  /** Asked when bytes come; none for data that nothing is to be said of. */
  signature?(): SignatureCheck | undefined;
  /** Ends the transfer, as the stop of the service does. */
  signal?: AbortSignal;
  /** For a copy: what its failure means for it. */
  copyEnd?(error: unknown): AbandonUpload['copy'];
}

/**
 * An upload from the claim to the active image, in the order U1–U7 of the reliability sheet §3.
 * Whatever fails, the image, the quota and the store are left as if nothing had been sent; if this
 * process dies, the lease ends and the sweepers do the same.
 */
export class ImageUploader {
  constructor(private readonly options: UploaderOptions) {}

  /** @throws DomainError that says why nothing was stored. */
  async upload(upload: UploadRequest): Promise<ImageRecord> {
    const { request, response, unwrap, limits } = upload;
    const announcedBytes = upload.sizeBytes ?? (unwrap ? undefined : contentLength(request));

    const { image, lease } = await upload.claim({
      uploadId: randomUUID(),
      node: this.options.node,
      failureStatus: upload.failureStatus,
      expectedSizeBytes: announcedBytes ?? null,
      storageQuotaBytes: this.options.storageQuotaBytes,
      ...(limits ? { limits } : {}),
      ...(upload.stagingAreaId === undefined ? {} : { stage: true }),
    });

    const { store, caller, sizeBytes, md5, hash, certificate, context } = upload;
    return await this.transfer(
      {
        image,
        destination: () => store,
        caller,
        body: () => {
          const body = new RequestBody(request, this.options.bodyLimits);
          return unwrap ? unwrap(body) : body;
        },
        sizeBytes,
        md5,
        hash,
        announcedBytes,
        reserves: announcedBytes === undefined ? 'as it comes' : 'announced',
        limits: () => Promise.resolve(limits),
        isLimited: limits !== undefined,
        context,
        stagingAreaId: upload.stagingAreaId,
        begin: () => continueBody(request, response),
        ...(certificate === undefined
          ? {}
          : { signature: () => signatureCheckOf(image, certificate) }),
      },
      lease,
    );
  }

  /**
   * U2–U7 of an image that is claimed already.
   * @throws as upload.
   */
  async transfer(transfer: Transfer, lease: UploadLease): Promise<ImageRecord> {
    const { registry, logger, hashPool } = this.options;
    const { image: claimed, context, announcedBytes } = transfer;
    const { id: imageId } = claimed;
    // Not AbortSignal.any: a signal that lives as long as the process remembers all it was part of.
    const endings = [this.options.shutdown, transfer.signal].filter((each) => each !== undefined);
    const isLimited = transfer.isLimited || this.options.storageQuotaBytes !== null;
    let limits: ProjectLimits | undefined;
    const ended = new AbortController();
    const end = (error: Error): void => {
      source.abort(error);
      ended.abort(error);
    };
    const source: UploadSource = new UploadSource(transfer.body(), hashPool, {
      maxBytes: this.options.imageSizeCapBytes,
      tooLargeMessage: `Denying attempt to upload image larger than ${this.options.imageSizeCapBytes} bytes.`,
      sizeBytes: transfer.sizeBytes,
      md5: transfer.md5,
      hash: transfer.hash,
      inspection: () => this.inspectionOf(transfer),
      signature: transfer.signature,
      ...(isLimited && transfer.reserves === 'as it comes'
        ? { admit: (total: number) => keeper.reserve(total) }
        : {}),
    });
    const keeper = new LeaseKeeper({
      registry,
      context,
      logger,
      imageId,
      lease,
      bytesReceived: () => source.bytesReceived,
      limits: () => limits,
      onLost: end,
    });
    const onShutdown = (): void => {
      end(new DomainError('shutting_down', 'The service is being stopped; try again.'));
    };
    for (const ending of endings) ending.addEventListener('abort', onShutdown);
    if (endings.some(({ aborted }) => aborted)) onShutdown();

    let added: AddedBlob | undefined;
    try {
      failPoint('U1');
      limits = await transfer.limits();
      transfer.begin?.();
      added = await transfer.destination(ended.signal).add({
        imageId,
        uploadId: lease.uploadId,
        firstAttempt: lease.firstAttempt,
        caller: transfer.caller,
        source,
        ...(announcedBytes === undefined ? {} : { expectedSizeBytes: announcedBytes }),
      });
      failPoint('U6');
      keeper.stop();
      const digests = transfer.knownDigests?.() ?? source.digests;
      const image = await this.commit(transfer, lease.uploadId, added, digests, limits);
      failPoint('U7');
      // What is staged stays an unfinished attempt until its import has ended.
      if (transfer.stagingAreaId === undefined) await this.settle(added, imageId, lease.uploadId);
      return image;
    } catch (error) {
      keeper.stop();
      return await this.giveUp(transfer, lease.uploadId, added, error);
    } finally {
      for (const ending of endings) ending.removeEventListener('abort', onShutdown);
      await source.close();
    }
  }

  private async commit(
    { image, stagingAreaId, learned, context }: Transfer,
    uploadId: string,
    { locationUrl: url, metadata }: AddedBlob,
    { sizeBytes, md5: checksum, hashAlgorithm, hashValue, virtualSizeBytes }: UploadDigests,
    limits: ProjectLimits | undefined,
  ): Promise<ImageRecord> {
    const { registry, node } = this.options;
    const found = { sizeBytes, checksum, hashAlgorithm, hashValue };
    if (stagingAreaId !== undefined) {
      const staged = { areaId: stagingAreaId, node, url, ...found };
      return await registry.commitStaging(image.id, uploadId, staged, context);
    }
    const facts = learned?.();
    const commit = {
      location: { url, metadata },
      ...found,
      virtualSizeBytes,
      ...(facts ? { learned: facts } : {}),
      ...(limits ? { limits } : {}),
    };
    return await registry.commitUpload(image.id, uploadId, commit, context);
  }

  /**
   * Ends a failed attempt. The blob is removed only when the registry says that it belongs to
   * nobody; when the registry cannot be asked it stays for the sweepers.
   */
  private async giveUp(
    transfer: Transfer,
    uploadId: string,
    added: AddedBlob | undefined,
    error: unknown,
  ): Promise<ImageRecord> {
    const { registry, logger } = this.options;
    const { context } = transfer;
    const { id: imageId } = transfer.image;
    const copy = transfer.copyEnd?.(error);
    const reason = describeError(error).slice(0, 1024);
    let verdict;
    try {
      verdict = await registry.abandonUpload(
        imageId,
        uploadId,
        {
          reason,
          locationUrl: added?.locationUrl ?? null,
          ...(copy === undefined ? {} : { copy }),
          message: (transfer.failureText ?? failureText)(error).slice(0, 1024),
        },
        context,
      );
    } catch (abandonError) {
      logger.error(
        'A failed upload could not be taken back; the lease will end and the sweepers clean up',
        { image: imageId, upload: uploadId, reason, error: describeError(abandonError) },
      );
      throw error;
    }
    if (verdict.state === 'committed' || verdict.state === 'staged') {
      // The answer to the commit was lost, its effect was not.
      const { image } = await registry.getUpload(imageId, uploadId, context);
      if (!image) throw error;
      if (added && verdict.state === 'committed') await this.settle(added, imageId, uploadId);
      return image;
    }
    if (verdict.state === 'void') failPoint('D2');
    if (added && verdict.blobRemovable) {
      await added.discard().catch((discardError: unknown) => {
        logger.error('The data of a failed upload could not be removed; a sweep will', {
          image: imageId,
          upload: uploadId,
          error: describeError(discardError),
        });
      });
    }
    logger.warn(`Upload failed: ${reason}`, { image: imageId, upload: uploadId });
    if (verdict.state === 'void' && !isDomainError(error, 'client_gone')) {
      throw new DomainError(
        'image_deleted',
        `Image ${imageId} could not be found after upload. The image may have been deleted during the upload.`,
        { cause: error },
      );
    }
    throw error;
  }

  /** Containers hold what they hold: only bare data is looked at (api-v2 sheet §8.1). */
  private inspectionOf(transfer: Transfer): FormatInspection | undefined {
    const { id, diskFormat, containerFormat } = { ...transfer.image, ...transfer.learned?.() };
    if (transfer.stagingAreaId !== undefined || transfer.isInspected === true) return undefined;
    if (containerFormat !== 'bare' || diskFormat === null) return undefined;
    const { formatRules, logger } = this.options;
    const warn = (message: string): void => logger.warn(message, { image: id });
    return new FormatInspection(diskFormat, { ...formatRules, warn });
  }

  private async settle(added: AddedBlob, imageId: string, uploadId: string): Promise<void> {
    await added.settle().catch((error: unknown) => {
      this.options.logger.warn('The temporary name of stored data stays until the next sweep', {
        image: imageId,
        upload: uploadId,
        error: describeError(error),
      });
    });
  }
}

/** What the client is answered, or would be if it were still there. */
function failureText(error: unknown): string {
  return isDomainError(error) ? error.message : 'Internal error';
}

function contentLength(request: IncomingMessage): number | undefined {
  const text = request.headers['content-length'];
  return text === undefined ? undefined : Number(text);
}
