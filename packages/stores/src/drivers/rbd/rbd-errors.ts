import { DomainError } from '@glance/common';
import {
  accessDenied,
  blobCorrupt,
  blobMissing,
  storeFull,
  storeUnavailable,
  type StoreAction,
} from '../../store-errors';
import type { RbdFailure } from './protocol';

const EPERM = 1;
const ENOENT = 2;
const EAGAIN = 11;
const EACCES = 13;
const EBUSY = 16;
const EEXIST = 17;
const ENOSPC = 28;
const EROFS = 30;
const ENOTEMPTY = 39;
const ETIMEDOUT = 110;
const ENOTCONN = 107;
/** This client was shut out, for instance by who took its lock. */
const ESHUTDOWN = 108;
const ECONNREFUSED = 111;
const EHOSTUNREACH = 113;
const EDQUOT = 122;

/** The helper refused, with what Ceph said. */
export class HelperError extends Error {
  constructor(readonly failure: RbdFailure) {
    super(failure.message);
    this.name = 'HelperError';
  }

  get errno(): number | undefined {
    return this.failure.errno;
  }
}

export function isTaken(error: unknown): boolean {
  return error instanceof HelperError && error.errno === EEXIST;
}

/** Nothing helps such a connection but another one. */
export function isShutOut(error: unknown): boolean {
  return error instanceof HelperError && error.errno === ESHUTDOWN;
}

/** A failure of the helper's as one of the store family (stores sheet §7, §11). */
export function toStoreError(error: unknown, action: StoreAction): unknown {
  if (!(error instanceof HelperError)) return error;
  const { failure, errno } = error;
  if (failure.option !== undefined) {
    return storeUnavailable(new Error(`option ${failure.option}: ${failure.message}`));
  }
  if (failure.poolMissing === true) return storeUnavailable(error);
  switch (errno) {
    case ENOENT:
      return action === 'write' ? storeUnavailable(error) : blobMissing(error);
    case EBUSY:
    case ENOTEMPTY:
      return inUse(error);
    case ENOSPC:
    case EDQUOT:
      // A removal that needs room finds it once somebody has made some.
      return action === 'delete' ? storeUnavailable(error) : storeFull(error);
    case EPERM:
    case EACCES:
    case EROFS:
      return accessDenied(action, error);
    // Another process removes it just now.
    case EAGAIN:
    case ETIMEDOUT:
    case ENOTCONN:
    case ESHUTDOWN:
    case ECONNREFUSED:
    case EHOSTUNREACH:
      return storeUnavailable(error);
    default:
      return error;
  }
}

/** While a stream is read: what is gone now was there at its beginning. */
export function toStreamError(error: unknown): unknown {
  return error instanceof HelperError &&
    error.errno === ENOENT &&
    error.failure.poolMissing !== true
    ? blobCorrupt('The image data was removed while it was read', error)
    : toStoreError(error, 'read');
}

function inUse(cause: Error): DomainError {
  return new DomainError(
    'store_in_use',
    'The image cannot be deleted because it is in use through the backend store outside of Glance.',
    { cause },
  );
}
