import { invalidRequest } from '@glance/common';
import type { InstrumentedStore, StoreSet } from '@glance/stores';
import type { Request } from 'express';
import { storeNamed } from '../store-config/store-settings';

/**
 * The store that `x-image-meta-store` names (api-v2 sheet 8.1). Where there is only one, that is it
 * whatever the header says.
 * @throws DomainError `invalid_request` for a store that is not there.
 */
export function storeForUpload(req: Request, stores: StoreSet): InstrumentedStore {
  const wanted = req.get('x-image-meta-store');
  if (wanted === undefined || wanted === '' || !hasSeveral(stores)) return stores.defaultStore;
  const store = storeNamed(wanted, stores);
  if (!store) throw invalidRequest(`Store ${wanted.slice(0, 100)} is not available on this node`);
  return store;
}

/** The names in `prefer` (api-v2 sheet 8.3); none where the parameter says nothing. */
export function preferredNames(req: Request): string[] {
  const { searchParams } = new URL(req.originalUrl, 'http://localhost');
  const names = searchParams.get('prefer')?.split(',') ?? [];
  return names.map((name) => name.trim()).filter((name) => name !== '');
}

/**
 * The ids of the stores that a download prefers.
 * @throws DomainError `invalid_request` for one that is not there, and where there is only one.
 */
export function preferredStores(names: readonly string[], stores: StoreSet): string[] {
  if (names.length === 0) return [];
  if (!hasSeveral(stores)) {
    throw invalidRequest("The parameter 'prefer' needs several stores, and this site has one");
  }
  return names.map((name) => {
    const store = storeNamed(name, stores);
    if (store) return store.id;
    throw invalidRequest(`Store ${name.slice(0, 100)} is not available on this node`);
  });
}

function hasSeveral(stores: StoreSet): boolean {
  return stores.areNamed || stores.list().length > 1;
}
