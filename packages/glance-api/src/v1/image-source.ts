import { invalidRequest } from '@glance/common';
import type { Request } from 'express';
import type { ImageMeta } from './image-headers';

/** Where the data of a POST or PUT comes from. */
export type ImageSource = 'none' | 'body';

const BODY_CODINGS = ['chunked', 'compress', 'deflate', 'gzip', 'identity'];

/**
 * Decides between body, `x-glance-api-copy-from` and `x-image-meta-location` (api-v1 sheet 2.5,
 * 2.6). External sources need a store that reads them, and none of the enabled ones does.
 * @throws DomainError `invalid_request`.
 */
export function imageSource(req: Request, meta: ImageMeta): ImageSource {
  const copyFrom = req.get('x-glance-api-copy-from');
  const external = [copyFrom, meta.location].filter((each) => each !== undefined);
  const body = hasBody(req);
  if (external.length + (body ? 1 : 0) > 1) {
    throw invalidRequest("It's invalid to provide multiple image sources.");
  }
  const [uri] = external;
  if (uri !== undefined) {
    throw invalidRequest(
      uri === ''
        ? 'External source should not be empty'
        : `External sources are not supported: '${uri.slice(0, 300)}'`,
    );
  }
  return body ? 'body' : 'none';
}

/** Any transfer coding means a body, even an empty one; so does a Content-Length above zero. */
function hasBody(req: Request): boolean {
  const coding = req.headers['transfer-encoding']?.toLowerCase() ?? '';
  return (
    BODY_CODINGS.some((each) => coding.includes(each)) ||
    Number(req.headers['content-length'] ?? 0) > 0
  );
}
