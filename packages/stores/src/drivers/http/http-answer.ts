import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { DomainError } from '@glance/common';
import {
  blobMissing,
  rangeOutsideBlob,
  sourceUnusable,
  storeUnavailable,
} from '../../store-errors';
import type { ByteRange } from '../../store-driver';

/** Answers that may be another one later, besides those of 500 and above. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

/** What tells that data is still the same, byte for byte (RFC 9110 §8.8). */
export interface Validator {
  header: 'etag' | 'last-modified';
  value: string;
}

/** What the head of a good answer says. */
export interface DataHead {
  /** Of the whole, also when only a part is sent. */
  sizeBytes: number;
  /** Bytes of the body that come before those that were asked for. */
  leadBytes: number;
  /** Undefined when the source gives none that is strong. */
  validator: Validator | undefined;
}

/**
 * Reads the head of the answer to a GET. A server that knows no ranges, or does not hold `If-Range`
 * to be true, sends the whole: then what lies before the range is to be skipped.
 * @throws DomainError `store_blob_missing`, `store_unavailable`, `store_source_unusable`;
 * `store_blob_corrupt` when the range does not lie within the data.
 */
export function readDataHead(response: IncomingMessage, range?: ByteRange): DataHead {
  const { statusCode, headers } = response;
  const validator = validatorOf(headers);
  if (range && statusCode === 416) throw rangeOutsideBlob();
  if (range && statusCode === 206) {
    requireUnencoded(headers);
    return { sizeBytes: wholeSize(headers, range), leadBytes: 0, validator };
  }
  if (statusCode !== 200) throw failureOf(response);
  requireUnencoded(headers);
  const sizeBytes = lengthOf(headers);
  // Without a length the end of the data cannot be told from a connection that broke.
  if (sizeBytes === undefined) {
    throw sourceUnusable('the source does not say how long its data is');
  }
  if (range && range.offset + range.length > sizeBytes) throw rangeOutsideBlob();
  return { sizeBytes, leadBytes: range?.offset ?? 0, validator };
}

export function lengthOf(headers: IncomingHttpHeaders): number | undefined {
  return toSize(headers['content-length']);
}

/** @throws DomainError `store_source_unusable` although encodings were refused in the request. */
export function requireUnencoded(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  throw sourceUnusable('the source encodes its data although it was asked not to');
}

export function failureOf({ statusCode = 0 }: IncomingMessage): DomainError {
  const cause = `the source answered with status ${statusCode}`;
  if (statusCode === 404 || statusCode === 410) return blobMissing(new Error(cause));
  return statusCode >= 500 || PASSING_STATUSES.has(statusCode)
    ? storeUnavailable(new Error(cause))
    : sourceUnusable(cause);
}

/** The size of the whole, from an answer that has exactly the range. */
function wholeSize(headers: IncomingHttpHeaders, { offset, length }: ByteRange): number {
  const parts = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(headers['content-range'] ?? '');
  const [first, last, total] = parts ? parts.slice(1).map(Number) : [];
  if (first === undefined || last === undefined || total === undefined) {
    throw sourceUnusable('the source does not say which part of its data it sends');
  }
  if (offset + length > total) throw rangeOutsideBlob();
  const announced = lengthOf(headers) ?? length;
  if (first !== offset || last - first + 1 !== length || announced !== length) {
    throw sourceUnusable('the source sends another part of its data than it was asked for');
  }
  return total;
}

/**
 * A strong one only. A time counts as such when the data was a second old or more (RFC 9110
 * §8.8.2.2), and where there is no entity tag, not even a weak one (§13.1.5).
 */
function validatorOf(headers: IncomingHttpHeaders): Validator | undefined {
  const { etag, date, 'last-modified': modified } = headers;
  if (etag !== undefined) {
    return /^"[^"]*"$/.test(etag) ? { header: 'etag', value: etag } : undefined;
  }
  if (modified === undefined || date === undefined) return undefined;
  return Date.parse(date) - Date.parse(modified) >= 1000
    ? { header: 'last-modified', value: modified }
    : undefined;
}

function toSize(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
