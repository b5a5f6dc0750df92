import {
  checkProjectLimit,
  DomainError,
  type BeginUpload,
  type ProjectLimits,
  type UploadLease,
  type UploadState,
} from '@glance/common';
import type { FakeImage } from './fake-image';

export const LEASE_SECONDS = 90;
export const HEARTBEAT_SECONDS = 15;

export interface FakeUpload {
  uploadId: string;
  imageId: string;
  kind: 'upload' | 'stage' | 'copy' | 'check' | 'import' | 'image_copy';
  state: UploadState;
  failureStatus: BeginUpload['failureStatus'];
  owner: string | null;
  /** Of the owner's quota; 0 once the upload has ended. */
  reservedBytes: number;
  quotaBytes: number | null;
  bytesReceived: number;
  expiresAtMs: number;
}

export function leaseOf({ uploadId }: FakeUpload): UploadLease {
  return { uploadId, leaseSeconds: LEASE_SECONDS, heartbeatSeconds: HEARTBEAT_SECONDS };
}

export function fenced({ imageId, uploadId }: FakeUpload): DomainError {
  return new DomainError('upload_fenced', 'The upload is no longer the one of this image.', {
    details: { imageId, uploadId },
  });
}

/**
 * Refuses an upload of `bytes` that would take its owner over the limit: stored data times its
 * locations (schema sheet 5.5) until its deletion is finished, and what other uploads have reserved
 * until they have ended (reliability sheet §4, D2 and D4).
 */
export function checkQuota(
  upload: Pick<FakeUpload, 'owner' | 'quotaBytes'> & {
    uploadId?: string;
    limits?: ProjectLimits | undefined;
  },
  bytes: number,
  images: Iterable<FakeImage>,
  uploads: Iterable<FakeUpload>,
): void {
  // What belongs to no project is nobody's quota.
  if (upload.owner === null) return;
  let usedBytes = 0;
  for (const { record, beforeDeletion, removals } of images) {
    const { owner, sizeBytes, locations } = beforeDeletion ?? record;
    if (owner !== upload.owner || record.status === 'deleted') continue;
    usedBytes += (sizeBytes ?? 0) * (locations.length + removals.length);
  }
  for (const other of uploads) {
    if (other.uploadId !== upload.uploadId && other.owner === upload.owner)
      usedBytes += other.reservedBytes;
  }
  if (upload.quotaBytes !== null && usedBytes + bytes > upload.quotaBytes) {
    throw new DomainError('quota_exceeded', 'The storage quota is exceeded.', {
      details: { limitBytes: upload.quotaBytes, usedBytes, requestedBytes: bytes },
    });
  }
  checkProjectLimit('imageSizeTotalBytes', upload.limits, usedBytes, bytes);
}
