import { isDomainError, type ImageLocation } from '@glance/common';
import { isExternalLocation, type StoreSet } from '@glance/stores';

/**
 * Removes what is stored at a location. What lies on somebody's web server is not ours to remove, be
 * the http store enabled or not; data already gone is as good.
 * @returns whether it removed anything.
 * @throws DomainError of the store.
 */
export async function removeData(location: ImageLocation, stores: StoreSet): Promise<boolean> {
  if (isExternalLocation(location.url)) return false;
  try {
    await stores.forLocation(location).delete(location.url);
    return true;
  } catch (error) {
    if (isDomainError(error, 'store_blob_missing')) return false;
    throw error;
  }
}
