import { DomainError, invalidRequest } from '@glance/common';
import type { ByteRange } from '@glance/stores';

/** The headers that ask for a part of the data. */
export interface RangeHeaders {
  range?: string | undefined;
  /** Upstream's older clients say it so; looked at only without `Range`. */
  'content-range'?: string | undefined;
}

/**
 * The part of the data that a download asks for (api-v2 sheet 8.3); undefined for all of it.
 * @param sizeBytes null when it is not recorded: no part of it can be named then.
 * @throws DomainError `range_not_satisfiable`; `invalid_request` for several ranges.
 */
export function requestedRange(
  headers: RangeHeaders,
  sizeBytes: number | null,
): ByteRange | undefined {
  const { range, 'content-range': contentRange } = headers;
  if (range !== undefined) return rangeOf(range, sizeBytes);
  if (contentRange !== undefined) return contentRangeOf(contentRange, sizeBytes);
  return undefined;
}

function rangeOf(header: string, sizeBytes: number | null): ByteRange {
  if (header.includes(',')) throw invalidRequest('Requests with multiple ranges are not supported');
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header.trim());
  if (!match || sizeBytes === null) throw notSatisfiable('Range', header, sizeBytes);
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') throw notSatisfiable('Range', header, sizeBytes);
  if (first !== '') return within('Range', header, sizeBytes, Number(first), endOf(last));
  const suffix = Number(last);
  // As upstream takes it: the last none of the bytes are all of them.
  const start = suffix === 0 ? 0 : Math.max(0, sizeBytes - suffix);
  return within('Range', header, sizeBytes, start, Infinity);
}

/** `bytes FIRST-LAST/SIZE`, where SIZE may be `*`; whether SIZE is the true one does not matter. */
function contentRangeOf(header: string, sizeBytes: number | null): ByteRange {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(header.trim());
  if (!match || sizeBytes === null) throw notSatisfiable('Content-Range', header, sizeBytes);
  const [, first, last, given] = match;
  const limit = given === '*' ? sizeBytes : Number(given);
  if (Number(last) >= limit) throw notSatisfiable('Content-Range', header, sizeBytes);
  return within('Content-Range', header, sizeBytes, Number(first), Number(last));
}

function endOf(last: string): number {
  return last === '' ? Infinity : Number(last);
}

/** @param last of the bytes; what is beyond the data is cut off. */
function within(
  name: string,
  header: string,
  sizeBytes: number,
  first: number,
  last: number,
): ByteRange {
  if (first > last || first >= sizeBytes) throw notSatisfiable(name, header, sizeBytes);
  return { offset: first, length: Math.min(last, sizeBytes - 1) - first + 1 };
}

function notSatisfiable(name: string, header: string, sizeBytes: number | null): DomainError {
  return new DomainError(
    'range_not_satisfiable',
    `The ${name} '${header.slice(0, 100)}' names no bytes of this image`,
    { details: { sizeBytes } },
  );
}
