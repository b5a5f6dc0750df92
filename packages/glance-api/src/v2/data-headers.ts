import { DomainError, invalidRequest } from '@glance/common';
import type { Request } from 'express';
import { FORM_DATA, FormBody, formParser } from '../transfer/form-body';
import { OCTET_STREAM, mediaType, refuseContentEncoding } from '../transfer/media-type';
import type { UploadBody } from '../transfer/upload-source';

/** What the headers of an upload say of its data. */
export interface SentData {
  /** `x-openstack-image-size`: as many bytes must come. */
  sizeBytes: number | undefined;
  /** What is known of the size before the data comes. */
  announcedBytes: number | undefined;
  /** Takes the data out of a form; undefined where the body is the data. */
  unwrap: ((body: UploadBody) => UploadBody) | undefined;
}

/**
 * The checks of an upload that need no more than its headers (api-v2 sheet 8.1).
 * @throws DomainError `unsupported_media_type`, `invalid_request`.
 */
export function readDataHeaders(req: Request): SentData {
  const type = mediaType(req);
  if (type !== OCTET_STREAM && type !== FORM_DATA) {
    throw new DomainError(
      'unsupported_media_type',
      `Invalid content type ${type?.slice(0, 100) ?? 'None'}`,
    );
  }
  refuseContentEncoding(req);
  const sizeBytes = declaredSize(req.get('x-openstack-image-size'));
  if (type === FORM_DATA) {
    const parser = formParser(req);
    const unwrap = (body: UploadBody): UploadBody => new FormBody(body, parser);
    return { sizeBytes, announcedBytes: sizeBytes, unwrap };
  }
  const length = req.headers['content-length'];
  const announcedBytes = sizeBytes ?? (length === undefined ? undefined : Number(length));
  return { sizeBytes, announcedBytes, unwrap: undefined };
}

function declaredSize(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const size = /^\d{1,15}$/.test(header.trim()) ? Number(header) : undefined;
  if (size === undefined) {
    throw invalidRequest(
      `The x-openstack-image-size '${header.slice(0, 100)}' is not a number of bytes`,
    );
  }
  return size;
}
