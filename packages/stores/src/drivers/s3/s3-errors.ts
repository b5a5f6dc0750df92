import { DomainError, isDomainError } from '@glance/common';
import {
  accessDenied,
  blobMissing,
  storeFull,
  storeUnavailable,
  type StoreAction,
} from '../../store-errors';

const FULL = new Set(['EntityTooLarge', 'QuotaExceeded', 'InsufficientStorage', 'StorageFull']);
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
