import { DomainError, isDomainError, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request } from 'express';
import { contextOf } from '../auth/call-context';
import { imageIdOf } from './image-id';

/**
 * The image that the path names, if the caller may see it.
 * @throws DomainError `image_not_found`; for a deleted image to anybody.
 */
export async function findImage(registry: Registry, req: Request): Promise<ImageRecord> {
  const imageId = imageIdOf(req);
  const image = await registry.getImage(imageId, contextOf(req)).catch((error: unknown) => {
    if (isDomainError(error, 'image_not_found')) throw noImage(imageId, error);
    throw error;
  });
  if (image.deleted) throw noImage(imageId);
  return image;
}

function noImage(imageId: string, cause?: unknown): DomainError {
  return new DomainError('image_not_found', `No image found with ID ${imageId}`, {
    cause,
    details: { imageId },
  });
}
