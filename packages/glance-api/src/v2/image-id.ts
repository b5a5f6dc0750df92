import { imageNotFound } from '@glance/common';
import type { Request } from 'express';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The image that the path names. Ids are canonical lower case; another case names the same image.
 * @throws DomainError `image_not_found` for what is no id.
 */
export function imageIdOf(req: Request): string {
  const given = String(req.params['id']);
  if (!UUID.test(given)) throw imageNotFound(given.slice(0, 64));
  return given.toLowerCase();
}
