import type { FakeImport } from './fake-imports';
import {
  DomainError,
  imageNotFound,
  type CopyFrom,
  type DataHash,
  type Identity,
  type ImageLocation,
  type ImageMember,
  type ImageRecord,
  type ImageStatus,
  type StagedData,
  canTransition,
} from '@glance/common';

/** One row of the fake's image table with all that hangs on it. */
export interface FakeImage {
  record: ImageRecord;
  /** By the member's id. */
  members: Map<string, Omit<ImageMember, 'memberId'>>;
  /** The upload that holds the image while it is `saving`. */
  uploadId: string | null;
  /** The copy or check that was promised and has not ended. */
  copy: FakeCopy | null;
  import: FakeImport | null;
  /** Data in a staging area, with the attempt that brought it. */
  staged: StagedData | null;
  /** Taken away while the image stays; the data is still to be removed. */
  removals: { location: ImageLocation; begunAt: string; isDelayed: boolean }[];
  /** What deletion took away and what a revert brings back. */
  beforeDeletion: ImageRecord | null;
  /** While the image is `pending_delete`: how many have begun to remove its data. */
  deletion: { isDelayed: boolean; scrubs: number } | null;
}

/** A copy that nobody carries out, or that runs as an upload. */
export interface FakeCopy {
  request: Pick<CopyFrom, 'sourceUrl' | 'storeId' | 'sizeBytes'>;
  /** Undefined for a copy. */
  check: DataHash | undefined;
  /** Of the task that shows how a check goes. */
  taskId: string | undefined;
  attempts: number;
  isLastAttempt: boolean;
  nextAttemptMs: number;
}

/** Whether the caller may see the image by its id (schema sheet 5.1). */
export function isVisibleTo(identity: Identity, image: FakeImage): boolean {
  return identity.isAdmin || (!image.record.deleted && wasVisibleTo(identity, image));
}

/** The same, of an image that may be deleted by now. */
export function wasVisibleTo(identity: Identity, { record, members }: FakeImage): boolean {
  if (identity.isAdmin || record.owner === null) return true;
  if (record.visibility === 'public' || record.visibility === 'community') return true;
  if (identity.projectId === null) return false;
  if (record.owner === identity.projectId) return true;
  return record.visibility === 'shared' && members.has(identity.projectId);
}

/**
 * Refuses a change by somebody who is neither admin nor owner (registry sheet 3.2). What is private
 * to somebody else is not found, also for its members.
 */
export function checkMayChange(identity: Identity, { record }: FakeImage): void {
  if (!identity.readOnly) {
    if (identity.isAdmin) return;
    if (record.owner !== null && record.owner === identity.projectId) return;
  }
  if (record.visibility === 'public' || record.visibility === 'community') {
    throw new DomainError('forbidden', 'You are not permitted to modify this image.', {
      details: { imageId: record.id },
    });
  }
  throw identity.readOnly ? readOnly() : imageNotFound(record.id);
}

export function readOnly(): DomainError {
  return new DomainError('forbidden', 'You may only read.');
}

export function conflict(imageId: string): DomainError {
  return new DomainError('conflict', 'Image operation conflicts', { details: { imageId } });
}

/** Moves the image along the transition table. @throws `conflict` */
export function transition(image: FakeImage, to: ImageStatus): void {
  if (!canTransition(image.record.status, to)) throw conflict(image.record.id);
  image.record.status = to;
  image.uploadId = null;
  if (to === 'queued') {
    image.record.sizeBytes = null;
    image.record.virtualSizeBytes = null;
  }
}
