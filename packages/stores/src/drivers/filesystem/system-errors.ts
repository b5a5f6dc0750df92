import { constants } from 'node:os';
import { DomainError, isDomainError } from '@glance/common';
import { storeFull, storeUnavailable } from '../../store-errors';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);
// No regular file can be opened under this name, whatever the reason.
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO']);

const OTHER_NAMES = new Map<unknown, string>([
  [-constants.errno.EDQUOT, 'EDQUOT'],
  [-constants.errno.ESTALE, 'ESTALE'],
]);

/** The name of a system error; of others their `code`, if they have one. */
export function errorCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  // libuv has no name for some numbers that file systems return, EDQUOT and ESTALE among them.
  const name = 'errno' in error ? OTHER_NAMES.get(error.errno) : undefined;
  return name ?? (typeof error.code === 'string' ? error.code : undefined);
}

export function isAbsent(error: unknown): boolean {
  return ABSENT.has(errorCodeOf(error) ?? '');
}

/** An error of a system call while writing, in words of the domain; anything else as it is. */
export function toWriteError(error: unknown): Error {
  if (FULL.has(systemCodeOf(error) ?? '')) return storeFull(error);
  if (DENIED.has(systemCodeOf(error) ?? '')) {
    return new DomainError(
      'store_write_denied',
      'Permission to write image storage media denied.',
      { cause: error },
    );
  }
  return toReadError(error);
}

export function toDeleteError(error: unknown): Error {
  if (!DENIED.has(systemCodeOf(error) ?? '')) return toReadError(error);
  return new DomainError(
    'store_delete_denied',
    'Permission to delete from image storage media denied.',
    { cause: error },
  );
}

export function toReadError(error: unknown): Error {
  return systemCodeOf(error) === undefined ? (error as Error) : storeUnavailable(error);
}

function systemCodeOf(error: unknown): string | undefined {
  if (isDomainError(error)) return undefined;
  const isSystemError = typeof error === 'object' && error !== null && 'syscall' in error;
  return isSystemError ? errorCodeOf(error) : undefined;
}
