import { DomainError, type BeginUpload, type UploadLease } from '@glance/common';
import { Accounts } from '../quota/accounts';
import { checkBytes, checkStaged, checkUploading } from '../quota/check-limits';
import type { Repositories } from '../repositories';
import type { LeaseKind } from './lease-repository';

/**
 * Takes the lease of an image that this transaction has made `saving` or is about to, and reserves
 * the announced bytes.
 * @throws DomainError `quota_exceeded`; `conflict` when the upload id was used before.
 */
export async function claimUpload(
  repositories: Repositories,
  imageId: string,
  owner: string | null,
  upload: BeginUpload,
  kind: LeaseKind = 'upload',
): Promise<UploadLease> {
  const { dialect, usage, leases, orphans } = repositories;
  const announcedBytes = upload.expectedSizeBytes ?? 0;
  // What is staged counts as that (`image_stage_total`), and as stored once it is.
  const reservedBytes = kind === 'stage' ? 0 : announcedBytes;
  const accounts = await Accounts.open(usage, [owner]);
  // What a copy takes is reserved as it comes, and it is one of those that upload since its promise.
  if (kind === 'upload' || kind === 'stage') {
    const { storageQuotaBytes, limits } = upload;
    if (kind === 'upload') {
      checkBytes(accounts.usageOf(owner), reservedBytes, storageQuotaBytes, limits);
    }
    await checkStaged(repositories, owner, announcedBytes, limits);
    await checkUploading(repositories, owner, imageId, limits);
  }
  await accounts.add(owner, { reservedBytes });
  // Nor is a blob remembered whose name it would get, and which a sweep may be about to remove.
  const firstAttempt = !(await leases.existFor(imageId)) && !(await orphans.existFor(imageId));
  try {
    await leases.insert({
      uploadId: upload.uploadId,
      imageId,
      kind,
      node: upload.node,
      failureStatus: upload.failureStatus,
      owner,
      reservedBytes,
      quotaLimitBytes: upload.storageQuotaBytes,
    });
  } catch (error) {
    if (dialect.classify(error) !== 'duplicate') throw error;
    throw new DomainError('conflict', 'The upload id was used before', { cause: error });
  }
  return { ...leases.termsOf(upload.uploadId), firstAttempt };
}
