import type { IncomingMessage } from 'node:http';
import { DomainError } from '@glance/common';

/** The type of image data on the wire. */
export const OCTET_STREAM = 'application/octet-stream';

/** The media type of a body, in lower case and without parameters. */
export function mediaType({ headers }: IncomingMessage): string | undefined {
  return headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
}

/** @throws DomainError `unsupported_media_type` for data that would have to be decoded. */
export function refuseContentEncoding({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return;
  throw new DomainError(
    'unsupported_media_type',
    'Image data is stored as sent: a Content-Encoding is not accepted',
  );
}
