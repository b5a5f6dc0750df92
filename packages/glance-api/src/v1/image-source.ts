import { invalidRequest } from '@glance/common';
import type { Request } from 'express';
import type { ImageMeta } from './image-headers';

/** What a POST or PUT names as the place of the data: one of them, if any, in a good request. */
export interface NamedSources {
  body: boolean;
  /** As the client wrote it, not checked. */
  copyFrom: string | undefined;
  location: string | undefined;
}

export type ImageSource =
  { kind: 'none' } | { kind: 'body' } | { kind: 'copy' | 'location'; uri: string };

const BODY_CODINGS = ['chunked', 'compress', 'deflate', 'gzip', 'identity'];

/** Body, `x-glance-api-copy-from` and `x-image-meta-location` (api-v1 sheet 2.5, 2.6). */
export function namedSources(req: Request, meta: ImageMeta): NamedSources {
  return {
    body: hasBody(req),
    copyFrom: req.get('x-glance-api-copy-from'),
    location: meta.location,
  };
}

/** @throws DomainError `invalid_request` when there are several. */
export function onlySource({ body, copyFrom, location }: NamedSources): ImageSource {
  const sources: ImageSource[] = [];
  if (body) sources.push({ kind: 'body' });
  if (copyFrom !== undefined) sources.push({ kind: 'copy', uri: copyFrom });
  if (location !== undefined) sources.push({ kind: 'location', uri: location });
  if (sources.length > 1) throw invalidRequest("It's invalid to provide multiple image sources.");
  return sources[0] ?? { kind: 'none' };
}

/** Any transfer coding means a body, even an empty one; so does a Content-Length above zero. */
function hasBody(req: Request): boolean {
  const coding = req.headers['transfer-encoding']?.toLowerCase() ?? '';
  return (
    BODY_CODINGS.some((each) => coding.includes(each)) ||
    Number(req.headers['content-length'] ?? 0) > 0
  );
}
