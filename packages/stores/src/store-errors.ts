import { DomainError } from '@glance/common';

/** Also the answer for a location outside the store's area: what is there is none of its business. */
export function blobMissing(cause?: unknown): DomainError {
  return new DomainError('store_blob_missing', 'The image data is not in this store', { cause });
}

export function blobCorrupt(message: string, cause?: unknown): DomainError {
  return new DomainError('store_blob_corrupt', message, { cause });
}

export function rangeOutsideBlob(): DomainError {
  return blobCorrupt('The stored image data does not reach as far as the requested range');
}

export function storeDuplicate(imageId: string, cause?: unknown): DomainError {
  return new DomainError('store_duplicate', `Image ${imageId} already exists`, {
    cause,
    details: { imageId },
  });
}

export function storeFull(cause?: unknown): DomainError {
  return new DomainError(
    'store_full',
    'There is not enough disk space on the image storage media.',
    { cause },
  );
}

export function storeUnavailable(cause?: unknown): DomainError {
  return new DomainError('store_unavailable', 'The image store is unavailable.', { cause });
}
