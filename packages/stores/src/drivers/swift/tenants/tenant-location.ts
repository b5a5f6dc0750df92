import { parseBlobName } from '../../../store-driver';
import type { AccountUrls } from './tenant-accounts';

/** A blob in the account of a project, or where one may be. */
export interface TenantPlace {
  /** Of the account, as the location has it. */
  storageUrl: string;
  container: string;
  imageId: string;
  object: string;
}

/** Each image has a container of its own (stores sheet §6). */
export function tenantContainer(container: string, imageId: string): string {
  return `${container}_${imageId}`;
}

/** As upstream writes it: the URL of the object, `swift+` before it, without credentials. */
export function toTenantLocation({ storageUrl, container, object }: TenantPlace): string {
  return `swift+${storageUrl}/${container}/${object}`;
}

/**
 * The place that a location names, by its form: whose account it is in is for the caller to check.
 * @param container how the names of containers begin.
 * @returns undefined for what no service writes.
 */
export function tenantPlaceOf(locationUrl: string, container: string): TenantPlace | undefined {
  const [, scheme, rest] = /^(swift|swift\+https?):\/\/([^@?#\s]+)$/.exec(locationUrl) ?? [];
  if (scheme === undefined || rest === undefined || rest.includes('://')) return undefined;
  const parts = rest.split('/');
  const object = parts.pop() ?? '';
  const name = parts.pop() ?? '';
  const imageId = parseBlobName(object)?.imageId;
  if (imageId === undefined || name !== tenantContainer(container, imageId)) return undefined;
  const protocol = scheme === 'swift+http' ? 'http' : 'https';
  const storageUrl = `${protocol}://${parts.join('/')}`;
  return { storageUrl, container: name, imageId, object };
}

/** @returns the project whose account it is; undefined for a URL of no account of this Swift. */
export function projectOf(storageUrl: string, { before, after }: AccountUrls): string | undefined {
  if (!storageUrl.startsWith(before) || !storageUrl.endsWith(after)) return undefined;
  const projectId = storageUrl.slice(before.length, storageUrl.length - after.length);
  return /^[A-Za-z0-9-]{1,64}$/.test(projectId) ? projectId : undefined;
}
