import { randomUUID } from 'node:crypto';
import {
  DomainError,
  describeError,
  failPoint,
  isDomainError,
  type AbandonUpload,
  type ClaimedImport,
  type ImageRecord,
  type LearnedFacts,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { BlobStream, InstrumentedStore, StoreSet } from '@glance/stores';
import { ClaimedWork } from '../images/claimed-work';
import { openImageData } from '../images/open-image-data';
import { removeTakenLocations } from '../images/remove-locations';
import type { ImageUploader, TransferDestination } from '../images/upload-image';
import { imageLimits, NO_LIMITS, type LimitSource } from '../limits/project-limits';
import { signatureOf } from '../signatures/signature-check';
import { signatureCheckOf } from '../signatures/image-signatures';
import { ExternalBody } from '../transfer/external-body';
import { CloneDestination } from './clone-destination';
import type { DataPreparation } from './preparation/data-preparation';
import type { RemoteImages } from './remote-images';
import type { StagingArea } from './staging-area';

export interface ImporterOptions {
  registry: Registry;
  stores: StoreSet;
  staging: StagingArea;
  remotes: RemoteImages;
  /** Where exports go; undefined where there are none. */
  exports: StagingArea | undefined;
  /** What plugins make of the data. */
  preparation: DataPreparation;
  /** Reads the URLs of web-download. */
  web: InstrumentedStore;
  uploader: ImageUploader;
  logger: Logger;
  /** Names this process in leases. */
  node: string;
  storageQuotaBytes: number | null;
  limits: LimitSource;
  /** Imports at a time in this process. */
  concurrency: number;
  maxAttempts: number;
  /** For one store of an import as a whole. */
  timeoutMs: number;
}

/**
 * Carries out imports, one store after the other (tasks sheet §7, reliability sheet §4, I2–I6).
 * Each step is claimed under the lease of an upload and is the service's own work: when this
 * process dies the lease ends, and any process that can read the data claims the step again. The
 * first store is filled from where the data comes from, the others from the first.
 */
export class ImageImporter extends ClaimedWork<ClaimedImport> {
  constructor(private readonly options: ImporterOptions) {
    super('Imports', options);
  }

  protected async claim(imageId: string | undefined, context: CallContext) {
    const { registry, node, storageQuotaBytes, maxAttempts, staging, exports, remotes } =
      this.options;
    const area = await staging.openIfThere().catch(() => undefined);
    const exportArea = await exports?.openIfThere().catch(() => undefined);
    const holderIds = [
      ...(remotes.isHolding ? [remotes.id] : []),
      ...(exportArea ? [exportArea.id] : []),
    ];
    return await registry.claimImport(
      {
        ...(imageId === undefined ? {} : { imageId }),
        stagingAreaId: area?.id ?? null,
        ...(holderIds.length === 0 ? {} : { holderIds }),
        uploadId: randomUUID(),
        node,
        storageQuotaBytes,
        maxAttempts,
      },
      context,
    );
  }

  /** The same import has its next store filled first. */
  protected continueWith({ image }: ClaimedImport): string {
    return image.id;
  }

  protected async carryOut(claimed: ClaimedImport, context: CallContext): Promise<void> {
    const { logger, uploader, stores, limits, preparation, remotes, timeoutMs } = this.options;
    const { image, lease, storeId, source, staged, certificate, task, attempt } = claimed;
    const isExport = task.type === 'export';
    const about = {
      image: image.id,
      task: task.id,
      store: storeId,
      upload: lease.uploadId,
      attempt,
    };
    const expected =
      source === 'image'
        ? { sizeBytes: image.sizeBytes ?? undefined, md5: image.checksum ?? undefined }
        : staged && !preparation.concerns(image)
          ? { sizeBytes: staged.sizeBytes, md5: staged.checksum, hash: staged.hash }
          : { sizeBytes: undefined, md5: undefined };
    // Data that is signed is read.
    const isCloned = source === 'clone' && !signatureOf(image);
    let clone: CloneDestination | undefined;
    const destination = (ended: AbortSignal): TransferDestination => {
      if (isExport) return this.exportDestination();
      if (!isCloned) return stores.get(storeId);
      const original = (): Promise<ImageRecord> => this.originalOf(claimed, context);
      return (clone = new CloneDestination(stores, storeId, original, ended));
    };
    let learned: LearnedFacts | undefined;
    const open = async (signal: AbortSignal): Promise<{ stream: BlobStream }> => {
      const opened = await this.open(claimed, context, signal);
      learned = opened.learned;
      const found = { ...image, ...learned };
      const isOwnData = source === 'image' || source === 'clone';
      if (isOwnData || !preparation.concerns(found)) return opened;
      const name = { imageId: image.id, uploadId: lease.uploadId };
      const data = opened.stream;
      const prepared = await preparation.prepare(name, found, data, staged ?? undefined, signal);
      learned = { ...learned, ...prepared.learned };
      return prepared;
    };
    try {
      const filled = await uploader.transfer(
        {
          image,
          destination,
          knownDigests: () => clone?.digests,
          body: () => new ExternalBody(open, timeoutMs),
          // As of a copy: the service's own work, for the owner of the image.
          caller: { projectId: image.owner },
          ...expected,
          learned: () => learned,
          // Other stores get what was verified.
          ...(source === 'image'
            ? {}
            : { signature: () => signatureCheckOf(image, certificate ?? undefined) }),
          announcedBytes: expected.sizeBytes,
          // What leaves the stores counts for nobody.
          reserves: isExport ? 'announced' : 'as it comes',
          limits: async () => (await imageLimits(limits, image.owner)).limits,
          isLimited: limits !== NO_LIMITS,
          isInspected: source === 'image',
          context,
          signal: this.stopSignal,
          copyEnd: (error) => copyEnd(error, source),
          failureText,
        },
        lease,
      );
      failPoint('I5');
      remotes.release(task.id);
      logger.info('An import has filled a store', { ...about, bytes: filled.sizeBytes });
    } catch (error) {
      logger.info(`An import could not fill a store: ${describeError(error)}`, about);
      await this.removeWhatIsLeft(image.id, context);
      if (source === 'held') await this.releaseToken(task.id, context);
    }
    await this.releaseWork(claimed);
    await this.removeStaged(claimed, context);
  }

  private async open(
    claimed: ClaimedImport,
    context: CallContext,
    signal: AbortSignal,
  ): Promise<{ stream: BlobStream; learned?: LearnedFacts }> {
    const { registry, staging, remotes, web } = this.options;
    const { image, lease, source, staged, task } = claimed;
    failPoint('I2');
    if (source === 'image') return await this.openImage(image);
    if (source === 'clone') return await this.openImage(await this.originalOf(claimed, context));
    if (source === 'staged') {
      if (!staged) throw new Error('a claim of staged data does not say where it is');
      const area = await staging.open();
      return await area.store.get(staged.url, { signal });
    }
    if (source === 'held') return await remotes.open(task.id, signal);
    const url = await registry.getCopySource(image.id, lease.uploadId, { ...context, signal });
    try {
      return await web.get(url, { signal });
    } catch (error) {
      if (isDomainError(error, 'store_source_refused')) throw error;
      // One text, so that nobody learns what is at an address (OSSN-0078).
      const text = 'The data cannot be read from the URL of the import';
      throw new DomainError('store_source_unusable', text, { cause: error });
    }
  }

  /** The image whose data is cloned. @throws DomainError when it has none any more */
  private async originalOf(
    { sourceImageId }: ClaimedImport,
    context: CallContext,
  ): Promise<ImageRecord> {
    const original = await this.options.registry.getImage(sourceImageId ?? '', context);
    if (original.status === 'active') return original;
    throw new DomainError('store_source_unusable', 'The image to clone is active no more');
  }

  private async openImage(image: ImageRecord): Promise<{ stream: BlobStream }> {
    const { stores, logger } = this.options;
    const caller = { projectId: image.owner };
    const { chunks } = await openImageData(image, { stores, logger, caller });
    return { stream: chunks[Symbol.asyncIterator]() as BlobStream };
  }

  /** Opened by the attempt itself, which is given up when that fails. */
  private exportDestination(): TransferDestination {
    const { exports } = this.options;
    return {
      add: async (request) => {
        if (!exports) throw new Error('an export was claimed without a directory for it');
        return await (await exports.open()).store.add(request);
      },
    };
  }

  /** Once the import has ended; until then its next store needs the token too. */
  private async releaseToken(taskId: string, context: CallContext): Promise<void> {
    const { registry, remotes } = this.options;
    const ended = await registry.getTask(taskId, context).then(
      ({ status }) => status === 'failure' || status === 'success',
      () => false,
    );
    if (ended) remotes.release(taskId);
  }

  /** A failed import takes back what its other stores got; a sweep finishes what fails here. */
  private async removeWhatIsLeft(imageId: string, context: CallContext): Promise<void> {
    const { registry, stores, logger } = this.options;
    await removeTakenLocations(imageId, { registry, stores, logger }, context.requestId).catch(
      (error: unknown) => {
        logger.warn('A store keeps what a failed import left there; a sweep tries again', {
          image: imageId,
          error: describeError(error),
        });
      },
    );
  }

  private async releaseWork({ image, lease: { uploadId } }: ClaimedImport): Promise<void> {
    const { preparation, logger } = this.options;
    await preparation.release({ imageId: image.id, uploadId }).catch((error: unknown) => {
      logger.warn('Files of an import could not be removed; a sweep tries again', {
        image: image.id,
        upload: uploadId,
        error: describeError(error),
      });
    });
  }

  /** I6: data that was staged goes when its import has ended; a sweep finds what stays. */
  private async removeStaged(
    { image, staged }: ClaimedImport,
    context: CallContext,
  ): Promise<void> {
    if (!staged) return;
    const { registry, staging, logger } = this.options;
    const { uploadId } = staged;
    try {
      const { state } = await registry.getUpload(image.id, uploadId, context);
      if (state === 'staged') return;
      const area = await staging.open();
      await area.store.removeUnfinished({ imageId: image.id, uploadId }, 'abandoned');
    } catch (error) {
      logger.warn('Staged data could not be removed; a sweep tries again', {
        image: image.id,
        upload: uploadId,
        error: describeError(error),
      });
    }
  }
}

function copyEnd(
  error: unknown,
  source: ClaimedImport['source'],
): NonNullable<AbandonUpload['copy']> {
  // What only this process holds nobody can take over.
  const canGoOn = source !== 'held' && isDomainError(error, 'shutting_down');
  return canGoOn ? 'handed_back' : 'failed_for_good';
}

/** What users may know of a failure. */
function failureText(error: unknown): string {
  return error instanceof DomainError ? error.message : 'Task failed due to Internal Error';
}
