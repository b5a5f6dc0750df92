import { isDomainError, type ImageLocation } from '@glance/common';
import { isExternalLocation, type StoreSet } from '@glance/stores';

/** What upstream writes while it imports to several stores at once: no data is there (schema sheet §4.1). */
const IS_UPSTREAMS_PROMISE = /^pending:\/\/parallel-import\//;

/**
 * Removes what is stored at a location. What lies on somebody's web server is not ours to remove, be
 * the http store enabled or not; data already gone is as good.
 * @returns whether it removed anything.
 * @throws DomainError of the store.
 */
export async function removeData(location: ImageLocation, stores: StoreSet): Promise<boolean> {
  if (isExternalLocation(location.url) || IS_UPSTREAMS_PROMISE.test(location.url)) return false;
  try {
    await stores.forLocation(location).delete(location.url);
    return true;
  } catch (error) {
    if (isDomainError(error, 'store_blob_missing')) return false;
    throw error;
  }
}

/**
 * The order to remove an image's data in: what a store may refuse to give up comes first, so that a
 * refused deletion has removed nothing.
 */
export function refusableFirst(
  locations: readonly ImageLocation[],
  stores: StoreSet,
): ImageLocation[] {
  const isRefusable = (location: ImageLocation): boolean =>
    stores.find(location)?.capabilities.delete === 'unless in use';
  return [...locations].sort((a, b) => Number(isRefusable(b)) - Number(isRefusable(a)));
}
