import { imageNotFound, toCanonicalUuid } from '@glance/common';
import type { Request } from 'express';

/** The image that the path names. @throws DomainError `image_not_found` for what is no UUID. */
export function imageIdOf(req: Request): string {
  const given = String(req.params['id']);
  const imageId = toCanonicalUuid(given);
  if (imageId === undefined) throw imageNotFound(given.slice(0, 64));
  return imageId;
}
