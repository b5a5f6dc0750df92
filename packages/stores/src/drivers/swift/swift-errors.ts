import { DomainError, isDomainError } from '@glance/common';
import { KeystoneError } from '@glance/keystone-client';
import {
  accessDenied,
  blobMissing,
  storeFull,
  storeUnavailable,
  type StoreAction,
} from '../../store-errors';

const FULL: ReadonlySet<number> = new Set([413, 507]);
/** 499: the server says that the client ended the connection. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 498, 499]);

/** An answer of the server that is no success. The message is for operators and has no secrets. */
export class SwiftRefusal extends Error {
  constructor(
    what: string,
    readonly status: number,
    transactionId?: string,
  ) {
    const transaction = transactionId === undefined ? '' : `, transaction ${transactionId}`;
    super(`Swift server: ${what}: status ${status}${transaction}`);
    this.name = 'SwiftRefusal';
  }
}

/** The status of the server's answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof SwiftRefusal ? error.status : undefined;
}

/** An error as one of the store family (stores sheet §1, §11). */
export function toStoreError(error: unknown, action: StoreAction): unknown {
  if (isDomainError(error)) return error;
  if (error instanceof KeystoneError) {
    const refused = error.kind === 'credentials_refused' || error.kind === 'forbidden';
    return refused ? accessDenied(action, error) : storeUnavailable(error);
  }
  const status = statusOf(error);
  if (status === undefined) return isSystemError(error) ? storeUnavailable(error) : error;
  if (FULL.has(status) && action === 'write') return storeFull(error);
  if (status === 404) return action === 'write' ? containerMissing(error) : blobMissing(error);
  if (status === 401 || status === 403) return accessDenied(action, error as Error);
  return status >= 500 || PASSING.has(status) ? storeUnavailable(error) : error;
}

/** Of a copy: not known, not allowed, or too much, where the bytes themselves may not be. */
const NO_COPY: ReadonlySet<number> = new Set([403, 405, 413, 501]);

/** What is clear about a copy that was refused, else the error itself. */
export function toCopyError(error: unknown): unknown {
  return NO_COPY.has(statusOf(error) ?? 0) ? copyUnsupported(error) : error;
}

/** The bytes have to be read and written then. */
export function copyUnsupported(cause?: unknown): DomainError {
  const text = 'The store does not copy image data itself';
  return new DomainError('store_get_unsupported', text, { cause });
}

export function containerMissing(cause?: unknown): DomainError {
  const text =
    'the container is not there: create it, or set swift_store_create_container_on_put = true';
  return storeUnavailable(new Error(text, { cause }));
}

/** Whether another try soon may succeed: nobody answered, or the answer says so. */
export function isPassing(error: unknown): boolean {
  if (isDomainError(error)) return error.code === 'store_unavailable';
  const status = statusOf(error);
  if (status === undefined) return isSystemError(error);
  return status >= 500 ? status !== 507 && status !== 501 : PASSING.has(status);
}

/** Of a connection, a name, a certificate: they have a code of the system's or of OpenSSL's. */
function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException | undefined)?.code === 'string';
}
