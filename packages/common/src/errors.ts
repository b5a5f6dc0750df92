/**
 * Everything that can go wrong in words of the domain. Each service has one table from these codes
 * to HTTP statuses; the registry client turns a wire error back into the same class.
 */
export const ERROR_CODES = [
  'invalid_request',
  'unauthenticated',
  /** The caller is known, and works in no project. */
  'project_required',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'image_not_found',
  'image_exists',
  'image_deleted',
  'image_protected',
  'image_pending_delete',
  'conflict',
  'upload_fenced',
  'quota_exceeded',
  'too_large',
  'headers_too_large',
  'uri_too_long',
  'unsupported_media_type',
  'client_gone',
  'client_too_slow',
  'data_mismatch',
  /** The data is not of the format that the image says, or not safe. */
  'format_refused',
  /** The part of the data that is asked for is not there. */
  'range_not_satisfiable',
  'store_unknown',
  'store_duplicate',
  'store_full',
  'store_write_denied',
  'store_add_disabled',
  'store_get_unsupported',
  'store_blob_missing',
  'store_blob_corrupt',
  'store_in_use',
  'store_delete_denied',
  'store_unavailable',
  /** An external source lies where this service does not read. */
  'store_source_refused',
  /** An external source answers, and what it answers is no image data. */
  'store_source_unusable',
  'store_failed',
  'identity_unavailable',
  /** The identity service does not tell this service what it has to know. */
  'identity_refused',
  'registry_unavailable',
  'registry_refused',
  'database_unavailable',
  'overloaded',
  /** The caller asked too often; `retryAfterSeconds` is in the details. */
  'rate_limited',
  'shutting_down',
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Details travel with the error over the internal contract: strings and numbers, no secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  /** @param message what the caller may read: no path, no credential, no text of a driver. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

export function isDomainError(error: unknown, ...codes: ErrorCode[]): error is DomainError {
  return error instanceof DomainError && (codes.length === 0 || codes.includes(error.code));
}

export function imageNotFound(imageId: string): DomainError {
  return new DomainError('image_not_found', `Image with identifier ${imageId} not found`, {
    details: { imageId },
  });
}

export function invalidRequest(message: string, more: { cause?: unknown } = {}): DomainError {
  return new DomainError('invalid_request', message, more);
}

/** The chain of messages of an error and its causes, for a log line. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let current: unknown = error; current !== undefined && parts.length < 8;) {
    if (!isErrorLike(current)) {
      // Nothing of an object: it may hold anything, also itself.
      parts.push(typeof current === 'string' ? current : `a ${typeof current}, no error`);
      break;
    }
    const { message, code, cause } = current;
    parts.push(typeof code === 'string' ? `${message} [${code}]` : message);
    current = cause;
  }
  return parts.join(': caused by: ');
}

/** By shape: an error of another realm is no instance of ours. */
function isErrorLike(
  value: unknown,
): value is { message: string; code?: unknown; cause?: unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { message?: unknown }).message === 'string'
  );
}
