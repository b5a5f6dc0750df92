import { DomainError, isDomainError } from '@glance/common';
import {
  accessDenied,
  blobMissing,
  storeFull,
  storeUnavailable,
  type StoreAction,
} from '../../store-errors';

const FULL = new Set(['EntityTooLarge', 'QuotaExceeded', 'InsufficientStorage', 'StorageFull']);
/** Of a copy: not known, or not allowed, where the bytes themselves may be. */
const NO_COPY_STATUSES: ReadonlySet<number> = new Set([403, 405, 501]);
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

interface ServiceError extends Error {
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

/** The status of the server's answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as ServiceError | undefined)?.$metadata?.httpStatusCode;
}

export function isNoSuchBucket(error: unknown): boolean {
  return isErrorLike(error) && error.name === 'NoSuchBucket';
}

/** The answer to a HEAD has no body: its 404 has no other name than `NotFound`. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && !isNoSuchBucket(error);
}

/** Somebody else has the name, by `If-None-Match`. */
export function isTaken(error: unknown): boolean {
  const status = statusOf(error);
  return (
    status === 412 || (status === 409 && (error as Error).name === 'ConditionalRequestConflict')
  );
}

/** An error of the SDK as one of the store family (stores sheet §1, §11). */
export function toStoreError(error: unknown, action: StoreAction): unknown {
  if (isDomainError(error) || !isErrorLike(error)) return error;
  const cause = withoutSecrets(error);
  const status = statusOf(error);
  if (FULL.has(error.name) || status === 507) return storeFull(cause);
  if (isNoSuchBucket(error)) return bucketMissing(cause);
  if (status === undefined) return isOutage(error) ? storeUnavailable(cause) : cause;
  if (status === 404 && action !== 'write') return blobMissing(cause);
  if (status === 401 || status === 403) return accessDenied(action, cause);
  return status >= 500 || PASSING_STATUSES.has(status) ? storeUnavailable(cause) : cause;
}

/** Rejects with what is clear about a copy that was refused, else with the error itself. */
export function refusedCopy(error: unknown): never {
  if (isErrorLike(error) && error.name === 'NoSuchKey') throw blobMissing(withoutSecrets(error));
  throw NO_COPY_STATUSES.has(statusOf(error) ?? 0) ? copyUnsupported(error) : error;
}

/** The bytes have to be read and written then. */
export function copyUnsupported(cause?: unknown): DomainError {
  const reason = isErrorLike(cause) ? withoutSecrets(cause) : undefined;
  const text = 'The store does not copy image data itself';
  return new DomainError('store_get_unsupported', text, { cause: reason });
}

export function bucketMissing(cause?: unknown): DomainError {
  const text = 'the bucket is not there: create it, or set s3_store_create_bucket_on_put = true';
  return storeUnavailable(new Error(text, { cause }));
}

// By shape: errors come from Node and from the SDK.
function isErrorLike(value: unknown): value is ServiceError {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value;
}

/** Nobody answered, whatever the reason is called: only mistakes in the code have other names. */
function isOutage({ name }: ServiceError): boolean {
  return !['TypeError', 'RangeError', 'ReferenceError'].includes(name);
}

/**
 * What an operator needs, and nothing else of the error: the SDK's carry the request, the access
 * key and what was signed.
 */
function withoutSecrets(error: ServiceError): Error {
  const { httpStatusCode: status, requestId } = error.$metadata ?? {};
  const answer = status === undefined ? 'no answer' : `status ${status}`;
  const request = requestId === undefined ? '' : `, request ${requestId}`;
  return new Error(`S3 server: ${error.name}: ${error.message} (${answer}${request})`);
}
