import { randomUUID } from 'node:crypto';
import { isDomainError, type AbandonUpload, type ClaimedCopy } from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { imageLimits, NO_LIMITS, type LimitSource } from '../limits/project-limits';
import { ExternalBody } from '../transfer/external-body';
import { ClaimedWork } from './claimed-work';
import { CopySource } from './copy-source';
import type { ImageUploader } from './upload-image';

export interface CopierOptions {
  registry: Registry;
  stores: StoreSet;
  uploader: ImageUploader;
  logger: Logger;
  /** Names this process in leases. */
  node: string;
  storageQuotaBytes: number | null;
  limits: LimitSource;
  /** Copies at a time in this process. */
  concurrency: number;
  maxAttempts: number;
  retrySeconds: number;
  /** For one copy as a whole. */
  timeoutMs: number;
}

/** What another attempt would not change. */
const FINAL_FAILURES = [
  'invalid_request',
  'store_blob_missing',
  'store_source_refused',
  'store_source_unusable',
  'store_add_disabled',
  'data_mismatch',
  'format_refused',
  'too_large',
  'quota_exceeded',
] as const;

/**
 * Carries out copies that were promised to images (api-v1 sheet §2.6), and checks of data that stays
 * where it is (api-v2 sheet §9.2). Either is claimed under the lease of an upload and is the
 * service's own work from there on, counted for the owner of the image: when this process dies, the
 * lease ends and any other claims it again.
 */
export class ImageCopier extends ClaimedWork<ClaimedCopy> {
  constructor(private readonly options: CopierOptions) {
    super('Copies', options);
  }

  protected claim(imageId: string | undefined, context: CallContext): Promise<ClaimedCopy | null> {
    const { registry, node, storageQuotaBytes, maxAttempts, retrySeconds } = this.options;
    return registry.claimCopy(
      {
        ...(imageId === undefined ? {} : { imageId }),
        uploadId: randomUUID(),
        withChecks: true,
        node,
        storageQuotaBytes,
        maxAttempts,
        retrySeconds,
      },
      context,
    );
  }

  protected continueWith(): undefined {
    return undefined;
  }

  protected async carryOut(copy: ClaimedCopy, context: CallContext): Promise<void> {
    const { logger, uploader, stores, limits, timeoutMs } = this.options;
    const { image, lease, attempt, check } = copy;
    const about = { image: image.id, upload: lease.uploadId, attempt };
    const what = check ? 'check of a location' : 'copy';
    const source = new CopySource(copy, this.options, context);
    try {
      const copied = await uploader.transfer(
        {
          image,
          destination: () => (check ? source : stores.get(copy.storeId)),
          caller: { projectId: image.owner },
          body: () => new ExternalBody((signal) => source.open(signal), timeoutMs),
          // What the image has been shown with must come true; 0 counts as not known.
          sizeBytes: image.sizeBytes || undefined,
          md5: image.checksum ?? undefined,
          hash: check,
          announcedBytes: image.sizeBytes || undefined,
          reserves: 'as it comes',
          limits: async () => (await imageLimits(limits, image.owner)).limits,
          isLimited: limits !== NO_LIMITS,
          context,
          signal: this.stopSignal,
          copyEnd,
          failureText,
        },
        lease,
      );
      logger.info(`A ${what} has ended well`, { ...about, bytes: copied.sizeBytes });
    } catch (error) {
      const end = isDomainError(error, 'image_deleted') ? 'the image was deleted' : copyEnd(error);
      logger.info(`A ${what} has ended without data`, { ...about, end });
    }
  }
}

/** One text for whatever is at a source, so that nobody learns what that is (OSSN-0078). */
function failureText(error: unknown): string {
  const isOfSource = isDomainError(
    error,
    'store_blob_missing',
    'store_source_unusable',
    'store_unavailable',
  );
  if (isOfSource) return 'The data cannot be read from its source, or not be stored.';
  return isDomainError(error) ? error.message : 'Internal error';
}

function copyEnd(error: unknown): NonNullable<AbandonUpload['copy']> {
  if (isDomainError(error, 'shutting_down')) return 'handed_back';
  return isDomainError(error, ...FINAL_FAILURES) ? 'failed_for_good' : 'failed';
}
