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

/** What a store was asked for. */
export type StoreAction = 'read' | 'write' | 'delete';

/** The store lets this service not do it; who only reads is not told whose fault that is. */
export function accessDenied(action: StoreAction, cause: Error): DomainError {
  switch (action) {
    case 'read':
      return storeUnavailable(cause);
    case 'write':
      return new DomainError(
        'store_write_denied',
        'Permission to write image storage media denied.',
        { cause },
      );
    case 'delete':
      return new DomainError('store_delete_denied', 'You cannot delete this image data.', {
        cause,
      });
  }
}

/** One text whatever the reason, so that nobody learns what is there (security sheet §3). */
export function sourceRefused(cause: string): DomainError {
  return new DomainError(
    'store_source_refused',
    'The external source does not pass filtering: it lies where this service does not read from.',
    { cause: new Error(cause) },
  );
}

export function sourceUnusable(cause: string): DomainError {
  return new DomainError(
    'store_source_unusable',
    'The external source does not offer image data that can be read.',
    { cause: new Error(cause) },
  );
}
