import { imageNotFound, isDomainError, toCanonicalUuid, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request } from 'express';
import { contextOf } from '../auth/call-context';

/**
 * The image that the path names; deleted ones are there for administrators.
 * @param enforce asks the rules. When there is no image, or none that the caller may see, it is called
 * without: who may not is told so whatever the id (api-v1 sheet §2.4).
 * @throws DomainError `image_not_found`, or what `enforce` throws.
 */
export async function findImage(
  registry: Registry,
  req: Request,
  enforce: (image: ImageRecord | undefined) => void,
): Promise<ImageRecord> {
  const given = String(req.params['id']);
  const imageId = toCanonicalUuid(given);
  const image = imageId === undefined ? undefined : await getImage(registry, imageId, req);
  enforce(image);
  if (!image) throw imageNotFound(imageId ?? given.slice(0, 64));
  return image;
}

async function getImage(
  registry: Registry,
  imageId: string,
  req: Request,
): Promise<ImageRecord | undefined> {
  try {
    return await registry.getImage(imageId, contextOf(req));
  } catch (error) {
    if (isDomainError(error, 'image_not_found')) return undefined;
    throw error;
  }
}
